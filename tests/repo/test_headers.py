"""Every header compiles alone: it includes what it uses."""

import concurrent.futures
import json
import os
import re
import shlex
import subprocess

import pytest

from repo.repository import CODE_FOLDERS, ROOT, code_files, relative

WITH_VALUE = {"-o", "-MF", "-MT", "-MQ", "-include", "-Xclang", "-x"}


def flags_of(entry):
    """The flags of a compile command that a header needs: no output, no precompiled header, no launcher."""
    words = shlex.split(entry["command"])
    begin = next(i for i, word in enumerate(words) if "clang" in os.path.basename(word) or "g++" in os.path.basename(word))
    flags, skip = [words[begin]], False
    for word in words[begin + 1 :]:
        if skip:
            skip = False
        elif word in WITH_VALUE:
            skip = True
        elif word.startswith("-") and word not in ("-c", "-MD", "-Winvalid-pch") or "/" in word and flags[-1] in ("-isystem", "-I"):
            flags.append(word)
    return flags


def compile_alone(header, flags, folder):
    command = [*flags, "-fsyntax-only", "-x", "c++", "-include", str(header), os.devnull]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return None if done.returncode == 0 else f"{relative(header)}:\n{done.stderr[:2000]}"


def included_first(header):
    """Whether the source of the same name includes it before anything else: clang-tidy, which takes each by itself, proves it."""
    source = header.with_suffix(".cpp")
    if not source.exists():
        return False
    first = re.search(r"^\s*#\s*include\s*(\S+)", source.read_text(), re.MULTILINE)
    return first is not None and first.group(1) == f'"{relative(header)}"'


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_header_compiles_alone():
    build = ROOT / os.environ.get("CPPX_BUILD_DIR", "build/dev")
    database = json.loads((build / "compile_commands.json").read_text())
    by_folder = {}
    for entry in database:
        # A unity build compiles files that CMake wrote, in the same folder of the build tree.
        folder = os.path.relpath(entry["file"], build if entry["file"].startswith(f"{build}/") else ROOT).split("/")[0]
        if folder in CODE_FOLDERS:
            by_folder.setdefault(folder, entry)
    # Where the precompiled header is used, it hides what a header forgets to include: there all are compiled.
    hidden = {folder for folder in by_folder if "cppx_asio_pch(" in (ROOT / folder / "CMakeLists.txt").read_text()}
    headers = [
        header for header in code_files(".h") if relative(header).split("/")[0] in hidden or not included_first(header)
    ]
    assert headers and hidden
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [
            pool.submit(compile_alone, header, flags_of(by_folder[relative(header).split("/")[0]]), build)
            for header in headers
        ]
        broken = [job.result() for job in jobs if job.result()]
    assert not broken, "\n".join(broken)
