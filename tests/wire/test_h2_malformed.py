"""Requests and frames that RFC 9113 does not allow: refused by stream or connection, nothing passed on."""

import threading

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    GoAwayFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from support.h2 import exactly
from support.h2_raw import (
    COMPRESSION_ERROR,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    PROTOCOL_ERROR,
    STREAM_CLOSED,
    RawClient,
)
from support.waiting import wait_for

METHOD, SCHEME, AUTHORITY, PATH = (":method", "GET"), (":scheme", "https"), (":authority", "site.test"), (":path", "/bad")
GOOD = [METHOD, SCHEME, AUTHORITY, PATH]

# name: fields. RFC 9113 sections 8.2 and 8.3: a stream error, before which an answer 400 may come (8.1.1).
FIELDS = {
    "connection": [*GOOD, ("connection", "close")],
    "connection keep-alive": [*GOOD, ("connection", "keep-alive")],
    "keep-alive": [*GOOD, ("keep-alive", "timeout=5")],
    "proxy-connection": [*GOOD, ("proxy-connection", "keep-alive")],
    "transfer-encoding": [*GOOD, ("transfer-encoding", "chunked")],
    "transfer-encoding identity": [*GOOD, ("transfer-encoding", "identity")],
    "upgrade": [*GOOD, ("upgrade", "websocket")],
    "te gzip": [*GOOD, ("te", "gzip")],
    "te trailers and more": [*GOOD, ("te", "trailers, gzip")],
    "upper case": [*GOOD, ("X-Upper", "1")],
    "one upper case letter": [*GOOD, ("x-uppeR", "1")],
    "upper case pseudo": [(":Method", "GET"), SCHEME, AUTHORITY, PATH],
    "space in a name": [*GOOD, ("x a", "1")],
    "colon in a name": [*GOOD, ("x:a", "1")],
    "nul in a name": [*GOOD, ("x\x00a", "1")],
    "high byte in a name": [*GOOD, ("x-\xe4", "1")],
    "empty name": [*GOOD, ("", "1")],
    "line feed in a value": [*GOOD, ("x-a", "1\nx-b: 2")],
    "carriage return in a value": [*GOOD, ("x-a", "1\rx-b: 2")],
    "head in a value": [*GOOD, ("x-a", "1\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: site.test")],
    "nul in a value": [*GOOD, ("x-a", "1\x002")],
    "line feed in the path": [METHOD, SCHEME, AUTHORITY, (":path", "/bad\nx: y")],
    "head in the path": [METHOD, SCHEME, AUTHORITY, (":path", "/bad HTTP/1.1\r\nhost: site.test\r\n\r\nGET /smuggled")],
    "space in the path": [METHOD, SCHEME, AUTHORITY, (":path", "/bad x")],
    "tab in the path": [METHOD, SCHEME, AUTHORITY, (":path", "/bad\tx")],
    "nul in the path": [METHOD, SCHEME, AUTHORITY, (":path", "/bad\x00")],
    "fragment": [METHOD, SCHEME, AUTHORITY, (":path", "/bad#x")],
    "path without slash": [METHOD, SCHEME, AUTHORITY, (":path", "bad")],
    "absolute path": [METHOD, SCHEME, AUTHORITY, (":path", "https://site.test/bad")],
    "empty path": [METHOD, SCHEME, AUTHORITY, (":path", "")],
    "no path": [METHOD, SCHEME, AUTHORITY],
    "no method": [SCHEME, AUTHORITY, PATH],
    "no scheme": [METHOD, AUTHORITY, PATH],
    "no authority and no host": [METHOD, SCHEME, PATH],
    "empty method": [(":method", ""), SCHEME, AUTHORITY, PATH],
    "space in the method": [(":method", "GET /smuggled HTTP/1.1"), SCHEME, AUTHORITY, PATH],
    "line feed in the method": [(":method", "GET\n"), SCHEME, AUTHORITY, PATH],
    "two methods": [METHOD, (":method", "POST"), SCHEME, AUTHORITY, PATH],
    "two paths": [*GOOD, (":path", "/other")],
    "two schemes": [METHOD, SCHEME, SCHEME, AUTHORITY, PATH],
    "two authorities": [METHOD, SCHEME, AUTHORITY, (":authority", "other.test"), PATH],
    "status": [*GOOD, (":status", "200")],
    "unknown pseudo": [*GOOD, (":unknown", "1")],
    "protocol without connect": [*GOOD, (":protocol", "websocket")],
    "pseudo after regular": [METHOD, SCHEME, AUTHORITY, ("x-a", "1"), PATH],
    "authority after regular": [METHOD, SCHEME, PATH, ("x-a", "1"), AUTHORITY],
    "authority with user": [METHOD, SCHEME, (":authority", "user@site.test"), PATH],
    "authority with a slash": [METHOD, SCHEME, (":authority", "site.test/x"), PATH],
    "authority with a space": [METHOD, SCHEME, (":authority", "site.test x"), PATH],
    "authority with a line feed": [METHOD, SCHEME, (":authority", "site.test\r\nx: y"), PATH],
    "authority list": [METHOD, SCHEME, (":authority", "site.test, other.test"), PATH],
    "two content-lengths": [*GOOD, ("content-length", "0"), ("content-length", "5")],
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_malformed_head_ends_its_stream_only(site, name):
    with site.raw_h2() as client:
        client.send(client.head(1, FIELDS[name]))
        frame = client.read_until(lambda frame: frame.stream_id == 1 or isinstance(frame, GoAwayFrame), "an answer")
        if 1 in client.heads:
            assert client.status_of(1) == 400
        else:
            assert isinstance(frame, RstStreamFrame) and frame.error_code == PROTOCOL_ERROR, frame
        client.expect_alive()
        client.send(client.head(3, client.request_fields("/marker")))
        assert client.status_of(3) == 200
    assert [seen.target for seen in site.backend.requests] == ["/marker"]
    assert site.backend.fragments == []


BODIES = {
    "longer than content-length": (5, [(b"hello", False), (b"!", True)]),
    "longer in one frame": (5, [(b"hello!", True)]),
    "shorter than content-length": (5, [(b"hell", True)]),
    "nothing of content-length": (5, [(b"", True)]),
    "something of nothing": (0, [(b"x", True)]),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_not_as_long_as_announced_is_never_whole(site, name):
    """RFC 9113 section 8.1.1."""
    length, frames = BODIES[name]
    target = "/" + name.replace(" ", "-")
    with site.raw_h2() as client:
        head = client.request_fields(target, "POST", headers=[("content-length", str(length))])
        client.send(client.head(1, head, end=False))
        client.send(*(DataFrame(1, data, flags=["END_STREAM"] if end else []) for data, end in frames))
        client.read_until(lambda frame: frame.stream_id == 1 and not isinstance(frame, WindowUpdateFrame), "an answer")
        if 1 in client.heads:
            assert client.status_of(1) in (400, 502) or (length == 0 and client.status_of(1) == 200)
        client.expect_alive()
        client.send(client.head(3, client.request_fields("/marker")))
        assert client.status_of(3) == 200
    # What was too long may have been whole at the backend before the surplus came.
    whole = [seen.body for seen in site.backend.requests if seen.target == target and seen.complete]
    assert whole in ([], [b"x"[:0] if length == 0 else b"hello"])
    assert not whole or sum(len(data) for data, _ in frames) > length


def test_a_content_length_with_the_end_in_the_head(site):
    with site.raw_h2() as client:
        client.send(client.head(1, client.request_fields("/nothing", "POST", headers=[("content-length", "5")])))
        client.expect_reset(1, PROTOCOL_ERROR)
    assert site.get(target="/marker").status == 200
    assert "/nothing" not in [seen.target for seen in site.backend.requests]


@pytest.mark.parametrize(
    "fields", [[(":path", "/x")], [("X-Upper", "1")], [("connection", "close")], [("x-a", "1\r\nx: y")]]
)
def test_malformed_trailers_end_the_stream(site, fields):
    with site.raw_h2() as client:
        client.send(client.head(1, client.request_fields("/bad", "POST"), end=False), DataFrame(1, b"body"))
        site.backend.wait_for_requests(1)
        client.send(client.head(1, fields))
        client.expect_reset(1, PROTOCOL_ERROR)
    wait_for(lambda: site.backend.open_connections == 0 or not site.backend.last.complete, what="the end")
    assert not [seen for seen in site.backend.requests if seen.complete]


def test_trailers_that_do_not_end_the_stream_are_an_error(site):
    with site.raw_h2() as client:
        client.send(client.head(1, client.request_fields("/bad", "POST"), end=False))
        client.send(client.head(1, [("x-a", "1")], end=False), DataFrame(1, b"more", flags=["END_STREAM"]))
        client.read_until(lambda frame: isinstance(frame, (RstStreamFrame, GoAwayFrame)), "the refusal")
    assert not [seen for seen in site.backend.requests if seen.complete]


def frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def opened(client, *frames):
    return [client.head(1, client.request_fields("/bad", "POST"), end=False), *frames]


# name: (what a client sends after its preface, codes of the connection error)
CONNECTION_ERRORS = {
    "DATA on no stream": (lambda client: [frame(0, 0, 0, b"x")], [PROTOCOL_ERROR]),
    "DATA on an idle stream": (lambda client: [DataFrame(1, b"x")], [PROTOCOL_ERROR, STREAM_CLOSED]),
    "HEADERS on no stream": (lambda client: [frame(1, 5, 0, client.block(GOOD))], [PROTOCOL_ERROR]),
    "HEADERS on an even stream": (lambda client: [client.head(2, GOOD)], [PROTOCOL_ERROR]),
    "PUSH_PROMISE": (lambda client: opened(client, frame(5, 4, 1, b"\x00\x00\x00\x02\x82")), [PROTOCOL_ERROR]),
    "RST_STREAM on an idle stream": (lambda client: [RstStreamFrame(1, 8)], [PROTOCOL_ERROR]),
    "RST_STREAM of 3 bytes": (lambda client: opened(client, frame(3, 0, 1, b"abc")), [FRAME_SIZE_ERROR]),
    "WINDOW_UPDATE on an idle stream": (lambda client: [WindowUpdateFrame(1, 5)], [PROTOCOL_ERROR]),
    "WINDOW_UPDATE by 0": (lambda client: [frame(8, 0, 0, b"\x00\x00\x00\x00")], [PROTOCOL_ERROR]),
    "WINDOW_UPDATE beyond": (lambda client: [WindowUpdateFrame(0, 2**31 - 1)], [FLOW_CONTROL_ERROR]),
    "WINDOW_UPDATE of 3 bytes": (lambda client: [frame(8, 0, 0, b"abc")], [FRAME_SIZE_ERROR]),
    "SETTINGS on a stream": (lambda client: [frame(4, 0, 1, b"")], [PROTOCOL_ERROR]),
    "SETTINGS of 5 bytes": (lambda client: [frame(4, 0, 0, b"abcde")], [FRAME_SIZE_ERROR]),
    "SETTINGS ACK with bytes": (lambda client: [frame(4, 1, 0, b"abcdef")], [FRAME_SIZE_ERROR]),
    "ENABLE_PUSH 2": (lambda client: [SettingsFrame(0, {2: 2})], [PROTOCOL_ERROR]),
    "INITIAL_WINDOW_SIZE beyond": (lambda client: [SettingsFrame(0, {4: 2**31})], [FLOW_CONTROL_ERROR]),
    "MAX_FRAME_SIZE too small": (lambda client: [SettingsFrame(0, {5: 100})], [PROTOCOL_ERROR]),
    "MAX_FRAME_SIZE too large": (lambda client: [SettingsFrame(0, {5: 2**24})], [PROTOCOL_ERROR]),
    "PING of 7 bytes": (lambda client: [frame(6, 0, 0, b"1234567")], [FRAME_SIZE_ERROR]),
    "PING on a stream": (lambda client: [frame(6, 0, 1, b"12345678")], [PROTOCOL_ERROR]),
    "GOAWAY on a stream": (lambda client: [frame(7, 0, 1, b"12345678")], [PROTOCOL_ERROR]),
    "an enormous frame": (lambda client: [frame(6, 0, 0, b"x" * 2**20)], [FRAME_SIZE_ERROR]),
    "a frame over the limit": (lambda client: opened(client, frame(0, 0, 1, b"x" * 2**21)), [FRAME_SIZE_ERROR, FLOW_CONTROL_ERROR]),
    "CONTINUATION first": (lambda client: [ContinuationFrame(1, client.block(GOOD), flags=["END_HEADERS"])], [PROTOCOL_ERROR]),
    "CONTINUATION after the end": (lambda client: [client.head(1), ContinuationFrame(1, b"", flags=["END_HEADERS"])], [PROTOCOL_ERROR]),
    "PING inside a head": (lambda client: [client.head(1, GOOD, end_headers=False), PingFrame(0, b"x" * 8)], [PROTOCOL_ERROR]),
    "another stream inside a head": (lambda client: [client.head(1, GOOD, end_headers=False), client.head(3)], [PROTOCOL_ERROR]),
    "padding longer than the frame": (lambda client: opened(client, frame(0, 8, 1, b"\x09hello")), [PROTOCOL_ERROR]),
    "a stream number used before": (lambda client: [client.head(5), client.head(3, GOOD)], [PROTOCOL_ERROR]),
    "HPACK index 0": (lambda client: [client.head(1, block=b"\x80")], [COMPRESSION_ERROR]),
    "HPACK index beyond the table": (lambda client: [client.head(1, block=b"\xff\xff\x03")], [COMPRESSION_ERROR]),
    "HPACK endless number": (lambda client: [client.head(1, block=b"\xff" * 20)], [COMPRESSION_ERROR]),
    "HPACK string beyond the block": (lambda client: [client.head(1, block=b"\x00\x7f\xff\xff\xff\x0fab")], [COMPRESSION_ERROR]),
    "HPACK bad Huffman code": (lambda client: [client.head(1, block=b"\x00\x84\xff\xff\xff\xff\x01x")], [COMPRESSION_ERROR]),
    "HPACK table larger than allowed": (lambda client: [client.head(1, block=b"\x3f\xff\xff\x7f")], [COMPRESSION_ERROR]),
    "HPACK table size after a field": (lambda client: [client.head(1, block=b"\x82\x3f\x01")], [COMPRESSION_ERROR]),
}


@pytest.mark.parametrize("name", CONNECTION_ERRORS)
def test_a_connection_error_ends_the_connection(site, name):
    """GOAWAY with one of the codes, and the end; what had come before is not whole at the backend."""
    frames, codes = CONNECTION_ERRORS[name]
    with site.raw_h2(tls=False) as client:
        try:
            client.send(*frames(client))
        except OSError:
            pass
        assert client.expect_refused(*codes) in (*codes, None)
    with site.h2() as client:
        exactly(client.ask(path="/marker"), 200, b"main")
    assert "/bad" not in [seen.target for seen in site.backend.requests if seen.complete]


@pytest.mark.parametrize("size", [0, 2**31 - 1], ids=["by 0", "beyond"])
def test_a_window_error_on_a_stream_ends_it(site, size):
    """A stream error, which may be taken for one of the connection (RFC 9113 section 5.4.2)."""
    with site.raw_h2() as client:
        client.send(*opened(client, frame(8, 0, 1, size.to_bytes(4, "big"))))
        end = client.read_until(lambda one: isinstance(one, (RstStreamFrame, GoAwayFrame)), "the refusal")
        assert end.error_code == (FLOW_CONTROL_ERROR if size else PROTOCOL_ERROR)


def test_more_data_than_the_window_is_a_flow_control_error(site):
    """A client that ignores the windows is not buffered for."""
    done = threading.Event()

    def handler(exchange):
        exchange.ended = True
        done.wait(30)

    site.backend.handler = handler
    errors = (RstStreamFrame, GoAwayFrame)
    try:
        with site.raw_h2() as client:
            client.send(*opened(client))
            site.backend.wait_for_requests(1)
            for _ in range(100):
                client.send(*[DataFrame(1, b"x" * 16384)] * 10, PingFrame(0, b"how far?"))
                end = client.read_until(lambda one: isinstance(one, (PingFrame, *errors)), "an answer")
                if isinstance(end, errors):
                    break
            assert isinstance(end, errors), "16 MB were taken although nobody read them"
            # Sockets on the way to the backend may have taken in more than the limit of a body.
            too_much = 1 in client.heads and client.status_of(1) == 413
            assert end.error_code in (FLOW_CONTROL_ERROR, STREAM_CLOSED) or too_much
    finally:
        done.set()


def test_a_tls_client_may_not_renegotiate_the_version(site):
    """A frame header that reads like HTTP/1.1 is an enormous frame and nothing else."""
    with RawClient.tls(site.cppx.https_port, "site.test") as client:
        client.wire.send(b"GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
        client.expect_refused(FRAME_SIZE_ERROR, PROTOCOL_ERROR)
    site.expect_untouched()
