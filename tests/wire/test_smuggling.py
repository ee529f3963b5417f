"""Requests that are not what HTTP/1.1 allows: refused, the connection closed, nothing passed on."""

import pytest

from support.client import request
from support.wire import Truncated

HOST = b"Host: site.test\r\n"
GET = b"GET /bad HTTP/1.1\r\n" + HOST
POST = b"POST /bad HTTP/1.1\r\n" + HOST
CHUNKED = b"Transfer-Encoding: chunked\r\n"
EMPTY_CHUNKS = b"0\r\n\r\n"

# name: (bytes, statuses)
HEADS = {
    "content-length and chunked": (POST + b"Content-Length: 6\r\n" + CHUNKED + b"\r\n" + EMPTY_CHUNKS, {400}),
    "chunked and content-length": (POST + CHUNKED + b"Content-Length: 5\r\n\r\n" + EMPTY_CHUNKS, {400}),
    "two different content-lengths": (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", {400}),
    "two equal content-lengths": (POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", {400}),
    "content-length list": (POST + b"Content-Length: 5, 5\r\n\r\nhello", {400}),
    "content-length with plus": (POST + b"Content-Length: +5\r\n\r\nhello", {400}),
    "content-length with minus": (POST + b"Content-Length: -5\r\n\r\nhello", {400}),
    "content-length in hex": (POST + b"Content-Length: 0x5\r\n\r\nhello", {400}),
    "content-length with a letter": (POST + b"Content-Length: 5a\r\n\r\nhello", {400}),
    "content-length with a space inside": (POST + b"Content-Length: 1 5\r\n\r\nhello", {400}),
    "empty content-length": (POST + b"Content-Length:\r\n\r\n", {400}),
    "content-length with a fraction": (POST + b"Content-Length: 5.0\r\n\r\nhello", {400}),
    "unknown transfer-encoding": (POST + b"Transfer-Encoding: foo\r\n\r\n", {501}),
    "gzip, chunked": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + EMPTY_CHUNKS, {501}),
    "identity": (POST + b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello", {400, 501}),
    "xchunked": (POST + b"Transfer-Encoding: xchunked\r\n\r\n" + EMPTY_CHUNKS, {400, 501}),
    "chunkedx": (POST + b"Transfer-Encoding: chunkedx\r\n\r\n" + EMPTY_CHUNKS, {400, 501}),
    "chunked not last": (POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + EMPTY_CHUNKS, {400, 501}),
    "chunked twice": (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + EMPTY_CHUNKS, {400, 501}),
    "two transfer-encoding lines": (POST + CHUNKED + CHUNKED + b"\r\n" + EMPTY_CHUNKS, {400, 501}),
    "identity then chunked lines": (POST + b"Transfer-Encoding: identity\r\n" + CHUNKED + b"\r\n" + EMPTY_CHUNKS, {400, 501}),
    "quoted chunked": (POST + b'Transfer-Encoding: "chunked"\r\n\r\n' + EMPTY_CHUNKS, {400, 501}),
    "empty transfer-encoding": (POST + b"Transfer-Encoding:\r\nContent-Length: 5\r\n\r\nhello", {400, 501}),
    "vertical tab before chunked": (POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + EMPTY_CHUNKS, {400, 501}),
    "chunked on http/1.0": (b"POST /bad HTTP/1.0\r\n" + HOST + CHUNKED + b"\r\n" + EMPTY_CHUNKS, {400, 501}),
    "space before colon": (GET + b"X-A : 1\r\n\r\n", {400}),
    "space before colon of transfer-encoding": (POST + b"Transfer-Encoding : chunked\r\n\r\n" + EMPTY_CHUNKS, {400}),
    "space before colon of content-length": (POST + b"Content-Length : 5\r\n\r\nhello", {400}),
    "tab before colon": (GET + b"X-A\t: 1\r\n\r\n", {400}),
    "obs-fold": (GET + b"X-A: 1\r\n 2\r\n\r\n", {400}),
    "obs-fold with tab": (GET + b"X-A: 1\r\n\t2\r\n\r\n", {400}),
    "obs-fold after an empty first line": (GET + b"X-A:\r\n 1\r\n\r\n", {400}),
    "obs-fold of content-length": (POST + b"Content-Length:\r\n 5\r\n\r\nhello", {400}),
    "obs-fold of host": (b"GET /bad HTTP/1.1\r\nHost:\r\n site.test\r\n\r\n", {400}),
    "obs-fold of transfer-encoding": (POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + EMPTY_CHUNKS, {400}),
    "first line folded": (b"GET /bad HTTP/1.1\r\n X-A: 1\r\n" + HOST + b"\r\n", {400}),
    "line feed ends the request line": (b"GET /bad HTTP/1.1\n" + HOST + b"\r\n", {400}),
    "line feed ends a header": (GET + b"X-A: 1\nX-B: 2\r\n\r\n", {400}),
    "line feeds only": (b"GET /bad HTTP/1.1\nHost: site.test\n\n", {400}),
    "line feed ends the head": (GET + b"X-A: 1\r\n\n", {400}),
    "carriage return inside a value": (GET + b"X-A: 1\rX-B: 2\r\n\r\n", {400}),
    "carriage return ends a header": (GET + b"X-A: 1\rTransfer-Encoding: chunked\r\n\r\n", {400}),
    "carriage return in front": (b"\r" + GET + b"\r\n", {400}),
    "carriage return before an empty line": (b"\r\r\n" + GET + b"\r\n", {400}),
    "line feed in front": (b"\n" + GET + b"\r\n", {400}),
    "nul in a value": (GET + b"X-A: 1\x002\r\n\r\n", {400}),
    "nul in a name": (GET + b"X\x00A: 1\r\n\r\n", {400}),
    "nul in the target": (b"GET /b\x00d HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "control character in a value": (GET + b"X-A: \x01\r\n\r\n", {400}),
    "delete character in a value": (GET + b"X-A: \x7f\r\n\r\n", {400}),
    "no colon": (GET + b"X-A\r\n\r\n", {400}),
    "empty name": (GET + b": 1\r\n\r\n", {400}),
    "name with a bracket": (GET + b"X(A): 1\r\n\r\n", {400}),
    "name with a high byte": (GET + b"X-\xe4: 1\r\n\r\n", {400}),
    "no host": (b"GET /bad HTTP/1.1\r\n\r\n", {400}),
    "two hosts": (GET + b"Host: other.test\r\n\r\n", {400}),
    "two equal hosts": (GET + HOST + b"\r\n", {400}),
    "host list": (b"GET /bad HTTP/1.1\r\nHost: site.test, other.test\r\n\r\n", {400}),
    "host with a space": (b"GET /bad HTTP/1.1\r\nHost: site.test x\r\n\r\n", {400}),
    "host with a slash": (b"GET /bad HTTP/1.1\r\nHost: site.test/x\r\n\r\n", {400}),
    "host with user": (b"GET /bad HTTP/1.1\r\nHost: user@site.test\r\n\r\n", {400}),
    "host with a bad port": (b"GET /bad HTTP/1.1\r\nHost: site.test:8x\r\n\r\n", {400}),
    "empty host": (b"GET /bad HTTP/1.1\r\nHost:\r\n\r\n", {400, 404}),
    "connect": (b"CONNECT site.test:80 HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "trace": (b"TRACE /bad HTTP/1.1\r\n" + HOST + b"\r\n", {405}),
    "long request line": (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", {414}),
    "very long request line": (b"GET /" + b"x" * 100_000, {414}),
    "large head": (GET + b"".join(b"X-%d: %s\r\n" % (n, b"v" * 1000) for n in range(40)) + b"\r\n", {431}),
    "large header": (GET + b"X-A: " + b"v" * 40_000 + b"\r\n\r\n", {431}),
    "endless header": (GET + b"X-A: " + b"v" * 200_000, {431}),
    "very many headers": (GET + b"a:\r\n" * 12_000 + b"\r\n", {431}),
    "asterisk with get": (b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "target without slash": (b"GET bad HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "authority form with get": (b"GET site.test:80 HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "unknown scheme": (b"GET ftp://site.test/bad HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "absolute form without host": (b"GET http:///bad HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "absolute form with user": (b"GET http://user@site.test/bad HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "space in the target": (b"GET /bad x HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "tab instead of a space": (b"GET\t/bad\tHTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "space after the version": (b"GET /bad HTTP/1.1 \r\n" + HOST + b"\r\n", {400, 505}),
    "space before the method": (b" GET /bad HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "method with a bracket": (b"G(T /bad HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "fragment": (b"GET /bad#x HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "version 1.10": (b"GET /bad HTTP/1.10\r\n" + HOST + b"\r\n", {400, 505}),
    "version 2.0": (b"GET /bad HTTP/2.0\r\n" + HOST + b"\r\n", {400, 505}),
    "version 3": (b"GET /bad HTTP/3\r\n" + HOST + b"\r\n", {400, 505}),
    "version 0.9": (b"GET /bad HTTP/0.9\r\n" + HOST + b"\r\n", {400, 505}),
    "lower case version": (b"GET /bad http/1.1\r\n" + HOST + b"\r\n", {400, 505}),
    "version without point": (b"GET /bad HTTP/11\r\n" + HOST + b"\r\n", {400, 505}),
    "another protocol": (b"GET /bad ICE/1.0\r\n" + HOST + b"\r\n", {400, 505}),
    "source": (b"SOURCE /bad ICE/1.0\r\n" + HOST + b"\r\n", {400, 505}),
    "rtsp": (b"OPTIONS rtsp://site.test/ RTSP/1.0\r\nCSeq: 1\r\n\r\n", {400, 505}),
    "response as request": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", {400}),
    "random bytes": (bytes(range(128, 256)) + b"\r\n\r\n", {400}),
    "tls on the plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500, {400}),
}


def answer_to(site, raw):
    """Status of the answer, None when the connection was closed without one; checks that it is closed after."""
    with site.connect() as connection:
        try:
            connection.send(raw)
        except OSError:
            pass
        try:
            response = connection.read_response(raw.split(b" ", 1)[0].decode("latin-1"))
        except Truncated as end:
            assert end.data == b"" or end.reset
            return None
        connection.expect_closed()
        assert response.headers.one("Connection") == "close"
        return response.status


@pytest.mark.parametrize("name", HEADS)
def test_refused_head(site, name):
    raw, statuses = HEADS[name]
    assert answer_to(site, raw) in statuses
    site.expect_untouched()


@pytest.mark.parametrize("name", HEADS)
def test_refused_head_followed_by_another_request(site, name):
    """What follows in the same packet is never answered nor passed on."""
    raw, statuses = HEADS[name]
    assert answer_to(site, raw + request(target="/smuggled")) in statuses
    site.expect_untouched()


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /\r\n",
        b"GET /\r\n\r\n",
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        b"\x00\x00\x00\x00\r\n\r\n",
        b"{}\r\n\r\n",
        b"QUIT\r\n",
    ],
)
def test_what_is_not_http_11_is_refused_or_closed(site, raw):
    with site.connect() as connection:
        connection.send(raw)
        connection.finish_sending()
        try:
            data = connection.read_to_end()
        except Truncated as end:
            data = end.data
    assert data == b"" or data.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505", b"\x00\x00"))
    site.expect_untouched()


def test_empty_lines_in_front_are_skipped(site):
    with site.connect() as connection:
        for _ in range(2):
            assert connection.ask(request("POST", body=b"hello")).status == 200
            connection.send(b"\r\n\r")
            connection.send(b"\n")
    assert [seen.body for seen in site.backend.requests] == [b"hello"] * 2


BODIES = {
    "size is not hex": b"xyz\r\nhello\r\n0\r\n\r\n",
    "empty size": b"\r\nhello\r\n0\r\n\r\n",
    "size with 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "negative size": b"-5\r\nhello\r\n0\r\n\r\n",
    "size with plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "size after a space": b" 5\r\nhello\r\n0\r\n\r\n",
    "space after the size": b"5 \r\nhello\r\n0\r\n\r\n",
    "more after a space": b"5 x\r\nhello\r\n0\r\n\r\n",
    "size beyond 64 bits": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "size of 40 digits": b"f" * 40 + b"\r\nhello\r\n0\r\n\r\n",
    "line feed after the size": b"5\nhello\r\n0\r\n\r\n",
    "line feed after the data": b"5\r\nhello\n0\r\n\r\n",
    "carriage return after the size": b"5\rhello\r\n0\r\n\r\n",
    "nothing after the data": b"5\r\nhello0\r\n\r\n",
    "data longer than the size": b"5\r\nhello world\r\n0\r\n\r\n",
    "line feed in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "carriage return in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "nul in an extension": b"5;a\x00b\r\nhello\r\n0\r\n\r\n",
    "endless extension": b"5;" + b"a" * 100_000,
    "line feed after the last chunk": b"5\r\nhello\r\n0\n\r\n",
    "line feed ends the body": b"5\r\nhello\r\n0\r\n\n",
    "bad trailer": b"5\r\nhello\r\n0\r\nX A: 1\r\n\r\n",
    "space before the colon of a trailer": b"5\r\nhello\r\n0\r\nX-A : 1\r\n\r\n",
    "folded trailer": b"5\r\nhello\r\n0\r\nX-A: 1\r\n 2\r\n\r\n",
    "line feed in a trailer": b"5\r\nhello\r\n0\r\nX-A: 1\nX-B: 2\r\n\r\n",
    "large trailers": b"5\r\nhello\r\n0\r\n" + b"X-A: %s\r\n" % (b"v" * 1000) * 100 + b"\r\n",
}


@pytest.mark.parametrize("pause", [False, True], ids=["at once", "after the head"])
@pytest.mark.parametrize("name", BODIES)
def test_refused_chunked_body(site, name, pause):
    """The head may have gone to the backend; the request must never become complete there."""
    with site.connect() as connection:
        head = request("POST", "/bad", headers=[("Transfer-Encoding", "chunked")])
        if pause:
            connection.send(head)
            site.backend.wait_for_requests(1)
            head = b""
        try:
            connection.send(head + BODIES[name] + request(target="/smuggled"))
        except OSError:
            pass
        try:
            assert connection.read_response("POST").status in (400, 413, 431)
            connection.expect_closed()
        except Truncated as end:
            assert end.data == b"" or end.reset
    assert site.get(target="/marker").status == 200
    assert [seen.target for seen in site.backend.requests if seen.complete] == ["/marker"]
    assert "/smuggled" not in [seen.target for seen in site.backend.requests]


def test_a_body_cannot_become_a_request(site):
    inner = b"GET /smuggled HTTP/1.1\r\nHost: site.test\r\n\r\n"
    with site.connect() as connection:
        for _ in range(5):
            assert connection.ask(request("POST", "/outer", body=inner)).status == 200
            assert connection.ask(request("GET", "/outer", body=inner)).status == 200
    assert {seen.target for seen in site.backend.requests} == {"/outer"}
    assert {seen.body for seen in site.backend.requests} == {inner}


@pytest.mark.parametrize("line", [b"GET  /spaces HTTP/1.1", b"GET /spaces  HTTP/1.1"])
def test_more_spaces_in_the_request_line_are_refused_or_made_one(site, line):
    """RFC 9112 section 3 allows both."""
    with site.connect() as connection:
        response = connection.ask(line + b"\r\n" + HOST + b"\r\n")
    assert response.status in (200, 400)
    lines = [seen.raw_head.split(b"\r\n")[0] for seen in site.backend.requests]
    assert lines == ([b"GET /spaces HTTP/1.1"] if response.status == 200 else [])


def test_underscores_cannot_smuggle_framing(site):
    raw = POST + b"Content_Length: 50\r\nTransfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello"
    assert site.ask(raw).status == 200
    assert site.backend.last.body == b"hello"
    assert not site.backend.last.headers.has("Content_Length")


def test_refused_over_https_as_well(site):
    for name in ("content-length and chunked", "space before colon", "two hosts", "trace"):
        raw, statuses = HEADS[name]
        with site.connect_tls("site.test") as connection:
            assert connection.ask(raw).status in statuses
            connection.expect_closed()
    site.expect_untouched()
