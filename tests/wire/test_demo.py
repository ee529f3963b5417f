"""`cppx demo`: what it tells a newcomer to type works, and it leaves nothing behind."""

import re
import shlex
import signal
import subprocess
from pathlib import Path

from support.cppx import SANITIZER
from support.waiting import scaled


def told(stdout):
    """The commands to try and the folder of manifests, as the demo prints them before it serves."""
    commands = []
    for line in stdout:
        if command := re.match(r"  (curl .*?)(?:\s+#.*)?$", line):
            commands.append(command[1])
        if folder := re.match(r"Its manifests are in (\S+):", line):
            return commands, Path(folder[1])
    raise AssertionError(f"the demo ended before it said where its manifests are, after {commands}")


def status(command):
    words = shlex.split(command)
    words[1:1] = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=scaled(20))
    assert done.returncode == 0, done
    return int(done.stdout)


def test_the_demo_does_what_it_says(cppx_binary, tmp_path):
    log = tmp_path / "log"
    command = [cppx_binary, "demo", "--bind-address=127.0.0.1"]
    command += ["--http-port=0", "--https-port=0", "--healthz-port=0"]
    with log.open("w") as stderr, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as demo:
        try:
            commands, folder = told(demo.stdout)
            assert list(folder.glob("*.yaml"))
            assert [status(one) for one in commands] == [200, 200, 200, 308, 404]
            demo.send_signal(signal.SIGINT)
            assert demo.wait(scaled(10)) == 0
        finally:
            demo.kill()
    assert not folder.exists()
    assert not SANITIZER.search(log.read_text()), log.read_text()
