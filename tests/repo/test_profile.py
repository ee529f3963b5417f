"""cmake/Profile.cmake: what a compiler is told for profile-guided optimisation, shown with a project of one file."""

import json
import os
import shlex
import shutil
import subprocess

import pytest

from repo.repository import ROOT

CLANG = next((name for name in (f"clang-{version}" for version in (19, 20, 21, 18, 17, 16)) if shutil.which(name)), None)


def configure(folder, profile, compiler):
    (folder / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.25)\nproject(one C CXX)\ninclude({ROOT}/cmake/Profile.cmake)\nadd_library(one STATIC one.c)\n"
    )
    (folder / "one.c").write_text("int one(void) { return 1; }\n")
    command = ["cmake", "-G", "Ninja", "-S", folder, "-B", folder / "build", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", f"-DCPPX_PROFILE={profile}"]
    command += [f"-DCMAKE_C_COMPILER={compiler}", f"-DCMAKE_CXX_COMPILER={compiler.replace('clang', 'clang++')}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, "CFLAGS": "", "CXXFLAGS": ""})


def options(folder):
    return json.loads((folder / "build" / "compile_commands.json").read_text())[0]["command"]


@pytest.fixture
def clang():
    assert CLANG, "no Clang: tools/install test"
    return CLANG


def test_without_a_profile_nothing_is_asked(tmp_path, clang):
    done = configure(tmp_path, "", clang)
    assert done.returncode == 0, done.stderr
    assert "-fprofile" not in options(tmp_path)


def test_what_runs_is_counted_in_the_build_folder(tmp_path, clang):
    done = configure(tmp_path, "record", clang)
    assert done.returncode == 0, done.stderr
    assert f"-fprofile-generate={tmp_path}/build/profile" in options(tmp_path)


def test_a_file_of_counts_is_compiled_with(tmp_path, clang):
    counts = tmp_path / "one.profdata"
    counts.write_text("")
    done = configure(tmp_path, counts, clang)
    assert done.returncode == 0, done.stderr
    assert f"-fprofile-use={counts}" in options(tmp_path)


def test_a_file_that_is_not_there(tmp_path, clang):
    done = configure(tmp_path, tmp_path / "gone.profdata", clang)
    assert done.returncode != 0
    # CMake breaks long lines.
    said = " ".join(done.stderr.split())
    assert "gone.profdata: no such file" in said and "bench/profile makes one" in said


def test_gcc_is_refused():
    command = ["cmake", "-DCMAKE_CXX_COMPILER_ID=GNU", "-DCPPX_PROFILE=record", "-P", ROOT / "cmake" / "Profile.cmake"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "CPPX_PROFILE needs Clang, this is GNU" in done.stderr


def test_a_function_that_has_changed_since(tmp_path, clang):
    """Its counts say nothing any more: it is compiled without them, also where warnings are errors."""
    once = "int one(int n) { return n > 3 ? 1 : 2; }\nint main(int n, char **v) { (void)v; return one(n) - 2; }\n"
    changed = once.replace("n > 3 ? 1 : 2", "n > 3 ? n > 7 ? 4 : 1 : 2")
    counts, source = tmp_path / "counts", tmp_path / "once.c"
    merge = clang.replace("clang", "llvm-profdata")
    source.write_text(once)
    subprocess.run([clang, f"-fprofile-generate={counts}", "-O2", "-o", tmp_path / "once", source], check=True, timeout=60)
    subprocess.run([tmp_path / "once"], check=True, timeout=60)
    subprocess.run([merge, "merge", "-o", tmp_path / "one.profdata", *counts.iterdir()], check=True, timeout=60)
    done = configure(tmp_path, tmp_path / "one.profdata", clang)
    assert done.returncode == 0, done.stderr
    source.write_text(changed)
    used = [word for word in shlex.split(options(tmp_path)) if word.startswith(("-fprofile", "-W"))]
    shown = subprocess.run([clang, *used, "-Werror", "-O2", "-c", "-o", os.devnull, source], capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0, shown.stderr
    unused = [word for word in used if word != "-Wno-backend-plugin"]
    shown = subprocess.run([clang, *unused, "-Werror", "-O2", "-c", "-o", os.devnull, source], capture_output=True, text=True, timeout=60)
    assert shown.returncode != 0 and "control flow change" in shown.stderr
