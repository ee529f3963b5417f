#!/usr/bin/env python3
"""cppx in a big cluster: what it costs to learn of everything, and how soon a change is served.

Fills a real API server with Ingresses, Services, EndpointSlices (two endpoints each) and TLS Secrets, starts cppx,
and then makes changes one after the other. A wrong answer (another status, another pod than the ones the objects
name) is a failure; how long something took never is. Prints a table; --write puts it into docs/performance.md.
"""

import argparse
import base64
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from cluster.cluster import Cluster
from cluster.control_plane import ApiError
from cluster.ingress_process import Ingress
from cluster.objects import ingress_class
from support.certificates import make_certificate
from support.client import request
from support.waiting import scaled, wait_for

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "performance.md"
BEGIN, END = "<!-- scale: begin (written by tests/cluster/scale.py --write) -->", "<!-- scale: end -->"
FILLERS = 4
CHANGES_PER_SECOND = 50


@dataclass
class Size:
    ingresses: int = 10_000
    secrets: int = 1_000
    endpoint_changes: int = 300
    probes: int = 3_000
    churn_seconds: int = 60


def host_of(number):
    return f"app-{number}.scale.test"


def address_of(number, version=0):
    """One of two addresses of an app's second pod, another one for each version; all are in the range of pods."""
    place = (number * 2 + version) % 60_000
    return f"10.244.{place // 250}.{1 + place % 250}"


