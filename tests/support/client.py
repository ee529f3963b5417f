"""A raw HTTP/1 client: sends exactly the bytes it is given and shows exactly what came back."""

import socket
import ssl
from dataclasses import dataclass, field

from support.waiting import scaled
from support.wire import Headers, Truncated, Wire, parse_head


@dataclass
class Response:
    status: int
    reason: str
    version: str
    headers: Headers
    raw_head: bytes
    body: bytes = b""
    trailers: Headers = field(default_factory=Headers)
    interim: list = field(default_factory=list)
    ended_by_close: bool = False

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")


def request(method="GET", target="/", host="site.test", headers=(), body=None, version="1.1"):
    """The bytes of a request. `headers` is a sequence of pairs; a bytes body brings its Content-Length."""
    lines = [f"{method} {target} HTTP/{version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")


def client_context(alpn=None, minimum=None, maximum=None, trusted_pem=None):
    """A TLS context that checks nothing, or everything against `trusted_pem`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if trusted_pem is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(cadata=trusted_pem)
    if alpn:
        context.set_alpn_protocols(alpn)
    if minimum:
        context.minimum_version = minimum
    if maximum:
        context.maximum_version = maximum
    return context


class Connection(Wire):
    """A client connection, plain or TLS. A context manager: closes at the end."""

    def __init__(self, port, address="127.0.0.1", timeout=10.0, receive_buffer=None, source=None):
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(scaled(timeout))
        if source:
            sock.bind((source, 0))
        try:
            sock.connect((address, port))
        except OSError:
            sock.close()
            raise
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(sock, timeout)

    @classmethod
    def tls(cls, port, server_name=None, context=None, session=None, **options):
        """`session` is one to resume, of a connection with the same context."""
        connection = cls(port, **options)
        try:
            connection.sock = (context or client_context()).wrap_socket(
                connection.sock, server_hostname=server_name, session=session
            )
        except Exception:
            connection.close()
            raise
        return connection

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def certificate(self):
        """The certificate the server showed, in DER."""
        return self.sock.getpeercert(binary_form=True)

    def read_response_head(self):
        """The next final response head with the interim ones before it; the body is left to read."""
        interim = []
        while True:
            raw = self.read_head()
            if raw is None:
                raise Truncated()
            first, headers = parse_head(raw)
            version, status, reason = (first.split(" ", 2) + [""])[:3]
            response = Response(int(status), reason, version, headers, raw, interim=interim)
            if response.status >= 200 or response.status == 101:
                return response
            interim.append(response)

    def body_of(self, response, method="GET"):
        """The body of a response piece by piece, framed as RFC 9112 section 6.3 says."""
        headers = response.headers
        if method == "HEAD" or response.status in (204, 304) or response.status < 200:
            return iter(())
        if headers.has("transfer-encoding"):
            assert headers.one("transfer-encoding") == "chunked"
            assert not headers.has("content-length"), "both Transfer-Encoding and Content-Length"
            return self.chunks(response.trailers)
        if headers.has("content-length"):
            return self.counted(int(headers.one("content-length")))
        response.ended_by_close = True
        return self.to_end()

    def read_response(self, method="GET"):
        """A whole response; Truncated when the connection ended before it was complete."""
        response = self.read_response_head()
        response.body = b"".join(self.body_of(response, method))
        return response

    def ask(self, raw):
        """Sends a request and reads its response."""
        self.send(raw)
        return self.read_response(raw.split(b" ", 1)[0].decode())

    def expect_closed(self):
        """Checks that the server closes the connection and sends nothing more before it."""
        try:
            rest = self.read_to_end()
        except Truncated as end:
            rest = end.data
        except ssl.SSLError:
            rest = b""
        assert rest == b"", f"unexpected bytes before the end: {rest[:200]!r}"


def ask(port, raw, **options):
    """One request on a connection of its own."""
    with Connection(port, **options) as connection:
        return connection.ask(raw)


def refused(port):
    """Whether nobody listens there any more."""
    try:
        Connection(port).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # It came while the listener was closing: the next one tells.
    return False
