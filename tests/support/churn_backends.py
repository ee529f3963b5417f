"""Backends for load while everything around them changes, each kind in a process of its own: quick HTTP/1.1, the same
with TLS, gRPC, and WebSocket echo, on several ports each. They stay up whether they are endpoints or not, and count what
they served."""

import asyncio
import contextlib
import re
import threading

from websockets.sync.server import serve

from support.apart import apart
from support.certificates import make_certificate, server_context
from support.grpc_service import GrpcServer
from support.websocket_echo import echo

BODY = b"x" * 200
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
SLOW_SECONDS = 0.05  # To answer /slow, so that requests are in progress while changes come.


class _Answers(asyncio.Protocol):
    """One connection: every request, with Content-Length or without a body, gets ANSWER."""

    def __init__(self, counts, number):
        self.counts, self.number = counts, number
        self.input = bytearray()

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.input += data
        while (end := self.input.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self.input, 0, end + 2)
            whole = end + 4 + (int(length.group(1)) if length else 0)
            if len(self.input) < whole:
                return
            slow = self.input.split(b" ", 2)[1] == b"/slow"
            del self.input[:whole]
            self.counts[self.number] += 1
            if slow:
                asyncio.get_running_loop().call_later(SLOW_SECONDS, self.transport.write, ANSWER)
            else:
                self.transport.write(ANSWER)


def _report(pipe, ports, count):
    """Tells the ports, and the counts whenever asked."""
    pipe.send(ports)
    with contextlib.suppress(EOFError):
        while True:
            pipe.recv()
            pipe.send(count())


def serve_http(pipe, number, tls=None):
    async def run():
        counts = [0] * number
        loop = asyncio.get_running_loop()
        servers = [
            await loop.create_server(lambda at=at: _Answers(counts, at), "127.0.0.1", 0, backlog=1024, ssl=tls)
            for at in range(number)
        ]
        ports = [server.sockets[0].getsockname()[1] for server in servers]
        await asyncio.to_thread(_report, pipe, ports, lambda: counts)

    asyncio.run(run())


def serve_https(pipe, number):
    serve_http(pipe, number, server_context(make_certificate("backend.test")))


def serve_grpc(pipe, number):
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(GrpcServer(str(at))) for at in range(number)]
        _report(pipe, [server.port for server in servers], lambda: [len(server.service.calls) for server in servers])


def serve_echo(pipe, number):
    counts = [0] * number

    def counting(at):
        def handler(websocket):
            counts[at] += 1
            echo(websocket)

        return handler

    with contextlib.ExitStack() as stack:
        options = {"max_size": None, "ping_interval": None}
        servers = [stack.enter_context(serve(counting(at), "127.0.0.1", 0, **options)) for at in range(number)]
        for server in servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        _report(pipe, [server.socket.getsockname()[1] for server in servers], lambda: counts)


class ChurnBackends:
    """`ports` holds for each kind the ports of its endpoints."""

    KINDS = {"web": serve_http, "secure": serve_https, "grpc": serve_grpc, "echo": serve_echo}

    def __init__(self, endpoints):
        self._endpoints = endpoints
        self._stack = contextlib.ExitStack()
        self._processes = {}
        self.ports = {}

    def __enter__(self):
        with self._stack:
            for kind, serve_kind in self.KINDS.items():
                process = self._stack.enter_context(apart(serve_kind, self._endpoints))
                self._processes[kind] = process
                self.ports[kind] = process.recv(f"the ports of {kind}")
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def counts(self):
        """For each kind what each endpoint has served: requests, calls, WebSockets."""
        return {kind: process.ask("counts") for kind, process in self._processes.items()}
