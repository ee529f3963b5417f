"""An HTTP/2 backend (prior knowledge) that holds every request back until it is told to answer. It reads no header
blocks and keeps no more of a stream than its number, so that a hundred thousand of them are nothing to it."""

import asyncio
import contextlib
import struct

from support.apart import apart
from support.h2_raw import PREFACE

DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
END_STREAM = ACK = 1
END_HEADERS = 4
MAX_CONCURRENT_STREAMS = 3
STATUS_200 = b"\x88"  # Of the static table of HPACK (RFC 7541 appendix A).


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


class _Connection(asyncio.Protocol):
    def __init__(self, backend):
        self.backend = backend
        self.input = bytearray()
        self.held = []
        self.begun = self.greeted = False
        self.due = b""  # What may not go before the greeting (RFC 9113 3.4).

    def connection_made(self, transport):
        self.transport = transport
        self.backend.connections.add(self)
        if self.backend.greeting:
            self.greet()

    def greet(self):
        setting = struct.pack(">HI", MAX_CONCURRENT_STREAMS, self.backend.streams_per_connection)
        self.transport.write(frame(SETTINGS, 0, 0, setting) + self.due)
        self.greeted, self.due = True, b""

    def connection_lost(self, _):
        self.backend.connections.discard(self)

    def data_received(self, data):
        self.input += data
        at = 0
        if not self.begun:
            if len(self.input) < len(PREFACE):
                return
            assert self.input.startswith(PREFACE), "no HTTP/2"
            self.begun, at = True, len(PREFACE)
        while at + 9 <= len(self.input):
            head, flags, stream = struct.unpack_from(">IBI", self.input, at)
            end = at + 9 + (head >> 8)
            if end > len(self.input):
                break
            self._take(head & 0xFF, flags, stream, self.input[at + 9 : end])
            at = end
        del self.input[:at]

    def _take(self, kind, flags, stream, payload):
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            self.held.append(stream)
            if self.backend.released:
                self.release()
        elif kind in (SETTINGS, PING) and not flags & ACK:
            self.due += frame(kind, ACK, 0, payload if kind == PING else b"")
            if self.greeted:
                self.transport.write(self.due)
                self.due = b""

    def release(self):
        held, self.held = self.held, []
        self.transport.write(b"".join(frame(HEADERS, END_STREAM | END_HEADERS, stream, STATUS_200) for stream in held))


class _Backend:
    def __init__(self, streams_per_connection, greeting):
        self.streams_per_connection = streams_per_connection
        self.connections = set()
        self.greeting = greeting
        self.released = False

    async def greet(self):
        self.greeting = True
        for connection in list(self.connections):
            connection.greet()

    async def held(self):
        return sum(len(connection.held) for connection in self.connections)

    async def release(self):
        self.released = True
        for connection in list(self.connections):
            connection.release()
        return len(self.connections)


def serve_held(pipe, *options):
    async def run():
        backend = _Backend(*options)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(backend), "127.0.0.1", 0, backlog=1024)

        def listen():
            pipe.send(server.sockets[0].getsockname()[1])
            with contextlib.suppress(EOFError):
                while True:
                    question = getattr(backend, pipe.recv())
                    pipe.send(asyncio.run_coroutine_threadsafe(question(), loop).result())

        await asyncio.to_thread(listen)

    asyncio.run(run())


class HoldingBackend:
    """Runs in a process of its own; a context manager. Without `greeting` it takes connections but is silent at first."""

    address = "127.0.0.1"

    def __init__(self, streams_per_connection=1000, greeting=True):
        self._apart = apart(serve_held, streams_per_connection, greeting)

    def __enter__(self):
        self._process = self._apart.__enter__()
        self.port = self._process.recv("the port of the backend")
        return self

    def __exit__(self, *exc_info):
        return self._apart.__exit__(*exc_info)

    def greet(self):
        """Sends its SETTINGS, on later connections at once."""
        self._process.ask("greet")

    def held(self):
        """How many requests are waiting for their answers."""
        return self._process.ask("held")

    def release(self):
        """Answers all requests with 200, and from now on at once. Gives the number of connections."""
        return self._process.ask("release")
