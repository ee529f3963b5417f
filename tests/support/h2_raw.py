"""An HTTP/2 client without rules: it sends whatever frames it is given and shows every frame that comes back."""

import time

import hpack
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from support.client import Connection, client_context
from support.h2 import encoded, next_frame, parsed
from support.waiting import scaled
from support.wire import Truncated

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0, 1, 2, 3
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL = 5, 6, 7, 8
COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM = 9, 10, 11


class RawClient:
    """SETTINGS and PING of the server are answered unless `polite` is off; everything else is up to the test."""

    def __init__(self, connection, scheme="http", settings=None, begin=True, polite=True):
        self.wire = connection
        self.scheme = scheme
        self.polite = polite
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.frames = []
        self.heads = {}  # Stream id: decoded blocks.
        self._open_block = b""
        if begin:
            self.wire.send(PREFACE)
            self.send(SettingsFrame(0, settings=settings or {}))

    @classmethod
    def plain(cls, port, settings=None, begin=True, polite=True, **options):
        return cls(Connection(port, **options), "http", settings, begin, polite)

    @classmethod
    def tls(cls, port, server_name, settings=None, begin=True, polite=True, **options):
        connection = Connection.tls(port, server_name, client_context(alpn=["h2"]), **options)
        return cls(connection, "https", settings, begin, polite)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.close()

    def send(self, *frames):
        """Sends frames of hyperframe, or bytes as they are, in one write."""
        self.wire.send(b"".join(part if isinstance(part, bytes) else part.serialize() for part in frames))

    def request_fields(self, path="/", method="GET", host="site.test", headers=()):
        return [(":method", method), (":scheme", self.scheme), (":authority", host), (":path", path), *headers]

    def block(self, fields):
        """A header block in HPACK."""
        return self.encoder.encode(encoded(fields))

    def head(self, number, fields=None, end=True, end_headers=True, block=None):
        """A HEADERS frame; `block` replaces the fields by bytes."""
        flags = [flag for flag, on in (("END_STREAM", end), ("END_HEADERS", end_headers)) if on]
        data = block if block is not None else self.block(self.request_fields() if fields is None else fields)
        return HeadersFrame(number, data, flags=flags)

    def read(self, seconds=10.0):
        """The next frame, None at the end of the connection however it ended; TimeoutError when none comes."""
        self.wire.sock.settimeout(scaled(seconds))
        try:
            raw = next_frame(self.wire)
        except (Truncated, OSError) as end:
            if isinstance(end, TimeoutError):
                raise
            raw = None
        if raw is None:
            return None
        frame = parsed(raw)
        self.frames.append(frame)
        self._decode(frame)
        if self.polite:
            self._answer(frame)
        return frame

    def _decode(self, frame):
        """Every block goes through the decoder in the order of the wire."""
        if isinstance(frame, (HeadersFrame, ContinuationFrame)):
            self._open_block += frame.data
            if "END_HEADERS" in frame.flags:
                fields = self.decoder.decode(self._open_block, raw=True)
                self.heads.setdefault(frame.stream_id, []).append(fields)
                self._open_block = b""

    def _answer(self, frame):
        try:
            if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
                self.send(SettingsFrame(0, flags=["ACK"]))
            elif isinstance(frame, PingFrame) and "ACK" not in frame.flags:
                self.send(PingFrame(0, frame.opaque_data, flags=["ACK"]))
        except OSError:
            pass

    def read_until(self, condition, what, seconds=10.0):
        """The first frame for which the condition holds; fails when the connection ends before."""
        end = time.monotonic() + scaled(seconds)
        while True:
            left = end - time.monotonic()
            assert left > 0, f"waited {scaled(seconds):.1f} s in vain for {what}: {self.frames[-20:]}"
            try:
                frame = self.read(max(left, 0.01))
            except TimeoutError:
                continue
            assert frame is not None, f"the connection ended before {what}: {self.frames[-20:]}"
            if condition(frame):
                return frame

    def read_to_end(self, seconds=10.0):
        """Takes in everything until the server ends the connection; fails if it does not."""
        end = time.monotonic() + scaled(seconds)
        try:
            while self.read(max(end - time.monotonic(), 0.01)) is not None:
                pass
        except TimeoutError:
            raise AssertionError(f"the connection stays open: {self.frames[-20:]}") from None

    def expect_refused(self, *codes, may_close=True, seconds=10.0):
        """The connection must end with a GOAWAY of one of these codes, or (RFC 9113 section 5.4.1) without one."""
        self.read_to_end(seconds)
        goaways = [frame.error_code for frame in self.frames if isinstance(frame, GoAwayFrame)]
        errors = [code for code in goaways if code != NO_ERROR]
        assert may_close or errors, f"closed without a GOAWAY that tells why: {self.frames[-20:]}"
        assert set(errors) <= set(codes), f"GOAWAY with {errors}, not with any of {codes}"
        return errors[-1] if errors else None

    def expect_reset(self, number, *codes):
        """A stream error on one stream, which leaves the connection alive."""
        frame = self.read_until(lambda frame: frame.stream_id == number and ends(frame), f"stream {number} to end")
        assert isinstance(frame, RstStreamFrame), f"no RST_STREAM but {frame}"
        assert frame.error_code in codes, f"RST_STREAM with {frame.error_code}, not with any of {codes}"
        self.expect_alive()

    def expect_alive(self):
        """The connection answers a PING."""
        self.send(PingFrame(0, b"alive???"))
        self.read_until(lambda frame: isinstance(frame, PingFrame) and "ACK" in frame.flags, "an answer to PING")

    def status_of(self, number):
        """The status of the first head on a stream."""
        self.read_until(lambda frame: number in self.heads or (frame.stream_id == number and ends(frame)), "a response")
        assert number in self.heads, f"no response but {self.frames[-1]}"
        return int(dict(self.heads[number][0])[b":status"])

    def grow(self, size, number=0):
        self.send(WindowUpdateFrame(number, size))


def ends(frame):
    return isinstance(frame, RstStreamFrame) or (isinstance(frame, (DataFrame, HeadersFrame)) and "END_STREAM" in frame.flags)
