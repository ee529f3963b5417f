"""Rules of the house that no compiler warning knows."""

import re
import shutil
import subprocess

import pytest

from repo.repository import code_files, code_only, files, line_of, relative, sources_of_tests, text_files

STATEMENT_START = re.compile(r"[;{}]")


def awaits_in_expressions(text):
    """Lines where co_await is neither the start of a statement nor all of an initialiser or of a co_return."""
    code = code_only(text)
    wrong = []
    for match in re.finditer(r"\bco_await\b", code):
        starts = [start.end() for start in STATEMENT_START.finditer(code, max(0, match.start() - 1000), match.start())]
        before = code[starts[-1] if starts else 0 : match.start()].rstrip()
        inside = before.count("(") > before.count(")")
        operator = re.search(r"(?:[!&|+\-*/%<>,^~?]|[=!<>]=|\?[^:]*:)$", before)
        if inside or operator:
            wrong.append(line_of(text, match.start()))
    return wrong


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{ if (co_await f()) g(); }", True),
        ("{ if (!co_await f()) g(); }", True),
        ("{ while (x && co_await f()) g(); }", True),
        ("{ g(co_await f()); }", True),
        ("{ const auto x = !co_await f(); }", True),
        ("{ const auto x = a == co_await f(); }", True),
        ("{ const auto x = co_await f(); }", False),
        ("{ const auto [x, y] = co_await f(); if (x) co_await g(); }", False),
        ("{ co_await f(); co_return co_await g(); }", False),
        ("{ // if (co_await f())\n }", False),
    ],
)
def test_the_co_await_check_itself(text, wrong):
    assert bool(awaits_in_expressions(text)) == wrong


def test_co_await_has_a_line_of_its_own():
    wrong = []
    for path in code_files() + sources_of_tests():
        wrong += [f"{relative(path)}:{line}" for line in awaits_in_expressions(path.read_text())]
    assert not wrong, "co_await in a condition, argument or operator:\n" + "\n".join(wrong)


def test_todos_have_a_kind():
    good = re.compile(r"\bTODO\((perf|security|cleanup|test)\): \S")
    marks = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX"]) + r")\b")
    wrong = []
    for path in code_files() + sources_of_tests():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if marks.search(line) and not good.search(line):
                wrong.append(f"{relative(path)}:{number}: {line.strip()}")
    assert not wrong, "\n".join(wrong)


def test_no_preprocessor_branches_inside_functions():
    wrong = []
    for path in code_files():
        depth = 0
        for number, line in enumerate(code_only(path.read_text()).splitlines(), 1):
            if re.match(r"\s+#\s*if", line) or (re.match(r"#\s*if", line) and depth > 1):
                wrong.append(f"{relative(path)}:{number}")
            depth += line.count("{") - line.count("}")
    assert not wrong, f"#if inside a class or function: {wrong}"


def test_unit_tests_are_named_in_words_with_the_tag_of_their_folder():
    wrong = []
    for path in sources_of_tests():
        parts = relative(path).split("/")
        if parts[1] != "unit":
            continue
        for name, tags in re.findall(r'(?:TEST_CASE|TEST_CASE_METHOD)\(\s*(?:\w+,\s*)?"([^"]*)"(?:\s*"[^"]*")*,\s*"([^"]*)"', path.read_text()):
            if " " not in name or f"[{parts[2]}]" not in tags:
                wrong.append(f'{relative(path)}: "{name}" {tags}')
    assert not wrong, "\n".join(wrong)


def test_sources_are_formatted():
    program = shutil.which("clang-format-19")
    if program is None:
        pytest.skip("clang-format-19 is not installed: other versions format differently")
    paths = [str(path) for path in code_files() + sources_of_tests()]
    checked = subprocess.run([program, "--dry-run", "--Werror", *paths], capture_output=True, text=True)
    places = sorted(set(re.findall(r"^\S+?:\d+(?=:\d+: error)", checked.stderr, re.MULTILINE)))
    assert checked.returncode == 0, "not formatted (clang-format-19 -i):\n" + "\n".join(places)


def test_scripts_are_valid_shell():
    scripts = [path for path in text_files() if path.read_text().startswith(("#!/usr/bin/env bash", "#!/bin/sh", "#!/bin/bash"))]
    assert {"run", "test"} <= {relative(path) for path in scripts}
    for path in scripts:
        checked = subprocess.run(["bash", "-n", path], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
        assert path.stat().st_mode & 0o111, f"{relative(path)} cannot be executed"


def test_files_end_with_one_newline_and_have_no_trailing_spaces():
    wrong = []
    for path in text_files():
        if relative(path) == "LICENSE" or "golden" in relative(path):
            continue
        text = path.read_text(errors="replace")
        if text and (not text.endswith("\n") or text.endswith("\n\n")):
            wrong.append(f"{relative(path)}: end of file")
        wrong += [f"{relative(path)}:{n}" for n, line in enumerate(text.splitlines(), 1) if line != line.rstrip()]
    assert not wrong, "\n".join(wrong)


def test_python_sources_compile():
    for path in files():
        if path.suffix == ".py":
            compile(path.read_text(), str(path), "exec")
