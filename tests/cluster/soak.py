#!/usr/bin/env python3
"""Traffic through cppx while everything behind it changes: no request may fail.

wrk sends HTTP and HTTPS, over lasting connections and over new ones, through a Service whose Deployment is scaled
up and down while its TLS Secret is replaced every second. Ends with a verdict and exit code 0 or 1.
"""

import argparse
import itertools
import pathlib
import re
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from cluster.cluster import Cluster
from cluster.ingress_process import Ingress
from cluster.objects import deployment, ingress, ingress_class, path, service
from support.certificates import make_certificate
from support.waiting import scaled, wait_for

PLAIN_HOST = "plain.soak.test"
TLS_HOST = "secure.soak.test"
# The first change takes pods away: they are to end, and be gone, within the time of a short soak.
REPLICAS = (2, 5, 1, 4, 6, 3)
SCALE_EVERY_SECONDS = 2


@dataclass
class Load:
    """What wrk reported about one kind of traffic."""

    name: str
    requests: int
    per_second: float
    socket_errors: str
    bad_responses: int

    @property
    def ok(self):
        return self.requests > 0 and not self.socket_errors and self.bad_responses == 0

    def __str__(self):
        errors = self.socket_errors or "none"
        return (
            f"{self.name}: {self.requests} requests, {self.per_second:.0f} a second,"
            f" socket errors: {errors}, not 2xx or 3xx: {self.bad_responses}"
        )


def read_report(name, text):
    """Parses what wrk prints at its end."""
    requests = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert requests and rate, f"wrk for {name} said:\n{text}"
    errors = re.search(r"Socket errors: (.*)", text)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return Load(
        name,
        int(requests.group(1)),
        float(rate.group(1)),
        errors.group(1) if errors else "",
        int(bad.group(1)) if bad else 0,
    )


@dataclass
class Outcome:
    loads: list = field(default_factory=list)
    scalings: int = 0
    certificates: int = 0
    certificates_seen: int = 0
    pods_gone: int = 0
    problems: list = field(default_factory=list)

    @property
    def ok(self):
        return not self.problems and bool(self.loads) and all(load.ok for load in self.loads)

    def lines(self):
        yield from map(str, self.loads)
        yield (
            f"changes: {self.scalings} scalings, {self.pods_gone} pods gone, {self.certificates} certificates,"
            f" {self.certificates_seen} of them seen by a client"
        )
        yield from self.problems
        total = sum(load.requests for load in self.loads)
        yield f"{'PASSED' if self.ok else 'FAILED'}: {total} requests" + (", none failed" if self.ok else "")


