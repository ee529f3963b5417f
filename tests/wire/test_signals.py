"""Signals: what each is for, in whatever number and company they come."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from support.client import request
from support.cppx import binary
from support.manifests import ingress, rule, service_of
from support.waiting import scaled


def objects(backend):
    return [*service_of("web", backend), ingress("web", rule("site.test", "web:80"))]


def test_no_thread_is_interrupted_by_signals(start_cppx, make_backend):
    """With a handler in one of them, who sends faster than it returns holds that thread for ever."""
    cppx = start_cppx({"all.yaml": objects(make_backend())})
    expected = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2]
    threads = sorted(Path(f"/proc/{cppx.process.pid}/task").iterdir())
    assert len(threads) > 1
    for thread in threads:
        status = (thread / "status").read_text()
        blocked = int(re.search(r"^SigBlk:\s*([0-9a-f]+)$", status, re.M)[1], 16)
        missing = [number.name for number in expected if not blocked >> (number - 1) & 1]
        assert not missing, f"{thread}: {missing}"


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2], ids=["SIGUSR1", "SIGUSR2"])
def test_signals_that_come_too_late_do_not_spoil_the_end(start_cppx, make_backend, number):
    """Who rotates logs does not ask whether it is about to end."""
    cppx = start_cppx({"all.yaml": objects(make_backend())})
    cppx.process.send_signal(signal.SIGTERM)
    while cppx.process.poll() is None:
        cppx.process.send_signal(number)
    assert cppx.process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT], ids=lambda number: number.name)
def test_what_ends_it_lets_requests_finish(start_cppx, make_backend, held, number):
    """SIGQUIT is how nginx is asked for that."""
    backend = make_backend(handler=held)
    cppx = start_cppx({"all.yaml": objects(backend)})
    with cppx.connect() as connection:
        connection.send(request(target="/held"))
        backend.wait_for_requests(1)
        cppx.process.send_signal(number)
        cppx.wait_for_log(f"{number.name}: not ready any more")
        held.go_on.set()
        assert connection.read_response().status == 200
    assert cppx.process.wait(scaled(10)) == 0


def test_sighup_ends_nothing(start_cppx, make_backend):
    """Who is used to nginx reloads by it."""
    cppx = start_cppx({"all.yaml": objects(make_backend())})
    cppx.process.send_signal(signal.SIGHUP)
    cppx.wait_for_log("SIGHUP: nothing to do")
    assert cppx.get().status == 200
    assert cppx.process.poll() is None


def test_what_ends_it_is_heard_first(start_cppx, make_backend):
    """A kernel tells of pending signals by their numbers. What is to end starts no successor."""
    cppx = start_cppx({"all.yaml": objects(make_backend())}, flags=["--shutdown-grace-period=600"])
    cppx.process.send_signal(signal.SIGSTOP)
    cppx.process.send_signal(signal.SIGTERM)
    cppx.process.send_signal(signal.SIGUSR2)
    cppx.process.send_signal(signal.SIGCONT)
    cppx.wait_for_log("SIGUSR2: not while this process begins or ends")
    assert "is to take over" not in cppx.log
    cppx.terminate()
    assert cppx.process.wait(scaled(10)) == 0


def test_it_ends_although_nobody_reads_what_it_says(tmp_path):
    """A log shipper that hangs: the pipe to it is full."""
    (tmp_path / "manifests").mkdir()
    command = [binary(), f"--manifests={tmp_path}/manifests", "--bind-address=127.0.0.1", "--workers=1"]
    command += ["--http-port=0", "--https-port=0", "--healthz-port=0"]
    reader, writer = os.pipe()
    # An open file of its own for this test: that it does not block concerns nobody else.
    filler = os.open(f"/proc/self/fd/{writer}", os.O_WRONLY | os.O_NONBLOCK)
    with open(reader, "rb") as said, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=writer) as process:
        try:
            assert any(b"serving http" in line for line in iter(said.readline, b""))
            with pytest.raises(BlockingIOError):
                while True:
                    os.write(filler, b"x")
            process.send_signal(signal.SIGTERM)
            assert process.wait(scaled(10)) == 0
        finally:
            process.kill()
            os.close(writer)
            os.close(filler)
