"""./run, ./test and tools/install say in one line what is wrong."""

import os
import subprocess

import pytest

from repo.repository import ROOT

TOOLS = ("bash", "sh", "sed", "cat", "tr", "tail", "head", "cut", "mkdir", "rm", "dirname", "basename", "sleep", "env", "tee", "grep", "chmod", "sha256sum")


@pytest.fixture
def bare(tmp_path):
    """A PATH with the basic tools and what a test adds: stub(name, text)."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        for place in ("/usr/bin", "/bin"):
            if os.path.exists(f"{place}/{name}"):
                (folder / name).symlink_to(f"{place}/{name}")
                break

    def stub(name, text):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)

    stub.path = str(folder)
    return stub


def apt_that_knows_nothing(stub):
    stub("dpkg-query", "exit 1")
    stub("dpkg", "exit 1")
    stub("apt-cache", "exit 0")
    stub("apt-get", "exit 0")


def call(stub, *command):
    return subprocess.run(
        command, cwd=ROOT, env={"PATH": stub.path, "HOME": "/nonexistent"}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )


def one_line(done, *words):
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2 and len(lines) == 1, done
    assert all(word in lines[0] for word in words), lines


def test_neither_root_nor_sudo(bare):
    apt_that_knows_nothing(bare)
    bare("id", "echo 1000")
    one_line(call(bare, "tools/install", "run"), "neither root nor sudo", "cmake")


def test_sudo_that_refuses(bare):
    apt_that_knows_nothing(bare)
    bare("id", "echo 1000")
    bare("sudo", "exit 1")
    one_line(call(bare, "tools/install", "run"), "sudo refuses", "apt-get install")


def test_no_network(bare):
    apt_that_knows_nothing(bare)
    bare("id", "echo 0")
    bare("apt-get", 'case "$*" in *update*) echo "Could not resolve" >&2; exit 100;; esac')
    done = call(bare, "tools/install", "run")
    one_line(done, "apt-get update failed", "network")


def test_a_mirror_that_offers_nothing(bare):
    apt_that_knows_nothing(bare)
    bare("id", "echo 0")
    one_line(call(bare, "tools/install", "run"), "apt offers no package for", "clang-19")


def test_no_apt_and_no_cmake(bare):
    done = call(bare, "bash", "-c", ". tools/lib.sh; program=./run; build release cppx")
    one_line(done, "cmake is missing")


def test_no_compiler(bare):
    for name in ("cmake", "ninja"):
        bare(name, "exit 0")
    done = call(bare, "bash", "-c", ". tools/lib.sh; program=./run; build release cppx")
    one_line(done, "no compiler")


def test_everything_there_needs_neither_root_nor_network(bare):
    bare("dpkg-query", 'echo "ii  99:1"')
    bare("dpkg", "exit 0")
    bare("apt-cache", "exit 1")
    bare("apt-get", "exit 1")
    bare("id", "echo 1000")
    for what in ("run", "test", "lint", "profile"):
        done = call(bare, "tools/install", what)
        assert done.returncode == 0 and "all there" in done.stdout, done


def test_unknown_arguments(bare):
    one_line(call(bare, "./test", "--presets=dev"), "unknown argument '--presets=dev'")
    one_line(call(bare, "./test", "--only=wires"), "unknown kind of test 'wires'")
