"""cppx running in the test cluster."""

import copy
import itertools
import json
import os
import pathlib
import re

from cluster.programs import built
from support.client import request
from support.cppx import SANITIZER
from support.waiting import wait_for
from support.wire import Truncated

_numbers = itertools.count(1)


class Ingress:
    """A cppx of the build tree inside the cluster's network namespace, on ports of its own."""

    running = []

    def __init__(self, cluster, kubeconfig=None, flags=(), wrapper=(), environment=None):
        number = next(_numbers)
        self.cluster = cluster
        self.name = f"cppx-{number}"
        self.http_port, self.https_port, self.health_port = (base + number for base in (20000, 21000, 22000))
        self._command = [*wrapper, built("app/cppx")]
        self._command += [f"--kubeconfig={kubeconfig}"] if kubeconfig else []
        self._command += [f"--http-port={self.http_port}", f"--https-port={self.https_port}"]
        self._command += [f"--healthz-port={self.health_port}", "--workers=2", *flags]
        # The namespace that the rights of rbac.yaml are for.
        self._environment = {**os.environ, "POD_NAMESPACE": "cppx-system", **(environment or {})}

    def start(self, ready=True):
        """Starts cppx and, unless told otherwise, waits until it is ready."""
        # Standard output is the access log, too much of it to be kept.
        self.process = self.cluster.process(self.name, self._command, self._environment, stdout=False)
        Ingress.running.append(self)
        wait_for(lambda: self.health("/healthz") is not None, 20, "cppx to listen")
        if ready:
            self.wait_until_ready()
        return self

    def successor(self):
        """Another process with the same flags, which takes the sockets over; this one ends then by itself."""
        other = copy.copy(self)
        other.name = f"{self.name}-successor"
        other.start(ready=False)
        wait_for(lambda: "taking over from" in other.log, 30, "it to take over")
        return other

    def forget(self):
        """Of one that has ended as it should."""
        Ingress.running.remove(self)
        self.cluster.processes.remove(self.process)

    def wait_until_ready(self):
        wait_for(lambda: self.health("/readyz") == 200, 20, "cppx to be ready")

    def stop(self):
        """SIGTERM; fails when cppx had ended before, does not end well, or a sanitizer spoke."""
        self.forget()
        alive = self.process.running()
        code = self.process.stop()
        assert not SANITIZER.search(self.log), f"a sanitizer spoke:\n{self.log}"
        assert alive, f"cppx ended by itself with {code}:\n{self.process.last_lines()}"
        assert code == 0, f"cppx ended with {code} after SIGTERM:\n{self.process.last_lines()}"

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def log(self):
        return self.process.text()

    def health(self, target):
        """Status at the health port; None when nobody answers."""
        self.process.check()
        try:
            return self.cluster.ask(self.health_port, "localhost", target).status
        except (OSError, Truncated):
            return None

    def metric(self, name):
        """The value of a metric that has one only, whatever its labels."""
        page = self.cluster.ask(self.health_port, "localhost", "/metrics").text
        values = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.MULTILINE)
        assert len(values) == 1, f"{name}: {values}"
        return float(values[0])

    def leads(self):
        return self.metric("nginx_ingress_controller_leader_election_status") == 1

    def memory_bytes(self):
        """Resident memory of the process."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024

    def get(self, host, target="/"):
        """The response to one GET over plain HTTP."""
        return self.cluster.ask(self.http_port, host, target)

    def get_tls(self, host, target="/"):
        with self.cluster.connect_tls(self.https_port, host) as connection:
            return connection.ask(request(target=target, host=host))

    def status(self, host, target="/"):
        return self.get(host, target).status

    def certificate(self, server_name):
        """The certificate shown for a name, in DER."""
        with self.cluster.connect_tls(self.https_port, server_name) as connection:
            return connection.certificate()

    def wait_for_status(self, host, status, target="/", seconds=10, tls=False):
        """Waits until every worker answers with `status`: six connections in a row."""
        get = self.get_tls if tls else self.get
        wait_for(
            lambda: all(get(host, target).status == status for _ in range(6)),
            seconds,
            f"{host}{target} to answer {status}",
        )

    def pods_behind(self, host, target="/", requests=30):
        """How often each pod answered, over connections of their own; every answer must be 200."""
        counts = {}
        for _ in range(requests):
            response = self.get(host, target)
            assert response.status == 200, response.raw_head
            pod = json.loads(response.text)["pod"]
            counts[pod] = counts.get(pod, 0) + 1
        return counts

    def wait_for_pods_behind(self, host, pods, target="/", seconds=10):
        """Waits until exactly these pods answer for a host."""

        def served():
            if self.status(host, target) != 200:
                return False
            return set(self.pods_behind(host, target)) == set(pods)

        wait_for(served, seconds, f"{host} to be served by {sorted(pods)}")
