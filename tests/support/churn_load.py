"""Load of every kind that cppx carries, at once: each with a count of what ended well and the first that did not."""

import itertools
import queue
import threading

from support.certificates import Certificate
from support.churn_backends import BODY
from support.client import Connection, client_context, request
from support.grpc_service import open_stub
from support.h2load import H2Load
from support.waiting import scaled
from support.websocket import H2WebSocket, open_websocket

PAUSE = 0.002  # After each step of a load in Python, so that the others get their turn.
PATIENCE = 20.0  # Seconds, before they are stretched, that an answer may take.
HOSTS = {"web": "web.test", "grpc": "grpc.test", "echo": "echo.test", "secure": "secure.test"}
PATHS = ("/", "/slow", "/some/where", "/?x=1")


def expect(answer, expected):
    assert answer == expected, f"{answer!r:.100} instead of {expected!r}"


class Target:
    """The cppx under load, and the certificates that it may show."""

    def __init__(self, cppx, certificates, folder):
        self.cppx = cppx
        self.certificates = [certificate.der for certificate in certificates]
        self.trusted = Certificate("".join(certificate.certificate_pem for certificate in certificates), "", b"")
        self.shown = set()
        self.upload = folder / "upload"
        self.upload.write_bytes(b"y" * 3000)

    def stub(self, tls):
        port = self.cppx.https_port if tls else self.cppx.http_port
        return open_stub(port, HOSTS["grpc"], self.trusted if tls else None)


def requests_of_h2load(target, *, tls, kind="web", **options):
    """GETs and POSTs in turn; new connections for each round."""
    port = target.cppx.https_port if tls else target.cppx.http_port
    for number in itertools.count():
        flags = ["-d", target.upload] if number % 2 else []
        with H2Load(port, HOSTS[kind], paths=PATHS, tls=tls, flags=flags, **options) as run:
            report = run.report()
        assert report.ok and report.body_bytes == report.total * len(BODY), report
        yield report.total


def new_connections(target):
    """A TLS handshake for each request, every other one offers the session of the one before."""
    context, session, raw = client_context(), None, request(host=HOSTS["web"])
    for number in itertools.count():
        with Connection.tls(target.cppx.https_port, HOSTS["web"], context=context, session=session) as connection:
            shown = connection.certificate()
            assert shown in target.certificates, "a certificate that was never given to this host"
            response = connection.ask(raw)
            expect((response.status, response.body), (200, BODY))
            target.shown.add(shown)
            session = None if number % 2 else connection.sock.session
        yield 1


def calls(target, tls):
    """Unary calls; a new channel now and then."""
    while True:
        with target.stub(tls) as stub:
            for number in range(200):
                message = b"%d" % number
                expect(stub.echo(message, timeout=scaled(PATIENCE)), message)
                yield 1


def conversation(target, tls):
    """One bidirectional call for all of the time."""
    with target.stub(tls) as stub:
        said = queue.SimpleQueue()
        answers = stub.chat(iter(said.get, None))
        try:
            for number in itertools.count():
                said.put(b"%d" % number)
                expect(next(answers), b"%d" % number)
                yield 1
        except GeneratorExit:
            said.put(None)
            expect(list(answers), [])


def messages(target, tls, lasting):
    """A WebSocket on a connection of its own, for all of the time or for some messages."""
    while True:
        with open_websocket(target.cppx, tls, HOSTS["echo"]) as websocket:
            for number in itertools.count() if lasting else range(50):
                websocket.send(f"{number}")
                expect(websocket.recv(timeout=scaled(PATIENCE)), f"{number}")
                yield 1


def messages_over_http2(target):
    """Two WebSockets, one for all of the time, on one HTTP/2 connection."""
    with target.cppx.h2(tls=True, server_name=HOSTS["echo"]) as client:
        lasting = H2WebSocket(client, host=HOSTS["echo"])
        for number in itertools.count():
            if number % 50 == 0:
                brief = H2WebSocket(client, host=HOSTS["echo"])
            for websocket in (lasting, brief):
                websocket.send(f"{number}")
                expect(websocket.recv(), f"{number}")
                yield 1
            if number % 50 == 49:
                brief.close()
                expect(brief.recv(), None)
                client.send(brief.stream, end=True)
                client.finish(brief.stream)


class Load(threading.Thread):
    """Runs `work`, which yields how much ended well, until it fails or is ended."""

    def __init__(self, name, work, least):
        super().__init__(name=name)
        self.work, self.least = work, least
        self.count = 0
        self.failure = None
        self.ended = threading.Event()

    def run(self):
        try:
            for done in self.work:
                self.count += done
                if self.ended.wait(PAUSE):
                    self.work.close()
        except Exception as error:
            self.failure = f"{self.name} after {self.count}: {type(error).__name__}: {error}"


class Loads:
    """All kinds of load at once; a context manager."""

    def __init__(self, target):
        quick = {"requests": 2000, "clients": 6}
        few = {"requests": 2000, "clients": 3, "streams": 6}
        self.all = [
            Load("HTTP/1.1", requests_of_h2load(target, tls=False, http1=True, **quick), 2000),
            Load("HTTP/2, TLS", requests_of_h2load(target, tls=True, **few), 2000),
            Load("HTTP/1.1, to TLS", requests_of_h2load(target, tls=False, kind="secure", http1=True, **quick), 2000),
            Load("new TLS connections", new_connections(target), 50),
            Load("gRPC calls", calls(target, tls=False), 100),
            Load("gRPC calls, TLS", calls(target, tls=True), 100),
            Load("gRPC conversation", conversation(target, tls=False), 100),
            Load("gRPC conversation, TLS", conversation(target, tls=True), 100),
            Load("WebSocket, lasting", messages(target, tls=False, lasting=True), 100),
            Load("WebSocket, TLS, brief", messages(target, tls=True, lasting=False), 100),
            Load("WebSocket, HTTP/2", messages_over_http2(target), 100),
        ]

    def __enter__(self):
        for load in self.all:
            load.start()
        return self

    def __exit__(self, *_):
        for load in self.all:
            load.ended.set()
        for load in self.all:
            load.join()

    @property
    def failures(self):
        return [load.failure for load in self.all if load.failure]

    @property
    def enough(self):
        return all(load.count >= load.least for load in self.all)

    def lines(self):
        return [f"{load.name}: {load.count}" for load in self.all]
