"""An HTTP/2 client on the h2 library, which checks whatever it receives; what it sends is not checked."""

import contextlib
import ssl
import time
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    InformationalResponseReceived,
    PingAckReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.settings import SettingCodes, Settings
from hyperframe.frame import Frame, GoAwayFrame

from support.client import Connection, client_context
from support.waiting import scaled
from support.wire import Headers, Truncated


class Reset(Exception):
    """The peer ended a stream by RST_STREAM before a message was complete; no code: by an early answer."""

    def __init__(self, stream):
        super().__init__(f"stream {stream.id} ended with error code {stream.reset}, head {stream.headers}")
        self.code = stream.reset


@dataclass
class Stream:
    """What has come on one stream so far."""

    id: int
    headers: Headers = None
    status: int = None
    interim: list = field(default_factory=list)  # (status, Headers)
    body: bytearray = field(default_factory=bytearray)
    trailers: Headers = None
    ended: bool = False
    reset: int = None  # Error code of an RST_STREAM, also of one that followed a complete message.
    held: int = 0  # Bytes for which the window was not opened again.

    @property
    def over(self):
        return self.ended or self.reset is not None

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")


def encoded(fields):
    """Fields as bytes, each character one byte."""
    return [tuple(part if isinstance(part, bytes) else part.encode("latin-1") for part in pair) for pair in fields]


def plain_fields(fields):
    """Fields of the h2 library as (name, value) text pairs, without pseudo fields; and these as a dictionary."""
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]
    pseudo = {name: value for name, value in pairs if name.startswith(":")}
    return Headers(pair for pair in pairs if not pair[0].startswith(":")), pseudo


def next_frame(wire):
    """The bytes of one whole frame, None at the end of the connection. A time-out leaves what came in place."""
    need = 9
    while True:
        if len(wire.buffer) >= 9:
            need = 9 + int.from_bytes(wire.buffer[:3], "big")
        if len(wire.buffer) >= need:
            return wire.read_exact(need)
        if not wire.fill():
            if wire.buffer:
                raise Truncated(wire.buffer)
            return None


def parsed(raw):
    frame, length = Frame.parse_frame_header(memoryview(raw[:9]))
    frame.parse_body(memoryview(raw[9 : 9 + length]))
    return frame


def library_connection(client_side, settings=None):
    """A connection of the h2 library that sends what it is told to and checks what it gets."""
    config = H2Configuration(
        client_side=client_side,
        header_encoding=None,
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
        normalize_inbound_headers=False,
    )
    connection = H2Connection(config)
    values = {SettingCodes.MAX_CONCURRENT_STREAMS: 1000, SettingCodes.MAX_HEADER_LIST_SIZE: 65536, **(settings or {})}
    connection.local_settings = Settings(client=client_side, initial_values=values)
    return connection