class Soak:
    """One run on a cluster and a cppx that are there already."""

    def __init__(self, cluster, space, cppx, seconds, connections=32):
        self.cluster = cluster
        self.space = space
        self.cppx = cppx
        self.seconds = seconds
        self.connections = connections
        self.outcome = Outcome()
        self._end = None

    def run(self):
        self._prepare()
        self._end = time.monotonic() + self.seconds
        jobs = [
            *(self._wrk(*arguments) for arguments in self._loads()),
            self._scale,
            self._replace_certificates,
            self._bury_pods,
        ]
        threads = [threading.Thread(target=self._guarded, args=(job,)) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._check_end()
        return self.outcome

    def _prepare(self):
        for host in (PLAIN_HOST, TLS_HOST):
            self.cluster.network.add_host(host)
        self._put_certificate()
        self.space.apply(
            deployment("web"),
            service("web"),
            ingress("plain", {PLAIN_HOST: [path("web")]}),
            ingress("secure", {TLS_HOST: [path("web")]}, tls=[("soak", TLS_HOST)]),
        )
        pods = self.space.wait_for_pods("web", 3)
        self.cppx.wait_for_pods_behind(PLAIN_HOST, pods)
        self._wait_for_certificate(self._certificate)

    def _loads(self):
        http = f"http://{PLAIN_HOST}:{self.cppx.http_port}/"
        https = f"https://{TLS_HOST}:{self.cppx.https_port}/"
        few = max(2, self.connections // 8)
        yield "HTTP, lasting connections", http, self.connections, ()
        yield "HTTPS, lasting connections", https, self.connections, ()
        yield "HTTP, new connections", http, few, ("--header", "Connection: close")
        yield "HTTPS, new connections", https, few, ("--header", "Connection: close")

    def _wrk(self, name, url, connections, options):
        def run():
            flags = ["--threads=1", f"--connections={connections}", f"--duration={self.seconds}s", f"--timeout={int(scaled(5))}s"]
            result = self.cluster.network.run("wrk", *flags, *options, url)
            self.outcome.loads.append(read_report(name, result.stdout + result.stderr))

        return run

    def _guarded(self, job):
        """A thread that dies must not leave a soak that looks fine."""
        try:
            job()
        except Exception as error:  # noqa: BLE001  whatever it is, it belongs into the verdict
            self.outcome.problems.append(f"{getattr(job, '__name__', job)}: {error!r}")

    def _until_end(self, every):
        """Numbers at a steady pace until the traffic ends."""
        begin = time.monotonic()
        for number in itertools.count():
            due = begin + (number + 1) * every
            if due > self._end:
                return
            time.sleep(max(0.0, due - time.monotonic()))
            yield number

    def _scale(self):
        path_of_scale = f"/apis/apps/v1/namespaces/{self.space.name}/deployments/web/scale"
        for number in self._until_end(SCALE_EVERY_SECONDS):
            body = {"spec": {"replicas": REPLICAS[number % len(REPLICAS)]}}
            self.cluster.api("PATCH", path_of_scale, body, content_type="application/merge-patch+json")
            self.outcome.scalings += 1

    def _put_certificate(self):
        certificate = make_certificate(TLS_HOST)
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "soak", "namespace": self.space.name},
            "type": "kubernetes.io/tls",
            "stringData": {"tls.crt": certificate.certificate_pem, "tls.key": certificate.key_pem},
        }
        query = "?fieldManager=soak&force=true"
        self.cluster.api(
            "PATCH",
            f"/api/v1/namespaces/{self.space.name}/secrets/soak{query}",
            secret,
            content_type="application/apply-patch+yaml",
        )
        self._certificate = certificate

    def _replace_certificates(self):
        for _ in self._until_end(1):
            self._put_certificate()
            self.outcome.certificates += 1
            self._wait_for_certificate(self._certificate)
            self.outcome.certificates_seen += 1

    def _wait_for_certificate(self, certificate):
        wait_for(
            lambda: self.cppx.certificate(TLS_HOST) == certificate.der, 10, "the certificate to be served", every=0.05
        )

    def _bury_pods(self):
        """A pod whose object is gone answers no more: its process would have ended by then."""
        pods = f"/api/v1/namespaces/{self.space.name}/pods"
        gone = set()
        for kind, pod in self.cluster.control_plane.watch(pods, self.seconds):
            address = pod.get("status", {}).get("podIP")
            if kind == "DELETED" and address:
                self.cluster.pod_is_gone(address)
                gone.add(address)
                self.outcome.pods_gone += 1
            elif address in gone:
                self.cluster.pod_is_back(address)
                gone.remove(address)
        for address in gone:
            self.cluster.pod_is_back(address)

    def _check_end(self):
        """The last state is served, so the changes did reach cppx."""
        self.cppx.process.check()
        self._guarded(lambda: self._wait_for_certificate(self._certificate))
        last = REPLICAS[(self.outcome.scalings - 1) % len(REPLICAS)] if self.outcome.scalings else 3
        pods = self.space.wait_for_pods("web", last)
        self._guarded(lambda: self.cppx.wait_for_pods_behind(PLAIN_HOST, pods))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=300, help="how long the traffic lasts (300)")
    parser.add_argument("--connections", type=int, default=32, help="lasting connections of each kind (32)")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cppx-soak-"))
    print(f"soak: starting a cluster, logs in {folder}", flush=True)
    with Cluster(folder) as cluster, cluster.space() as space:
        cluster.apply(ingress_class("cppx"))
        with Ingress(cluster, cluster.account_kubeconfig()) as cppx:
            before = cppx.memory_bytes()
            print(f"soak: {options.seconds} s of traffic", flush=True)
            outcome = Soak(cluster, space, cppx, options.seconds, options.connections).run()
            after = cppx.memory_bytes()
    print(f"soak: resident memory of cppx: {before / 2**20:.1f} MiB before, {after / 2**20:.1f} MiB after")
    for line in outcome.lines():
        print(f"soak: {line}")
    if outcome.ok:
        shutil.rmtree(folder)
    return 0 if outcome.ok else 1


if __name__ == "__main__":
    sys.exit(main())