class Api:
    """One lasting connection to the API server."""

    def __init__(self, cluster):
        self._plane = cluster.control_plane
        self._connection = None

    def send(self, method, path, body=None, content_type="application/json"):
        headers = {**self._plane._authorization(), "Content-Type": content_type}
        text = None if body is None else json.dumps(body)
        for last in (False, True):
            try:
                if self._connection is None:
                    self._connection = self._plane._connect()
                self._connection.request(method, path, text, headers)
                response = self._connection.getresponse()
                content = response.read()
                break
            except (OSError, http.client.HTTPException):
                self._connection = None
                if last:
                    raise
        if response.status >= 300:
            raise ApiError(response.status, content.decode())

    def close(self):
        if self._connection is not None:
            self._connection.close()


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Scale:
    """One run on a cluster that is there already."""

    def __init__(self, cluster, size, say=lambda _: None):
        self.cluster = cluster
        self.size = size
        self.say = say
        self.rows = []
        self.problems = []
        self._local = threading.local()
        self._apis = []
        self._clients = {}

    # Objects.

    def _api(self):
        if not hasattr(self._local, "api"):
            self._local.api = Api(self.cluster)
            self._apis.append(self._local.api)
        return self._local.api

    def _namespaced(self, group, kind, name=""):
        return f"/{group}/namespaces/scale/{kind}" + (f"/{name}" if name else "")

    def _ingress(self, number):
        rule = {
            "host": host_of(number),
            "http": {
                "paths": [
                    {
                        "path": "/",
                        "pathType": "Prefix",
                        "backend": {"service": {"name": f"app-{number}", "port": {"number": 80}}},
                    }
                ]
            },
        }
        spec = {"ingressClassName": "cppx", "rules": [rule]}
        annotations = {"nginx.ingress.kubernetes.io/ssl-redirect": "false"}
        if number < self.size.secrets:
            spec["tls"] = [{"hosts": [host_of(number)], "secretName": f"tls-{number}"}]
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": f"app-{number}", "annotations": annotations},
            "spec": spec,
        }

    def _service(self, number):
        # Without a selector nobody but us makes its slices, and without an address no range runs empty.
        ports = [{"port": 80, "targetPort": 8080}]
        spec = {"clusterIP": "None", "ports": ports}
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"app-{number}"}, "spec": spec}

    def _slice(self, number, version=0):
        endpoints = [{"addresses": [address_of(number, version)]}, {"addresses": [address_of(number, version + 1)]}]
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"app-{number}-1", "labels": {"kubernetes.io/service-name": f"app-{number}"}},
            "addressType": "IPv4",
            "ports": [{"port": 8080}],
            "endpoints": endpoints,
        }

    def _secret(self, number):
        data = {"tls.crt": self._certificate, "tls.key": self._key}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"tls-{number}"},
            "type": "kubernetes.io/tls",
            "data": data,
        }

    def _add(self, number):
        api = self._api()
        if number < self.size.secrets:
            api.send("POST", self._namespaced("api/v1", "secrets"), self._secret(number))
        api.send("POST", self._namespaced("api/v1", "services"), self._service(number))
        api.send("POST", self._namespaced("apis/discovery.k8s.io/v1", "endpointslices"), self._slice(number))
        api.send("POST", self._namespaced("apis/networking.k8s.io/v1", "ingresses"), self._ingress(number))

    def _put_slice(self, number, version):
        path = self._namespaced("apis/discovery.k8s.io/v1", "endpointslices", f"app-{number}-1")
        self._api().send("PUT", path, self._slice(number, version))

    def fill(self):
        certificate = make_certificate("*.scale.test")
        self._certificate = base64.b64encode(certificate.certificate_pem.encode()).decode()
        self._key = base64.b64encode(certificate.key_pem.encode()).decode()
        self._api().send("POST", "/api/v1/namespaces", {"metadata": {"name": "scale"}})
        with concurrent.futures.ThreadPoolExecutor(FILLERS) as pool:
            for done, _ in enumerate(pool.map(self._add, range(self.size.ingresses)), 1):
                if done % 2500 == 0:
                    self.say(f"{done} of {self.size.ingresses} Ingresses")

    # Questions.

    def _ask(self, cppx, host):
        """Status and pod of one answer, over a lasting connection."""
        client = self._clients.get(cppx)
        if client is None:
            client = self._clients[cppx] = self.cluster.connect(cppx.http_port)
        response = client.ask(request(host=host))
        if "close" in response.headers.all("Connection"):
            client.close()
            del self._clients[cppx]
        return response.status, json.loads(response.text)["pod"] if response.status == 200 else None

    def _forget_clients(self):
        """For one that was idle for longer than cppx keeps an idle client."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def _wrong(self, what):
        if len(self.problems) < 20:
            self.problems.append(what)

    def _row(self, what, value):
        self.rows.append((what, value))
        self.say(f"{what}: {value}")

    # What is measured.

    def run(self, cppx):
        """`cppx` is an Ingress that has not been started."""
        began = time.monotonic()
        cppx.start(ready=False)
        wait_for(lambda: cppx.health("/readyz") == 200, 120, "cppx to be ready", every=0.01)
        took = time.monotonic() - began
        cpu = cpu_seconds(cppx.process.pid)
        self._row(
            f"Start with {self.size.ingresses} Ingresses and Services, {2 * self.size.ingresses} endpoints, "
            f"{self.size.secrets} TLS Secrets: CPU until all is served",
            f"{cpu:.2f} s ({took:.1f} s by the clock)",
        )
        self._row("Resident memory then", f"{cppx.memory_bytes() / 2**20:.0f} MiB")
        self._check_all(cppx)
        self._row("Resident memory after one request to each host", f"{cppx.memory_bytes() / 2**20:.0f} MiB")
        self._endpoint_changes(cppx)
        self._cost_of_changes(cppx)
        self._probes(cppx)
        self._churn(cppx)
        for api in self._apis:
            api.close()
        self._forget_clients()
        return not self.problems

    def _check_all(self, cppx):
        for number in range(self.size.ingresses):
            status, pod = self._ask(cppx, host_of(number))
            if status != 200 or pod not in (address_of(number), address_of(number, 1)):
                self._wrong(f"{host_of(number)}: {status} from {pod}")

    def _endpoint_changes(self, cppx):
        """From the API server's answer to the first answer of a new pod."""
        delays = []
        for change in range(self.size.endpoint_changes):
            number = change * 7 % self.size.ingresses
            version = 10 + 2 * change
            old = {address_of(number), address_of(number, 1)}
            new = {address_of(number, version), address_of(number, version + 1)}
            self._put_slice(number, version)
            answered = time.monotonic()
            while True:
                status, pod = self._ask(cppx, host_of(number))
                now = time.monotonic()
                if status != 200 or pod not in old | new or now - answered > 30:
                    self._wrong(f"{host_of(number)} after its slice changed: {status} from {pod}")
                    break
                if pod in new:
                    delays.append(now - answered)
                    break
            self._put_slice(number, 0)
        if delays:
            self._row(
                f"One EndpointSlice changed: from the API server's answer to an answer of the new pod ({len(delays)} times)",
                f"p50 {1000 * statistics.median(delays):.1f} ms, p99 {1000 * percentile(delays, 0.99):.1f} ms",
            )

    def _cost_of_changes(self, cppx):
        """CPU of cppx for a change, without traffic."""
        time.sleep(1)
        seconds = 2.0
        pid = cppx.process.pid
        before = cpu_seconds(pid)
        time.sleep(seconds)
        idle = (cpu_seconds(pid) - before) / seconds
        began, before = time.monotonic(), cpu_seconds(pid)
        for change in range(self.size.endpoint_changes):
            self._put_slice(change * 11 % self.size.ingresses, 1 + change % 2)
        time.sleep(0.5)
        spent = cpu_seconds(pid) - before - idle * (time.monotonic() - began)
        self._row(
            "One EndpointSlice changed: CPU of cppx, all threads",
            f"{1000 * spent / self.size.endpoint_changes:.2f} ms",
        )
        for change in range(self.size.endpoint_changes):
            self._put_slice(change * 11 % self.size.ingresses, 0)

    def _probes(self, cppx):
        """A route is made and asked for until it answers: 404 until then, and 200 ever after."""
        delays = []
        path = self._namespaced("apis/networking.k8s.io/v1", "ingresses")
        for probe in range(self.size.probes):
            host = f"probe-{probe}.scale.test"
            body = self._ingress(probe % self.size.ingresses)
            body["metadata"]["name"] = f"probe-{probe}"
            body["spec"].pop("tls", None)
            body["spec"]["rules"][0]["host"] = host
            if self._ask(cppx, host)[0] != 404:
                self._wrong(f"{host} answered before it was made")
            self._api().send("POST", path, body)
            answered = time.monotonic()
            while True:
                status, _ = self._ask(cppx, host)
                now = time.monotonic()
                if status not in (200, 404) or now - answered > 30:
                    self._wrong(f"{host}: {status}")
                    break
                if status == 200:
                    delays.append(now - answered)
                    break
            # On every worker: new connections are spread over them.
            if any(cppx.status(host) != 200 for _ in range(2)):
                self._wrong(f"{host}: another connection got no 200")
        if delays:
            self._row(
                f"A route is made ({len(delays)} one after the other): from the API server's answer to the first 200",
                f"mean {1000 * statistics.mean(delays):.1f} ms, p99 {1000 * percentile(delays, 0.99):.1f} ms, "
                f"longest {1000 * max(delays):.1f} ms",
            )

    def _churn(self, cppx):
        """Load with and without 50 changes a second."""
        if shutil.which("wrk") is None or self.size.churn_seconds == 0:
            return
        seconds = self.size.churn_seconds
        memory = cppx.memory_bytes()
        quiet = self._wrk(cppx, max(5, seconds // 3))
        stop = threading.Event()
        made = []
        thread = threading.Thread(target=self._change_steadily, args=(stop, made))
        thread.start()
        busy = self._wrk(cppx, seconds)
        stop.set()
        thread.join()
        self._row(
            f"Latency of wrk's requests, p99: alone, and with {len(made) / seconds:.0f} changes a second for {seconds} s",
            f"{quiet}, {busy}",
        )
        self._forget_clients()
        last = made[-1]
        began = time.monotonic()
        wait_for(
            lambda: self._ask(cppx, host_of(last))[1] in (address_of(last, 3), address_of(last, 4)),
            10,
            "the last change to be served",
            every=0.0005,
        )
        self._row("The last of these changes is served after", f"{1000 * (time.monotonic() - began):.1f} ms")
        self._row(
            "Resident memory before and after", f"{memory / 2**20:.0f} MiB, {cppx.memory_bytes() / 2**20:.0f} MiB"
        )

    def _change_steadily(self, stop, made):
        """Every host gets other pods; the last one changed keeps them."""
        begin = time.monotonic()
        while not stop.is_set() or not made:
            number = len(made) * 13 % self.size.ingresses
            self._put_slice(number, 3)
            made.append(number)
            time.sleep(max(0.0, begin + len(made) / CHANGES_PER_SECOND - time.monotonic()))

    def _wrk(self, cppx, seconds):
        """The 99th percentile of the latency, as wrk prints it."""
        flags = ["--threads=1", "--connections=16", f"--duration={seconds}s", f"--timeout={int(scaled(10))}s", "--latency"]
        url = f"http://127.0.0.1:{cppx.http_port}/"
        result = self.cluster.network.run("wrk", *flags, "--header", f"Host: {host_of(0)}", url)
        if "Socket errors" in result.stdout or "Non-2xx" in result.stdout:
            self._wrong(f"wrk: {result.stdout}")
        found = re.search(r"99%\s+(\S+)", result.stdout)
        return found.group(1) if found else "?"


def cpu_seconds(pid):
    """User and system time of all threads, in the kernel's nanoseconds."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(FileNotFoundError):
            total += int(pathlib.Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
    return total / 1e9


def table(rows):
    return "\n".join(["| What | Measured |", "| --- | --- |", *(f"| {what} | {value} |" for what, value in rows)])


def write(rows):
    text = DOCUMENT.read_text()
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    DOCUMENT.write_text(f"{head}{BEGIN}\n\n{table(rows)}\n\n{END}{tail}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ingresses", type=int, default=Size.ingresses, help="how many, with a Service each (10000)")
    parser.add_argument("--secrets", type=int, default=Size.secrets, help="how many of them have TLS (1000)")
    parser.add_argument("--probes", type=int, default=Size.probes, help="routes made one after the other (3000)")
    parser.add_argument("--churn", type=int, default=Size.churn_seconds, help="seconds of 50 changes each (60)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args()
    size = Size(options.ingresses, options.secrets, probes=options.probes, churn_seconds=options.churn)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cppx-scale-"))

    def say(text):
        print(f"scale: {text}", flush=True)

    say(f"starting a cluster, logs in {folder}")
    with Cluster(folder) as cluster:
        cluster.apply(ingress_class("cppx"))
        scale = Scale(cluster, size, say)
        scale.fill()
        cppx = Ingress(cluster, cluster.account_kubeconfig())
        try:
            good = scale.run(cppx)
        finally:
            cppx.stop()
    print(table(scale.rows))
    for problem in scale.problems:
        say(problem)
    say("PASSED: no wrong answer" if good else "FAILED")
    if good:
        shutil.rmtree(folder)
        if options.write:
            write(scale.rows)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
