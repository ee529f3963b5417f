"""Scripted HTTP/2 backends, plain (prior knowledge) or TLS, on the h2 library, which checks what the proxy sends."""

import contextlib
import threading
from dataclasses import dataclass, field

from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset, TrailersReceived
from h2.exceptions import H2Error
from hyperframe.frame import GoAwayFrame

from support.backend import Backend
from support.certificates import server_context
from support.h2 import encoded, library_connection, next_frame, parsed, plain_fields
from support.shared_tls import SharedTls
from support.waiting import scaled
from support.wire import Headers, Truncated


EVERY = 2**31 - 1


class PeerGone(Exception):
    """The proxy reset the stream or ended the connection."""


@dataclass
class H2Request:
    pseudo: dict
    headers: Headers
    connection: int
    stream: int
    body: bytes = b""
    trailers: Headers = field(default_factory=Headers)
    complete: bool = False
    reset: int = None  # Error code of the proxy's RST_STREAM.

    @property
    def target(self):
        return self.pseudo[":path"]

    @property
    def method(self):
        return self.pseudo[":method"]


class H2Exchange:
    """One stream at a backend, in the hands of a handler, which runs in a thread of its own.

    The window of the connection is always opened again, that of a stream when its handler has taken the data.
    """

    def __init__(self, backend, connection, request):
        self.backend = backend
        self.connection = connection
        self.request = request
        self._incoming = bytearray()  # Data whose window is not opened again yet.
        self._held = 0

    def body_pieces(self):
        """The body as it comes. Windows open only for what was taken."""
        while True:
            with self.connection.changed:
                self.connection.wait_for(lambda: self._incoming or self.request.complete, self)
                piece, self._incoming = bytes(self._incoming), bytearray()
                held, self._held = self._held, 0
                if held:
                    self.connection.acknowledge(held, self.request.stream)
            if piece:
                yield piece
            elif self.request.complete:
                return

    def read_body(self):
        self.request.body += b"".join(self.body_pieces())
        return self.request.body

    def send_head(self, status=200, headers=(), end=False):
        self.send_fields([(":status", str(status)), *headers], end)

    def send_fields(self, fields, end=False):
        """A head or trailers of exactly these fields."""
        with self.connection.changed:
            self.connection.expect_open(self)
            self.connection.h2.send_headers(self.request.stream, encoded(fields), end_stream=end)
            self.connection.flush()

    def send(self, data=b"", end=False):
        """Sends data as the windows of the proxy allow."""
        library, number = self.connection.h2, self.request.stream
        rest = memoryview(data)
        with self.connection.changed:
            while rest:
                self.connection.wait_for(lambda: library.local_flow_control_window(number) > 0, self)
                size = min(len(rest), library.local_flow_control_window(number), library.max_outbound_frame_size)
                library.send_data(number, rest[:size].tobytes())
                self.connection.flush()
                rest = rest[size:]
            if end:
                self.connection.expect_open(self)
                library.end_stream(number)
                self.connection.flush()

    def reply(self, status=200, headers=(), body=b"", trailers=None):
        self.send_head(status, headers, end=not body and trailers is None)
        if body:
            self.send(body, end=trailers is None)
        if trailers is not None:
            self.send_fields(trailers, end=True)

    def reset(self, code=2):
        with self.connection.changed:
            self.connection.h2.reset_stream(self.request.stream, code)
            self.connection.flush()

    def goaway(self, last=None, code=0):
        """Announces the end of the connection; `last` is the last stream that is answered, this one unless told.

        EVERY is the first half of a graceful end: no stream is refused, but new ones should go elsewhere.
        """
        last = self.request.stream if last is None else last
        with self.connection.changed:
            self.connection.flush(GoAwayFrame(0, last_stream_id=last, error_code=code).serialize())

    def close(self):
        with contextlib.suppress(OSError):
            self.connection.wire.sock.shutdown(2)

    def expect_reset(self):
        """Waits for the proxy's RST_STREAM and returns its code; None when the connection ended instead."""
        with self.connection.changed, contextlib.suppress(PeerGone):
            self.connection.wait_for(lambda: False, self)
        return self.request.reset