class H2Client:
    """One connection. With `automatic` windows are opened as data comes; otherwise by `consume`."""

    def __init__(self, connection, scheme="http", settings=None, automatic=True):
        self.wire = connection
        self.scheme = scheme
        self.automatic = automatic
        self.streams = {}
        self.goaways = []
        self.pongs = 0
        self.settings_came = False
        self.closed = False
        self.h2 = library_connection(True, settings)
        self.h2.initiate_connection()
        self.flush()

    @classmethod
    def plain(cls, port, settings=None, automatic=True, **options):
        """With prior knowledge."""
        return cls(Connection(port, **options), "http", settings, automatic)

    @classmethod
    def tls(cls, port, server_name, settings=None, automatic=True, **options):
        connection = Connection.tls(port, server_name, client_context(alpn=["h2", "http/1.1"]), **options)
        chosen = connection.sock.selected_alpn_protocol()
        if chosen != "h2":
            connection.close()
            raise AssertionError(f"the server chose {chosen} by ALPN")
        return cls(connection, "https", settings, automatic)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.wire.close()

    # Sending.

    def flush(self):
        self.wire.send(self.h2.data_to_send())

    def start(self, method="GET", path="/", host="site.test", headers=(), end=True, scheme=None):
        """Sends a request's head; with `end` that is all of the request."""
        pseudo = [(":method", method), (":scheme", scheme or self.scheme), (":authority", host), (":path", path)]
        return self.start_with([*pseudo, *headers], end)

    def start_with(self, fields, end=True):
        """Sends a request's head of exactly these fields."""
        stream = Stream(self.h2.get_next_available_stream_id())
        self.streams[stream.id] = stream
        self.h2.send_headers(stream.id, encoded(fields), end_stream=end)
        self.flush()
        return stream

    def window(self, stream):
        """How much may be sent on a stream now."""
        return self.h2.local_flow_control_window(stream.id)

    def send(self, stream, data=b"", end=False):
        """Sends data as the windows allow; Reset when the server has answered or ended the stream meanwhile."""
        rest = memoryview(data)
        while rest:
            if not stream.over and self.window(stream) <= 0:
                self.wait_until(lambda: stream.over or self.window(stream) > 0, "the window to open")
            if stream.over:
                raise Reset(stream)
            size = min(len(rest), self.window(stream), self.h2.max_outbound_frame_size)
            self.h2.send_data(stream.id, rest[:size].tobytes())
            self.flush()
            rest = rest[size:]
        if end:
            if stream.reset is not None:
                raise Reset(stream)
            self.h2.end_stream(stream.id)
            self.flush()

    def send_trailers(self, stream, fields):
        self.h2.send_headers(stream.id, encoded(fields), end_stream=True)
        self.flush()

    def cancel(self, stream, code=8):
        self.h2.reset_stream(stream.id, code)
        self.flush()

    def consume(self, stream):
        """Opens the windows for all that came on a stream."""
        if stream.held:
            self.h2.acknowledge_received_data(stream.held, stream.id)
        stream.held = 0
        self.flush()

    # Receiving.

    def wait_until(self, condition, what, seconds=10.0):
        """Takes in frames until the condition holds; Truncated when the connection ends before."""
        end = time.monotonic() + scaled(seconds)
        while not condition():
            left = end - time.monotonic()
            assert left > 0, f"waited {scaled(seconds):.1f} s in vain for {what}"
            self.wire.sock.settimeout(left)
            try:
                raw = next_frame(self.wire)
            except TimeoutError:
                continue
            except ssl.SSLError as error:
                raise Truncated(self.wire.buffer) from error
            if raw is None:
                self.closed = True
                raise Truncated()
            self._take(raw)

    def _take(self, raw):
        # After GOAWAY the library takes nothing any more, but streams go on: it is not shown these frames.
        if raw[3] == GoAwayFrame.type:
            self.goaways.append(parsed(raw))
            return
        for event in self.h2.receive_data(raw):
            self._note(event)
        with contextlib.suppress(OSError):  # A server that has ended the connection may have sent more before.
            self.flush()

    def _note(self, event):
        stream = self.streams.get(getattr(event, "stream_id", None))
        if isinstance(event, RemoteSettingsChanged):
            self.settings_came = True
        elif isinstance(event, PingAckReceived):
            self.pongs += 1
        elif stream is None:
            return
        elif isinstance(event, ResponseReceived):
            stream.headers, pseudo = plain_fields(event.headers)
            stream.status = int(pseudo[":status"])
        elif isinstance(event, InformationalResponseReceived):
            headers, pseudo = plain_fields(event.headers)
            stream.interim.append((int(pseudo[":status"]), headers))
        elif isinstance(event, TrailersReceived):
            stream.trailers, _ = plain_fields(event.headers)
        elif isinstance(event, StreamEnded):
            stream.ended = True
        elif isinstance(event, StreamReset):
            stream.reset = event.error_code
        elif isinstance(event, DataReceived):
            stream.body += event.data
            stream.held += event.flow_controlled_length
            if self.automatic:
                self.consume(stream)

    def head(self, stream):
        """Waits for the final head of a response."""
        self.wait_until(lambda: stream.headers is not None or stream.over, "a response head")
        if stream.headers is None:
            raise Reset(stream)
        return stream

    def finish(self, stream, seconds=10.0):
        """Waits for the whole response; Reset or Truncated when it ends before that."""
        self.wait_until(lambda: stream.over, f"the end of stream {stream.id}", seconds)
        if not stream.ended:
            raise Reset(stream)
        return stream

    def ask(self, method="GET", path="/", host="site.test", headers=(), body=None, trailers=None):
        """A request and its whole response. A body is sent without content-length."""
        stream = self.start(method, path, host, headers, end=body is None and trailers is None)
        if body is not None:
            self.send(stream, body, end=trailers is None)
        if trailers is not None:
            self.send_trailers(stream, trailers)
        return self.finish(stream)

    def settings(self):
        """The server's settings, once they have come."""
        self.wait_until(lambda: self.settings_came, "SETTINGS")
        return self.h2.remote_settings

    def ping(self):
        """A round trip: the server is there, and all that it had sent before has been taken in."""
        before = self.pongs
        self.h2.ping(b"cppxping")
        self.flush()
        self.wait_until(lambda: self.pongs > before, "the answer to PING")

    def expect_goaway(self, code=0):
        """Waits for a GOAWAY and returns it."""
        self.wait_until(lambda: self.goaways, "GOAWAY")
        assert self.goaways[-1].error_code == code, self.goaways
        return self.goaways[-1]

    def expect_closed(self, seconds=10.0):
        """Waits until the server ends the connection."""
        try:
            self.wait_until(lambda: False, "the end of the connection", seconds)
        except Truncated:
            self.closed = True


def exactly(stream, status=200, body=b""):
    """Checks a whole response in one line."""
    assert (stream.status, bytes(stream.body)) == (status, body), stream
