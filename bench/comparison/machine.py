"""What the kernel knows of processes, and where they may run."""

import os
import pathlib
import platform
import re
import resource
import signal
import socket
import subprocess
import time

START_SECONDS = 180
STOP_SECONDS = 20


def free_ports(count):
    """Ports nobody has now. Taken again at once."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def allow_open_files():
    """Raises the limit as far as it goes, for this process and those it starts; says how far that is."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def tree(pid):
    """The process and all below it: some proxies have a master."""
    found = [pid]
    for one in found:
        for children in pathlib.Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += [int(child) for child in children.read_text().split()]
            except OSError:
                continue
    return found


def cpu_seconds(pid):
    """CPU time, user and system, of all threads of a tree, ended ones too: the kernel's sum, in nanoseconds.

    A process's CPU clock can be read by its number, ~pid << 3 with 2 for CLOCK_SCHED (clock_getcpuclockid(3)).
    """
    return sum(time.clock_gettime((~one << 3) | 2) for one in tree(pid))


def memory_bytes(pid):
    """Resident memory of a tree; pages shared by several processes are counted in parts (Pss)."""
    total = 0
    for one in tree(pid):
        try:
            rollup = pathlib.Path(f"/proc/{one}/smaps_rollup").read_text()
        except OSError:
            continue  # a helper that has just ended
        total += int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE).group(1)) * 1024
    return total


def description():
    """Of the machine, for the results."""
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return {
        "cpu": cpu.group(1) if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
    }


class Process:
    """A program on one core, its output in a file. Ends with the block that it was entered by."""

    def __init__(self, command, core, output, **options):
        self.output = pathlib.Path(output)
        with self.output.open("ab") as file:
            self._process = subprocess.Popen(
                ["taskset", "-c", str(core), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,
            )
        self.pid = self._process.pid

    def ended(self):
        return self._process.poll() is not None

    def last_words(self):
        lines = self.output.read_text(errors="replace").split("\n")
        return " / ".join([line.strip() for line in lines if line.strip()][-3:])[-400:]

    def stop(self):
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.pid, signal_number)
            except ProcessLookupError:
                pass
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            break


def wait_until(condition, process, what):
    """Raises RuntimeError when it does not become true or the process ends."""
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if process.ended() or time.monotonic() > deadline:
            raise RuntimeError(f"{what}: {process.last_words() or 'no output'}")
        time.sleep(0.02)


def answers(port, host, target="/1024"):
    """Whether a request gets 200."""
    request = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(request.encode())
            return connection.recv(4096).split(b" ", 2)[1:2] == [b"200"]
    except OSError:
        return False
