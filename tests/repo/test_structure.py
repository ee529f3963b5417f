"""Who may include and link whom, and how long a file may be (docs/architecture.md)."""

import re

import pytest

from repo.repository import CODE_FOLDERS, ROOT, code_files, files, relative, sources_of_tests

# A folder may include itself and these.
MAY_INCLUDE = {
    "base": set(),
    "routing": {"base"},
    "tls": {"base", "routing"},
    "features": {"base", "routing"},
    "proxy": {"base", "routing", "tls", "features"},
    "controller": {"base", "routing", "tls", "features"},
    "app": {"base", "routing", "tls", "features", "proxy", "controller"},
}
# Libraries that a folder must do without: its headers and sources include none of them.
FORBIDDEN_LIBRARIES = {
    "routing": ("boost/asio", "boost/beast", "openssl", "nlohmann", "yaml-cpp", "thread", "mutex", "llhttp", "nghttp2"),
    "features": ("boost/asio", "boost/beast", "openssl", "thread", "mutex", "llhttp", "nghttp2"),
    "tls": ("boost/asio", "boost/beast", "nlohmann", "yaml-cpp", "llhttp", "nghttp2"),
    "controller": ("llhttp", "nghttp2"),
    "proxy": ("nlohmann", "yaml-cpp", "boost/beast"),
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def includes(path):
    return [(mark, name) for mark, name in INCLUDE.findall(path.read_text())]


@pytest.mark.parametrize("folder", CODE_FOLDERS)
def test_a_folder_includes_only_what_lies_below_it(folder):
    allowed = MAY_INCLUDE[folder] | {folder}
    wrong = []
    for path in code_files():
        if relative(path).split("/")[0] != folder:
            continue
        for mark, name in includes(path):
            if mark == '"' and name.split("/")[0] not in allowed:
                wrong.append(f"{relative(path)} includes {name}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", FORBIDDEN_LIBRARIES)
def test_a_folder_does_without_some_libraries(folder):
    wrong = []
    for path in code_files():
        if relative(path).split("/")[0] != folder:
            continue
        for mark, name in includes(path):
            if mark == "<" and name.startswith(tuple(FORBIDDEN_LIBRARIES[folder])):
                wrong.append(f"{relative(path)} includes <{name}>")
    assert not wrong, "\n".join(wrong)


def test_own_headers_are_included_from_the_root():
    wrong = []
    for path in code_files() + sources_of_tests():
        for mark, name in includes(path):
            if mark == '"' and not (ROOT / name).is_file():
                wrong.append(f'{relative(path)} includes "{name}", which is not a path from the root')
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", CODE_FOLDERS)
def test_a_target_links_only_what_lies_below_it(folder):
    allowed = {f"cppx_{name}" for name in MAY_INCLUDE[folder]} | {f"cppx_{folder}", "cppx_options", "cppx_pch"}
    text = "\n".join(path.read_text() for path in files(folder) if path.name == "CMakeLists.txt" or path.suffix == ".cmake")
    assert text, f"{folder} has no CMakeLists.txt"
    linked = set()
    for arguments in re.findall(r"target_link_libraries\(([^)]*)\)", text):
        linked |= set(re.findall(r"\bcppx_[a-z]+", arguments.split(None, 1)[1]))
    assert linked <= allowed, f"{folder} links {sorted(linked - allowed)}"


def test_proxy_and_controller_meet_only_in_the_snapshot():
    assert "controller" not in MAY_INCLUDE["proxy"] and "proxy" not in MAY_INCLUDE["controller"]


def test_cmake_names_every_file():
    lists = [path for path in files() if path.name == "CMakeLists.txt" or path.suffix == ".cmake"]
    globs = [relative(path) for path in lists if re.search(r"GLOB[^)]*\.(cpp|h|c)\b", path.read_text())]
    assert not globs, f"file(GLOB) of sources in {globs}"
    named = "\n".join(path.read_text() for path in lists)
    orphans = [relative(path) for path in code_files(".cpp") + sources_of_tests() if path.suffix == ".cpp" and path.name not in named]
    assert not orphans, f"in no CMakeLists.txt: {orphans}"


def test_files_are_short_enough():
    limits = [(code_files(), 800), (sources_of_tests(), 1000), ([path for path in files() if path.suffix == ".py"], 1000)]
    long = []
    for paths, limit in limits:
        for path in paths:
            lines = path.read_text().count("\n")
            if lines > limit:
                long.append(f"{relative(path)}: {lines} lines, {limit} allowed")
    assert not long, "\n".join(long)


def test_headers_have_pragma_once():
    without = [relative(path) for path in code_files(".h") if "#pragma once" not in path.read_text()]
    assert not without, without
