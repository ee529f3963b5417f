"""One run of one workload on one proxy, and the rounds of all of them."""

import subprocess
import sys

from comparison import loads, machine
from comparison.instances import Unable
from comparison.loads import LOAD, LoadFailed
from comparison.proxies.base import MOST_CONNECTIONS

# What a line of an access log has at least; a log with less is none.
LEAST_LOG_BYTES = 40
# Left of the limit of open files for what is not a client's connection.
SPARE_FILES = 3000


def measure(bench, proxy, workload, seconds):
    """A result of loads.py with cpu_us (of one request), rate and memory_bytes. Raises Unable, LoadFailed."""
    running = bench.get(proxy, workload.variant)
    pid, log = running.process.pid, running.place.log
    logged_before = log.stat().st_size if log.exists() else 0
    before = machine.cpu_seconds(pid)
    try:
        result = workload.load(running.target(workload), bench.load_core, seconds, bench.folder, **workload.options)
    except subprocess.TimeoutExpired:
        raise LoadFailed("the load did not end") from None
    if running.process.ended():
        raise LoadFailed(f"{proxy.name} has ended: {running.process.last_words()}")
    cpu = machine.cpu_seconds(pid) - before
    if workload.variant == "log" and not result["errors"]:
        written = (log.stat().st_size if log.exists() else 0) - logged_before
        if written < LEAST_LOG_BYTES * result["requests"] / 2:
            raise LoadFailed("wrote no access log")
    requests = max(result["requests"], 1)
    return {
        **result,
        "cpu_us": cpu * 1e6 / requests,
        "rate": result["requests"] / max(result["seconds"], 1e-9),
        "memory_bytes": machine.memory_bytes(pid),
    }


def measure_idle(bench, proxy, workload, open_files):
    """Memory of connections that have had one response each, in a proxy of its own."""
    running = bench.start(proxy, workload.variant, f"{proxy.name}-{workload.name}")
    try:
        before = machine.memory_bytes(running.process.pid)
        connections = (min(open_files, MOST_CONNECTIONS) - SPARE_FILES) // proxy.files_per_connection
        target = running.target(workload)
        options = {"port": target.port, "host": target.host, "connections": connections, "path": "/1024", **workload.options}
        command = ["taskset", "-c", str(bench.load_core), LOAD, "idle", *(f"{name}={value}" for name, value in options.items())]
        with subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
            result = loads.parse_json_line(client.stdout.readline())
            after = machine.memory_bytes(running.process.pid)
            client.stdin.close()
        each = (after - before) / max(result["requests"], 1)
        return {**result, "before_bytes": before, "memory_bytes": after, "connection_bytes": each}
    finally:
        running.process.stop()


def why_void(result):
    """None when a result may be counted."""
    if result["errors"]:
        return f"{result['errors']} errors ({result['error']})"
    return None if result["requests"] else "no request was answered"


class Rounds:
    """Runs everything and collects: results[workload][proxy] is a list with one result, or None, for each round."""

    def __init__(self, bench, proxies, workloads, seconds, open_files):
        self._bench = bench
        self._seconds = seconds
        self._open_files = open_files
        self.proxies = proxies
        self.workloads = workloads
        self.results = {workload.name: {} for workload in workloads}
        self.left_out = {workload.name: {} for workload in workloads}

    def warm_up(self):
        """A second of each, which shows as well who can do what."""
        for workload in self.workloads:
            for proxy in self.proxies:
                why = proxy.unable.get(workload.name)
                if why is None and not workload.idle:
                    why = self._try(proxy, workload)
                if why is None:
                    self.results[workload.name][proxy.name] = []
                else:
                    self.left_out[workload.name][proxy.name] = why
                    print(f"{workload.name}: {proxy.name} left out: {why}", flush=True)

    def run(self, rounds):
        for number in range(rounds):
            for workload in self.workloads:
                able = [proxy for proxy in self.proxies if proxy.name in self.results[workload.name]]
                turn = number % max(len(able), 1)
                for proxy in able[turn:] + able[:turn]:
                    self.results[workload.name][proxy.name].append(self._counted(proxy, workload, number))
            print(f"round {number + 1} of {rounds} done", file=sys.stderr, flush=True)

    def uncounted(self):
        """Names of workloads and proxies that should have come to a result, and did not."""
        pairs = [(workload, proxy) for workload in self.workloads for proxy in self.proxies if workload.name not in proxy.unable]
        return [f"{workload.name} by {proxy.name}" for workload, proxy in pairs if not any(self.results[workload.name].get(proxy.name, ()))]

    def _once(self, proxy, workload, seconds):
        if workload.idle:
            return measure_idle(self._bench, proxy, workload, self._open_files)
        return measure(self._bench, proxy, workload, seconds)

    def _try(self, proxy, workload):
        try:
            return why_void(self._once(proxy, workload, 1))
        except (LoadFailed, Unable) as error:
            return str(error)

    def _counted(self, proxy, workload, number):
        try:
            result = self._once(proxy, workload, self._seconds)
            why = why_void(result)
        except (LoadFailed, Unable) as error:
            result, why = None, str(error)
        if why is not None:
            print(f"{workload.name}: {proxy.name}, round {number + 1} is void: {why}", flush=True)
            return None
        return result