class _Connection:
    """The h2 library under a lock: one thread reads, the handlers' threads write."""

    def __init__(self, backend, wire, number):
        self.backend = backend
        self.wire = wire
        self.number = number
        self.changed = threading.Condition()
        self.ended = False
        self.goaways = []
        self.exchanges = {}
        self.h2 = library_connection(False)

    def flush(self, more=b""):
        try:
            self.wire.send(self.h2.data_to_send() + more)
        except OSError as error:
            raise PeerGone from error

    def acknowledge(self, size, stream=None):
        with contextlib.suppress(H2Error, PeerGone):
            self.h2.increment_flow_control_window(size, stream)
            self.flush()

    def expect_open(self, exchange):
        if self.ended or exchange.request.reset is not None:
            raise PeerGone

    def wait_for(self, condition, exchange):
        """Waits, with the lock, for something that the reading thread brings."""
        holds = self.changed.wait_for(
            lambda: self.ended or exchange.request.reset is not None or condition(), scaled(30)
        )
        assert holds, f"{self.backend.name} waited 30 s in vain on stream {exchange.request.stream}"
        self.expect_open(exchange)

    def serve(self):
        preface = self.wire.read_exact(24)
        with self.changed:
            self.h2.initiate_connection()
            self.h2.receive_data(preface)
            if self.backend.settings:  # Counts once the proxy has acknowledged it.
                self.h2.update_settings(self.backend.settings)
            self.flush()
        try:
            while (raw := next_frame(self.wire)) is not None:
                with self.changed:
                    self._take(raw)
                    self.changed.notify_all()
        finally:
            with self.changed:
                self.ended = True
                self.changed.notify_all()
            for thread, _ in list(self.exchanges.values()):
                thread.join(scaled(30))

    def _take(self, raw):
        if raw[3] == GoAwayFrame.type:
            self.goaways.append(parsed(raw))
            return
        for event in self.h2.receive_data(raw):
            self._note(event)
        with contextlib.suppress(PeerGone):
            self.flush()

    def _note(self, event):
        if isinstance(event, RequestReceived):
            headers, pseudo = plain_fields(event.headers)
            request = H2Request(pseudo, headers, self.number, event.stream_id)
            exchange = H2Exchange(self.backend, self, request)
            self.backend.requests.append(request)
            thread = threading.Thread(target=self._run, args=(exchange,), daemon=True)
            self.exchanges[event.stream_id] = thread, exchange
            thread.start()
            return
        if isinstance(event, DataReceived) and event.flow_controlled_length:
            self.acknowledge(event.flow_controlled_length)
        _, exchange = self.exchanges.get(getattr(event, "stream_id", None), (None, None))
        if exchange is None:
            return
        if isinstance(event, DataReceived):
            exchange._incoming += event.data
            exchange._held += event.flow_controlled_length
        elif isinstance(event, TrailersReceived):
            exchange.request.trailers, _ = plain_fields(event.headers)
        elif isinstance(event, StreamEnded):
            exchange.request.complete = True
        elif isinstance(event, StreamReset):
            exchange.request.reset = event.error_code

    def _run(self, exchange):
        try:
            self.backend.handler(exchange)
        except PeerGone:
            pass
        except BaseException as error:
            self.backend.errors.append(error)


def answer(exchange):
    """The usual handler: reads the request whole and says who answered."""
    exchange.read_body()
    name = exchange.backend.name
    exchange.reply(headers=[("x-backend", name), ("content-length", str(len(name)))], body=name.encode())


class H2Backend(Backend):
    """A listening HTTP/2 backend. With a certificate it speaks TLS; what clients offered is kept in `offered`."""

    def __init__(self, name="backend", handler=answer, certificate=None, settings=None, **options):
        self.settings = settings
        self.offered = []  # Server names of ClientHellos, None when one had none.
        self.connections = []
        self.context = self._context(certificate) if certificate else None
        super().__init__(name, handler=handler, **options)

    def _context(self, certificate):
        context = server_context(certificate)
        context.set_alpn_protocols(["h2"])
        context.sni_callback = lambda _, name, __: self.offered.append(name)
        return context

    def clear(self):
        super().clear()
        self.handler = answer

    def _serve(self, wire, number):
        connection = _Connection(self, wire, number)
        self.connections.append(connection)
        try:
            if self.context:
                wire.sock = SharedTls(self.context.wrap_socket(wire.sock, server_side=True))
            connection.serve()
        except Truncated as end:
            if end.data and not end.reset:
                self.fragments.append(end.data)
        except OSError:
            pass
        except BaseException as error:  # Also what the h2 library has against the proxy's frames.
            self.errors.append(error)
            with contextlib.suppress(PeerGone):
                connection.flush()
        finally:
            wire.close()
            with self._lock:
                self._open.pop(id(wire), None)
