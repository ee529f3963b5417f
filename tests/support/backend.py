"""Scripted backends on loopback addresses: they record every request as it came and answer as a test says."""

import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass, field

from support.certificates import make_certificate, server_context
from support.waiting import scaled, wait_for
from support.wire import Headers, Truncated, Wire, parse_head


@dataclass
class ReceivedRequest:
    method: str
    target: str
    version: str
    headers: Headers
    raw_head: bytes
    connection: int
    body: bytes = b""
    trailers: Headers = field(default_factory=Headers)
    complete: bool = False


class Exchange:
    """One request at a backend and the answer to it, in the hands of a handler."""

    def __init__(self, backend, wire, request):
        self.backend = backend
        self.wire = wire
        self.request = request
        self.ended = False

    def body_pieces(self):
        """The request's body as it comes, decoded; marks the request complete at its end."""
        headers = self.request.headers
        if headers.has("transfer-encoding"):
            yield from self.wire.chunks(self.request.trailers)
        elif headers.has("content-length"):
            yield from self.wire.counted(int(headers.one("content-length")))
        self.request.complete = True

    def read_body(self):
        if not self.request.complete:
            self.request.body += b"".join(self.body_pieces())
        return self.request.body

    def send(self, raw):
        self.wire.send(raw)

    def reply(self, status=200, headers=(), body=b"", reason="OK", version="1.1"):
        """A response with Content-Length."""
        lines = [f"HTTP/{version} {status} {reason}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)

    def close(self):
        self.ended = True
        self.wire.close()

    def reset(self):
        self.ended = True
        self.wire.reset()

    def expect_peer_gone(self):
        """Waits until the proxy has ended this connection; what came before is returned."""
        self.ended = True
        try:
            return self.wire.read_to_end()
        except Truncated as end:
            return end.data


def answer(exchange):
    """The usual handler: reads the request whole and says who answered."""
    exchange.read_body()
    exchange.reply(headers=[("X-Backend", exchange.backend.name)], body=exchange.backend.name.encode())


def sends(raw, close=False):
    """A handler that reads the request and sends exactly `raw`."""

    def handler(exchange):
        exchange.read_body()
        exchange.send(raw)
        if close:
            exchange.close()

    return handler


class Held:
    """A handler that answers /held when it is told to, and everything else at once."""

    def __init__(self):
        self.go_on = threading.Event()

    def __call__(self, exchange):
        if exchange.request.target == "/held":
            assert self.go_on.wait(scaled(60))
        exchange.read_body()
        exchange.reply()


class Backend:
    """A listening backend with a thread for each connection. `handler` may be changed at any time."""

    def __init__(self, name="backend", address="127.0.0.1", port=0, handler=answer, on_connect=None):
        self.name = name
        self.handler = handler
        self.on_connect = on_connect
        self.requests = []
        self.fragments = []  # Bytes of heads that never became whole.
        self.accepted = 0
        self.errors = []
        self._open = {}
        self._lock = threading.Lock()
        self._stopped = False
        self._listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((address, port))
        self._listener.listen(256)
        self.address, self.port = self._listener.getsockname()[:2]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def last(self):
        return self.requests[-1]

    @property
    def open_connections(self):
        with self._lock:
            return len(self._open)

    def clear(self):
        """Back to the usual answers and an empty record; connections stay."""
        self.handler = answer
        self.on_connect = None
        self.requests = []
        self.fragments = []
        self.accepted = 0
        self.errors = []

    def wait_for_requests(self, count, seconds=5.0):
        wait_for(lambda: len(self.requests) >= count, seconds, f"{count} requests at {self.name}")
        return self.requests

    def close_connections(self):
        """Ends every open connection."""
        with self._lock:
            wires = list(self._open.values())
        for wire in wires:
            with contextlib.suppress(OSError):
                wire.sock.shutdown(socket.SHUT_RDWR)
        wait_for(lambda: self.open_connections == 0, 5, f"the connections of {self.name} to end")

    def stop(self):
        """Ends the listener and all connections; later connects are refused."""
        self._stopped = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(scaled(5))
        self._listener.close()
        self.close_connections()
        assert not self.errors, f"a handler of {self.name} failed: {self.errors[0]!r}"

    def _accept(self):
        while not self._stopped:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire = Wire(sock, timeout=60)
            with self._lock:
                self.accepted += 1
                number = self.accepted
                self._open[id(wire)] = wire
            threading.Thread(target=self._serve, args=(wire, number), daemon=True).start()

    def _serve(self, wire, number):
        try:
            if self.on_connect and self.on_connect(wire) == "done":
                return
            while self._serve_one(wire, number):
                pass
        except Truncated as end:
            if end.data:
                self.fragments.append(end.data)
        except (OSError, ValueError) as error:
            if isinstance(error, ValueError):
                self.fragments.append(bytes(wire.buffer) or b"?")
        except BaseException as error:
            self.errors.append(error)
        finally:
            wire.close()
            with self._lock:
                self._open.pop(id(wire), None)

    def _serve_one(self, wire, number):
        raw = wire.read_head()
        if raw is None:
            return False
        first, headers = parse_head(raw)
        method, target, version = first.split(" ")
        request = ReceivedRequest(method, target, version, headers, raw, number)
        request.complete = not (headers.has("transfer-encoding") or headers.has("content-length"))
        self.requests.append(request)
        exchange = Exchange(self, wire, request)
        self.handler(exchange)
        if exchange.ended:
            return False
        exchange.read_body()
        return True


def tls_handshake(version=None, certificate=None):
    """For `on_connect` of a Backend that speaks TLS, of `version` only ("TLSv1_2" or "TLSv1_3") when given."""
    context = server_context(certificate or make_certificate("any.test"))
    if version:
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]

    def handshake(wire):
        wire.sock = context.wrap_socket(wire.sock, server_side=True)

    return handshake


@contextlib.contextmanager
def black_hole(address="127.0.0.1"):
    """An address where connects are neither taken nor refused: a listener whose queue is full. Gives (address, port)."""
    listener = socket.socket()
    listener.bind((address, 0))
    listener.listen(0)
    waiting = []
    try:
        while True:
            sock = socket.socket()
            waiting.append(sock)
            sock.settimeout(0.2)
            try:
                sock.connect(listener.getsockname())
            except TimeoutError:
                break
        yield listener.getsockname()
    finally:
        for sock in waiting:
            sock.close()
        listener.close()


def refused_port(address="127.0.0.1"):
    """A port on which nobody listens, held so that nobody else takes it. Gives (socket to close later, port)."""
    holder = socket.socket()
    holder.bind((address, 0))
    return holder, holder.getsockname()[1]
