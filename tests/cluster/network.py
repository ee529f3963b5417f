"""A network namespace of the test run, in which every pod and node address is local."""

import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import socket
import subprocess

POD_RANGE = "10.244.0.0/16"
NODE_ADDRESSES = ("10.0.0.1", "10.0.0.2", "10.0.0.3")

_CLONE_NEWNET = 0x40000000
_SETTINGS = pathlib.Path("/etc/netns")
_libc = ctypes.CDLL(None, use_errno=True)


def _ip(*arguments):
    result = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise OSError(f"'ip {' '.join(arguments)}' failed: {result.stderr.strip()}")
    return result.stdout


def _enter(file):
    if _libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns failed")


def _remove_leftovers():
    """Deletes the empty namespaces of runs that were killed before they could."""
    for line in _ip("netns", "list").splitlines():
        name = line.split()[0]
        owner = re.fullmatch(r"cppx-(\d+)(-\w+)?", name)
        if not owner or pathlib.Path("/proc", owner.group(1)).exists():
            continue
        # Another run may do the same at the same time.
        with contextlib.suppress(OSError):
            if not _ip("netns", "pids", name).split():
                _ip("netns", "delete", name)
                shutil.rmtree(_SETTINGS / name, ignore_errors=True)


class Network:
    """A network namespace. Names are resolved there by 127.0.0.1, whether somebody answers or not."""

    def __init__(self, part=None):
        self.name = f"cppx-{os.getpid()}" + (f"-{part}" if part else "")
        self._settings = _SETTINGS / self.name

    @staticmethod
    def why_not():
        """In words, what keeps this process from making network namespaces; None when nothing does."""
        if os.geteuid() != 0:
            return "not root"
        if shutil.which("ip") is None:
            return "no ip command (iproute2)"
        try:
            probe = f"cppx-probe-{os.getpid()}"
            _ip("netns", "add", probe)
            _ip("netns", "delete", probe)
        except OSError as error:
            return str(error)
        return None

    def create(self):
        _remove_leftovers()
        _ip("netns", "add", self.name)
        _ip("-n", self.name, "link", "set", "lo", "up")
        _ip("-n", self.name, "route", "add", "local", POD_RANGE, "dev", "lo")
        for address in NODE_ADDRESSES:
            _ip("-n", self.name, "address", "add", f"{address}/32", "dev", "lo")
        self._settings.mkdir(parents=True)
        (self._settings / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:2\n")
        (self._settings / "hosts").write_text("127.0.0.1 localhost\n")
        # Tests that open connections by the thousand would otherwise use up the ports.
        with self.entered():
            pathlib.Path("/proc/sys/net/ipv4/tcp_tw_reuse").write_text("1")

    def delete(self):
        """Deletes the namespace. Returns the processes that were still in it; only this run can have made them."""
        left = []
        with contextlib.suppress(OSError):
            left = [int(pid) for pid in _ip("netns", "pids", self.name).split()]
        with contextlib.suppress(OSError):
            _ip("netns", "delete", self.name)
        shutil.rmtree(self._settings, ignore_errors=True)
        with contextlib.suppress(OSError):
            _SETTINGS.rmdir()
        return left

    def add_host(self, name, address="127.0.0.1"):
        """Lets programs in the namespace find `name`, as a line in /etc/hosts does."""
        with open(self._settings / "hosts", "a") as hosts:
            hosts.write(f"{address} {name}\n")

    def command(self, *command):
        """The command line that runs `command` in the namespace and ends it when this process ends."""
        return ["ip", "netns", "exec", self.name, "setpriv", "--pdeathsig", "KILL", *map(str, command)]

    def run(self, *command, **options):
        """Runs a command to its end in the namespace."""
        return subprocess.run(self.command(*command), capture_output=True, text=True, check=False, **options)

    @contextlib.contextmanager
    def entered(self):
        """This thread is in the namespace inside the block: sockets made there belong to it for good."""
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{self.name}") as target:
            _enter(target)
            try:
                yield
            finally:
                _enter(home)

    def accepts(self, port, address="127.0.0.1"):
        """Whether somebody listens at a port."""
        with self.entered(), socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((address, port)) == 0
