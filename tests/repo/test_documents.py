"""README, CONTRIBUTING and docs/ tell what is there."""

import re
import subprocess

import pytest

from repo.repository import ROOT, files, relative

DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *[path for folder in ("docs", "examples") for path in files(folder) if path.suffix == ".md"],
]
BLOCK = re.compile(r"^```(?:sh|bash|console|shell)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")


def anchors_of(path):
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_links_lead_somewhere(path):
    missing = []
    for target, anchor in LINK.findall(path.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        place = path.parent / target if target else path
        if not place.exists() or (anchor and anchor not in anchors_of(place)):
            missing.append(f"{target}#{anchor}")
    assert not missing, missing


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_tables_have_a_header(path):
    """A row without one above it is shown as text."""
    before, rule = "", False
    for line in FENCED.sub("", path.read_text()).splitlines():
        is_row = line.startswith("| ")
        if is_row and not before.startswith("| "):
            rule = False
            header = line
        elif is_row and not rule:
            assert re.fullmatch(r"\|( ?:?-+:? ?\|)+", line), f"{header}\n{line}"
            rule = True
        elif before.startswith("| "):
            assert rule, before
        before = line


def test_every_metric_is_documented_and_every_documented_metric_exists():
    name = r"\b((?:cppx|nginx_ingress_controller)_[a-z_]+)"
    served = set(re.findall(f'"{name}"', (ROOT / "app" / "metrics.cpp").read_text()))
    assert len(served) > 20, served
    documented = set(re.findall(name, (ROOT / "docs" / "configuration.md").read_text()))
    assert documented == served


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_commands_of_the_repository_exist(path):
    missing = []
    for block in BLOCK.findall(path.read_text()):
        for command in re.findall(r"(?:^|[\s&|(])(\./[\w./-]+|(?:tools|tests|bench)/[\w./-]+)", block, re.MULTILINE):
            if not (ROOT / command).exists():
                missing.append(command)
    assert not missing, missing


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_named_folders_and_files_exist(path):
    named = re.findall(r"`((?:app|base|bench|cmake|controller|docs|examples|features|proxy|routing|tests|tls|tools)/[\w./-]*)`", path.read_text())
    missing = [name for name in named if not (ROOT / name).exists()]
    assert not missing, missing


def help_text(binary, *arguments):
    shown = subprocess.run([binary, *arguments, "--help"], capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0, shown.stderr
    return shown.stdout


def test_every_flag_is_documented_and_every_documented_flag_exists(cppx_binary):
    text = help_text(cppx_binary)
    flags = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text)) - {"--help", "--version"}
    assert len(flags) > 10, text
    documented = (ROOT / "docs" / "configuration.md").read_text()
    in_document = set(re.findall(r"`(--[a-z][a-z0-9-]*)", documented))
    assert not flags - in_document, f"in --help, not in docs/configuration.md: {sorted(flags - in_document)}"
    known = flags | {"--help", "--version"}
    for command in ("demo", "explain", "routes"):
        known |= set(re.findall(r"--[a-z][a-z0-9-]*", help_text(cppx_binary, command)))
    assert not in_document - known, f"in docs/configuration.md, not in --help: {sorted(in_document - known)}"


def test_the_version_is_the_one_of_the_build(cppx_binary):
    version = re.search(r"project\(cppx VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
    shown = subprocess.run([cppx_binary, "--version"], capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0 and version in shown.stdout, shown


def test_the_license_is_apache_2():
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text and "Version 2.0, January 2004" in text


def test_at_a_glance_is_generated():
    readme = (ROOT / "README.md").read_text()
    inside = re.search(r"<!-- at a glance: begin.*?-->\n(.*?)<!-- at a glance: end -->", readme, re.DOTALL)
    assert inside, "README.md has no block between the markers of bench/at_a_glance"
    rows = re.findall(r"^\| ([^|]+?) *\| ([^|]+?) *\|$", inside.group(1), re.MULTILINE)[2:]
    measured = {name: re.match(r"[\d.,]+ (ms|MiB|KiB)", value) for name, value in rows}
    for wanted in ("Start to serving", "Size of the program", "Memory"):
        assert any(name.startswith(wanted) and value for name, value in measured.items()), (wanted, rows)
