"""Answers of a backend that are not what HTTP/1.1 allows: 502, and the backend's connection is given up."""

import pytest

from support.backend import answer, sends
from support.client import request
from support.wire import Truncated

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

HEADS = {
    "not http at all": b"hello world\r\n\r\n",
    "binary": bytes(range(256)),
    "a mail server": b"220 mail.test ESMTP\r\n",
    "http/0.9": b"<html>old</html>",
    "http/2 settings": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64",
    "a request": b"GET / HTTP/1.1\r\nHost: site.test\r\n\r\n",
    "nothing": b"",
    "half a status line": b"HTTP/1.1 20",
    "half a head": OK + b"X-A: 1\r\n",
    "version 2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "version 1.10": b"HTTP/1.10 200 OK\r\nContent-Length: 0\r\n\r\n",
    "lower case version": b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "status of two digits": b"HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 High\r\nContent-Length: 0\r\n\r\n",
    "status 000": b"HTTP/1.1 000 Zero\r\nContent-Length: 0\r\n\r\n",
    "status in letters": b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
    "negative status": b"HTTP/1.1 -20 OK\r\nContent-Length: 0\r\n\r\n",
    "content-length and chunked": OK + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "two different content-lengths": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "content-length list": OK + b"Content-Length: 5, 6\r\n\r\nhello!",
    "negative content-length": OK + b"Content-Length: -5\r\n\r\nhello",
    "content-length in letters": OK + b"Content-Length: five\r\n\r\nhello",
    "content-length beyond 64 bits": OK + b"Content-Length: 18446744073709551621\r\n\r\nhello",
    "unknown transfer-encoding": OK + b"Transfer-Encoding: gzip\r\n\r\nhello",
    "gzip, chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked twice": OK + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n",
    "space before colon": OK + b"X-A : 1\r\nContent-Length: 0\r\n\r\n",
    "obs-fold after an empty first line": OK + b"X-A:\r\n 2\r\nContent-Length: 0\r\n\r\n",
    "obs-fold of transfer-encoding": OK + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "obs-fold": OK + b"X-A: 1\r\n 2\r\nContent-Length: 0\r\n\r\n",
    "nul in a value": OK + b"X-A: 1\x002\r\nContent-Length: 0\r\n\r\n",
    "carriage return in a value": OK + b"X-A: 1\rX-B: 2\r\nContent-Length: 0\r\n\r\n",
    "line feed ends a header": OK + b"X-A: 1\nX-B: 2\r\nContent-Length: 0\r\n\r\n",
    "another protocol": b"ICE/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "rtsp": b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "line feed ends the head": OK + b"Content-Length: 0\r\n\n",
    "line feed ends the status line": b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
    "no colon": OK + b"X-A\r\nContent-Length: 0\r\n\r\n",
    "empty name": OK + b": 1\r\nContent-Length: 0\r\n\r\n",
    "space in a name": OK + b"X A: 1\r\nContent-Length: 0\r\n\r\n",
    "large head": OK + b"".join(b"X-%d: %s\r\n" % (n, b"v" * 1000) for n in range(70)) + b"Content-Length: 0\r\n\r\n",
    "endless head": OK + b"X-A: " + b"v" * 300_000,
    "unasked switch of protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "interim and then nothing": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "interim and then nonsense": b"HTTP/1.1 103 Early Hints\r\n\r\nnonsense\r\n\r\n",
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("name", HEADS)
def test_a_bad_response_head_is_502(site, name, method):
    site.backend.handler = sends(HEADS[name], close=True)
    with site.connect() as connection:
        body = None if method == "GET" else b"x"
        response = connection.ask(request(method, body=body))
        assert (response.status, "502 Bad Gateway" in response.text) == (502, True)
        # The client did nothing wrong: its connection goes on, and the next answer is a good one.
        site.backend.clear()
        assert connection.ask(request()).body == b"main"


CUT_SHORT = ("nothing", "half a status line", "half a head", "interim and then nothing", "binary", "http/2 settings")


@pytest.mark.parametrize("name", [name for name in HEADS if name not in CUT_SHORT])
def test_a_connection_with_a_bad_response_is_not_used_again(site, name):
    site.backend.handler = sends(HEADS[name] + b"\r\n\r\n")
    site.backend.close_connections()
    with site.connect() as connection:
        assert connection.ask(request("POST", body=b"x")).status == 502
        bad = site.backend.last.connection
        site.backend.handler = answer
        assert connection.ask(request("POST", body=b"x")).body == b"main"
        assert site.backend.last.connection != bad


CHUNKS = {
    "size is not hex": b"xyz\r\nhello\r\n0\r\n\r\n",
    "empty size": b"\r\nhello\r\n0\r\n\r\n",
    "negative size": b"-5\r\nhello\r\n0\r\n\r\n",
    "size after a space": b" 5\r\nhello\r\n0\r\n\r\n",
    "more after a space": b"5 x\r\nhello\r\n0\r\n\r\n",
    "size beyond 64 bits": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "line feed after the size": b"5\nhello\r\n0\r\n\r\n",
    "nothing after the data": b"5\r\nhello0\r\n\r\n",
    "data longer than the size": b"5\r\nhello world\r\n0\r\n\r\n",
    "line feed in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "endless extension": b"5;" + b"a" * 100_000,
    "bad trailer": b"5\r\nhello\r\n0\r\nX A: 1\r\n\r\n",
    "folded trailer": b"5\r\nhello\r\n0\r\nX-A: 1\r\n 2\r\n\r\n",
    "line feed in a trailer": b"5\r\nhello\r\n0\r\nX-A: 1\nX-B: 2\r\n\r\n",
    "large trailers": b"5\r\nhello\r\n0\r\n" + b"X-A: %s\r\n" % (b"v" * 1000) * 200 + b"\r\n",
}


@pytest.mark.parametrize("name", CHUNKS)
def test_a_bad_chunk_never_looks_complete(site, name):
    """502 when nothing was sent yet, a cut message otherwise."""
    site.backend.handler = sends(OK + CHUNKED + b"\r\n" + CHUNKS[name])
    with site.connect() as connection:
        connection.send(request("POST", body=b"x"))
        try:
            response = connection.read_response("POST")
            assert response.status == 502
        except Truncated:
            pass
    site.backend.clear()
    assert site.get().body == b"main"


@pytest.mark.parametrize("name", ["not http at all", "content-length and chunked", "large head"])
def test_a_bad_response_is_not_remembered(site, name):
    site.backend.handler = sends(HEADS[name], close=True)
    assert site.ask(request("POST", body=b"x")).status == 502
    site.backend.clear()
    assert [site.get().status for _ in range(10)] == [200] * 10
