"""h2spec, which tests an HTTP/2 server against its specifications: built once, run, and what it found."""

import os
import pathlib
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree

from support.go_programs import ARCHITECTURE, Module, cache_folder, find_go, locked
from support.waiting import SLOW

VERSION = "2.2.1"
# h2spec has no go.mod: what it needs is named here, so that every build is the same.
REQUIREMENTS = [
    f"github.com/summerwind/h2spec@v{VERSION}+incompatible",
    "github.com/fatih/color@v1.19.0",
    "github.com/spf13/cobra@v1.10.2",
    "golang.org/x/net@v0.62.0",
]


def program():
    """The path of h2spec; builds it when it is not there yet."""
    folder = cache_folder() / f"h2spec-v{VERSION}-linux-{ARCHITECTURE}"
    path = folder / "h2spec"
    with locked(folder):
        if not os.access(path, os.X_OK):
            go = find_go()
            with tempfile.TemporaryDirectory(dir=folder, prefix=".build-") as scratch:
                module = Module(go, pathlib.Path(scratch), "cppx.io/h2spec")
                module.require(REQUIREMENTS)
                module.build("github.com/summerwind/h2spec/cmd/h2spec", path)
    return path


def run_h2spec(port, report, *flags):
    """Runs all of it against a port. Gives (number of tests, {name: what was expected and what came})."""
    command = [program(), "-h", "127.0.0.1", "-p", port, "-o", max(2, int(2 * SLOW)), "-j", report, *flags]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert report.exists(), f"h2spec made no report: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return read_report(report)


def read_report(report):
    count, failures = 0, {}
    for case in ElementTree.parse(report).iter("testcase"):
        count += 1
        bad = case.find("failure") if case.find("failure") is not None else case.find("error")
        if bad is not None:
            failures[f"{case.get('package')}: {case.get('classname')}"] = " ".join((bad.text or "").split())
    return count, failures
