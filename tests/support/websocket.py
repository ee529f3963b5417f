"""WebSocket clients of the websockets library: over a connection of their own, and over an HTTP/2 stream of H2Client
(RFC 8441)."""

import socket
import ssl
import struct

from websockets.frames import Opcode
from websockets.protocol import CLIENT, OPEN, Protocol
from websockets.sync.client import connect

from support.client import client_context
from support.h2 import Reset
from support.waiting import scaled


def open_websocket(cppx, tls, host="site.test", **options):
    """A WebSocket on a connection of its own."""
    # The library's reader takes TLS 1.3's session tickets for data and waits for more in SSL_read, while the
    # request is written from another thread: a race of its own. TLS 1.2 sends nothing unasked.
    context = client_context(maximum=ssl.TLSVersion.TLSv1_2)
    port = cppx.https_port if tls else cppx.http_port
    sock = socket.create_connection(("127.0.0.1", port))
    # The library waits for ever to send, as a test's end does for its closing message.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(scaled(20)), 0))
    return connect(
        f"{'wss' if tls else 'ws'}://{host}:{port}/chat?x=1",
        sock=sock,
        server_hostname=host if tls else None,
        ssl=context if tls else None,
        max_size=None,
        ping_interval=None,
        open_timeout=scaled(10),
        **options,
    )


def handshake_fields(path="/chat?x=1", host="site.test", scheme="https", protocol="websocket", headers=()):
    """The head of an extended CONNECT."""
    return [
        (":method", "CONNECT"),
        (":protocol", protocol),
        (":scheme", scheme),
        (":authority", host),
        (":path", path),
        ("sec-websocket-version", "13"),
        ("origin", f"https://{host}"),
        *headers,
    ]


class H2WebSocket:
    """A client's side of one WebSocket on a stream of `client`."""

    def __init__(self, client, headers=(), **options):
        client.settings()
        self.client = client
        self.stream = client.start_with(handshake_fields(scheme=client.scheme, headers=headers, **options), end=False)
        client.head(self.stream)
        self.protocol = Protocol(CLIENT, state=OPEN, max_size=None)
        self.close_code = None
        self._taken = 0
        self._ready = []
        self._parts = []

    @property
    def status(self):
        return self.stream.status

    def send(self, message):
        if isinstance(message, str):
            self.protocol.send_text(message.encode())
        else:
            self.protocol.send_binary(message)
        self._write()

    def close(self, code=1000, reason=""):
        self.protocol.send_close(code, reason)
        self._write()

    def recv(self):
        """The next message; None after a close frame, whose code is kept."""
        while not self._ready:
            self.client.wait_until(lambda: len(self.stream.body) > self._taken or self.stream.over, "a message")
            data = bytes(self.stream.body[self._taken :])
            self._taken += len(data)
            if not data:
                if not self.stream.ended:
                    raise Reset(self.stream)
                return None
            self.protocol.receive_data(data)
            self._collect()
            self._write()
        return self._ready.pop(0)

    def _collect(self):
        for frame in self.protocol.events_received():
            if frame.opcode is Opcode.CLOSE:
                self.close_code = self.protocol.close_rcvd.code
                self._ready.append(None)
            elif frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._parts.append(frame)
                if frame.fin:
                    whole = b"".join(bytes(part.data) for part in self._parts)
                    self._ready.append(whole.decode() if self._parts[0].opcode is Opcode.TEXT else whole)
                    self._parts = []

    def _write(self):
        # An empty piece asks for the end of the TCP connection, which the stream's end stands for.
        for piece in self.protocol.data_to_send():
            if piece and not self.stream.over:
                self.client.send(self.stream, piece)
