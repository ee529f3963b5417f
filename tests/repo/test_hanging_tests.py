"""A test that hangs costs a bounded time and is named: tests/conftest.py."""

import os
import subprocess
import sys

from repo.repository import ROOT

HANGS = """
import time

import pytest

@pytest.fixture
def stuck():
    yield
    time.sleep(600)

def test_first(stuck):
    time.sleep(600)

def test_second():
    pass
"""
LEAVES_A_THREAD = """
import threading
import time

def test_first():
    threading.Thread(target=time.sleep, args=(600,)).start()
"""


def run(folder, text, *flags):
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(text)
    # A folder of its own for temporary files: at its end pytest throws away what earlier runs left in the general one, which takes time.
    flags = [*flags, f"--basetemp={folder}/temporary"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "conftest", "-p", "no:cacheprovider", *flags, "test_it.py"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "CPPX_SLOW": "0.05"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_what_hangs_when_it_is_cleaned_up(tmp_path):
    """pytest-timeout ends a test once: what comes after it would be waited for without end."""
    done = run(tmp_path, HANGS, "-n", "1")
    said = done.stdout + done.stderr
    assert "failed: test_it.py::test_first: Failed: Timeout" in said, said
    assert "what comes after test_it.py::test_first did not end in 3 s" in said, said
    assert "in stuck\n" in said, said
    assert "1 passed" in said, said
    assert done.returncode == 1


def test_a_thread_that_is_left(tmp_path):
    done = run(tmp_path, LEAVES_A_THREAD)
    assert "1 passed" in done.stdout
    assert "this process of finished tests did not end in 3 s" in done.stderr, done.stderr
    assert done.returncode == 1
