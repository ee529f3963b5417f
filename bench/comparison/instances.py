"""Running proxies: each variant is started once, when it is first asked, and stays for all rounds."""

import dataclasses
import pathlib
import subprocess

from comparison import machine
from comparison.proxies.base import GRPC_HOST, HOST, RELEASE, Place, host_name

NATIVE = RELEASE / "bench" / "native"
PORTS = ("http", "https", "grpc", "websocket")


@dataclasses.dataclass(frozen=True)
class Target:
    port: int
    host: str


class Unable(Exception):
    """A proxy cannot do a workload; the text says why."""


class Running:
    """One started proxy."""

    def __init__(self, proxy, place, core):
        self.proxy = proxy
        self.place = place
        command = proxy.command(place)
        output = place.log if place.variant == "log" and proxy.name == "haproxy" else place.folder / "output"
        self.process = machine.Process(command, core, output, cwd=place.folder)
        host = host_name(1) if place.variant == "hosts" else HOST
        target = "/p1/1024" if place.variant == "hosts" else "/1024"
        try:
            machine.wait_until(lambda: machine.answers(place.http, host, target), self.process, f"{proxy.name} does not serve")
        except RuntimeError as error:
            self.process.stop()
            raise Unable(str(error)) from error

    def target(self, workload):
        port = workload.port
        if port in ("grpc", "websocket"):
            port = getattr(self.proxy, f"{port}_port")
        return Target(getattr(self.place, port), workload.host)


class Bench:
    """The origins, the certificate and all proxies that run; a context."""

    def __init__(self, folder, load_core, proxy_core):
        self.folder = pathlib.Path(folder)
        self.load_core = load_core
        self.proxy_core = proxy_core
        self._running = {}
        self._processes = []
        self.certificate, self.key = self.folder / "site.crt", self.folder / "site.key"

    def __enter__(self):
        self._make_certificate()
        self.origin, self.grpc_origin = machine.free_ports(2)
        self._start_origin("origin", self.origin)
        if (NATIVE / "origin_grpc").exists():
            self._start_origin("origin_grpc", self.grpc_origin)
        return self

    def __exit__(self, *_):
        for running in self._running.values():
            if isinstance(running, Running):
                running.process.stop()
        for process in self._processes:
            process.stop()

    def get(self, proxy, variant):
        """The proxy of this variant, started if it is not there. Raises Unable, each time, when it does not start."""
        if (proxy.name, variant) not in self._running:
            try:
                self._running[proxy.name, variant] = self.start(proxy, variant)
            except Unable as error:
                self._running[proxy.name, variant] = error
        found = self._running[proxy.name, variant]
        if isinstance(found, Unable):
            raise found
        return found

    def start(self, proxy, variant, name=None):
        """One that is not kept: whoever starts it stops it."""
        folder = self.folder / (name or f"{proxy.name}-{variant}")
        folder.mkdir(exist_ok=True)
        ports = dict(zip(PORTS, machine.free_ports(len(PORTS))))
        origins = {"origin": self.origin, "grpc_origin": self.grpc_origin}
        place = Place(folder=folder, variant=variant, certificate=self.certificate, key=self.key, **ports, **origins)
        return Running(proxy, place, self.proxy_core)

    def _start_origin(self, program, port):
        process = machine.Process([NATIVE / program, port], self.load_core, self.folder / f"{program}.output")
        self._processes.append(process)
        if program == "origin":
            machine.wait_until(lambda: machine.answers(port, HOST), process, "the origin does not serve")

    def _make_certificate(self):
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"]
        command += ["-days", "2", "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST},DNS:{GRPC_HOST}"]
        command += ["-keyout", self.key, "-out", self.certificate]
        subprocess.run(command, check=True, capture_output=True)
