"""Responses over HTTP/2 of backends on HTTP/1.1."""

import email.utils
import threading
import time

import pytest

from support.backend import sends
from support.client import request
from support.h2 import Reset, exactly
from support.wire import chunk, chunked

HSTS = "max-age=31536000; includeSubDomains"


@pytest.fixture
def client(site):
    with site.h2() as client:
        yield client


def test_headers_are_passed_in_lower_case_with_order_and_duplicates(site, client):
    mine = [
        ("x-a", "1"),
        ("Set-Cookie", "a=b; Path=/"),
        ("X-A", "2"),
        ("SET-COOKIE", "c=d"),
        ("Location", "http://internal:8080/x"),
        ("X-Empty", ""),
        ("X_Underscore", "kept"),
        ("X-Latin", "caf\xe9"),
    ]
    lower = [(name.lower(), value) for name, value in mine]
    site.backend.handler = lambda exchange: exchange.reply(headers=mine)
    assert [pair for pair in client.ask().headers if pair in lower] == lower


@pytest.mark.parametrize(
    ("raw", "close"),
    [
        (b"Connection: close, X-Hop\r\nX-Hop: 1\r\nContent-Length: 2\r\n\r\nok", True),
        (b"Keep-Alive: timeout=5\r\nProxy-Connection: x\r\nTE: gzip\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nok", False),
        (b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"ok"), False),
        (b"Connection: keep-alive\r\n\r\nok", True),
    ],
)
def test_connection_specific_fields_stay_behind(site, client, raw, close):
    site.backend.handler = sends(b"HTTP/1.1 200 OK\r\n" + raw, close)
    for _ in range(3):
        stream = client.ask()
        exactly(stream, 200, b"ok")
        names = {name for name, _ in stream.headers}
        assert not names & {
            "connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade", "x-hop"
        }


def test_nothing_is_added_but_date(site, client):
    site.backend.handler = lambda exchange: exchange.reply(headers=[("Server", "secret/1.2")], body=b"x")
    stream = client.ask()
    assert {name for name, _ in stream.headers} == {"date", "content-length", "strict-transport-security"}
    assert abs(email.utils.parsedate_to_datetime(stream.headers.one("date")).timestamp() - time.time()) < 60


def test_strict_transport_security_only_on_https(site, client):
    site.backend.handler = lambda exchange: exchange.reply(headers=[("Strict-Transport-Security", "max-age=1")])
    assert client.ask(host="secure.test").headers.all("strict-transport-security") == [HSTS]
    with site.h2(tls=False) as plain:
        assert plain.ask().headers.all("strict-transport-security") == ["max-age=1"]


@pytest.mark.parametrize("status", [200, 201, 299, 301, 404, 418, 500, 599])
def test_status(site, client, status):
    site.backend.handler = lambda exchange: exchange.reply(status=status, body=b"body", reason="Fine By Me")
    exactly(client.ask(), status, b"body")


@pytest.mark.parametrize("raw", [b"Content-Length: 5\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n", b"\r\n"])
def test_head_has_no_body(site, client, raw):
    site.backend.handler = sends(b"HTTP/1.1 200 OK\r\n" + raw, close=True)
    for _ in range(3):
        stream = client.ask("HEAD")
        exactly(stream, 200, b"")
        assert stream.headers.all("content-length") == (["5"] if b"Length" in raw else [])


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("raw", [b"", b"Content-Length: 5\r\n"])
def test_statuses_without_body(site, client, status, raw):
    site.backend.handler = sends(b"HTTP/1.1 %d X\r\n%sETag: \"a\"\r\n\r\n" % (status, raw))
    for _ in range(3):
        stream = client.ask()
        exactly(stream, status, b"")
        assert stream.headers.one("etag") == '"a"'


@pytest.mark.parametrize(
    ("raw", "close"),
    [
        (b"Content-Length: 0\r\n\r\n", False),
        (b"Content-Length: 10\r\n\r\n0123456789", False),
        (b"Transfer-Encoding: chunked\r\n\r\n" + chunked(), False),
        (b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"0", b"123456789"), False),
        (b"\r\n", True),
        (b"\r\n0123456789", True),
    ],
    ids=["no length", "length", "no chunks", "chunks", "closed at once", "closed"],
)
def test_every_framing_of_a_backend_ends_the_stream(site, client, raw, close):
    site.backend.handler = sends(b"HTTP/1.1 200 OK\r\n" + raw, close)
    for _ in range(3):
        exactly(client.ask(), 200, b"0123456789" if b"123456789" in raw else b"")


@pytest.mark.parametrize("pieces", [(b"body",), ()])
def test_trailers_become_trailers(site, client, pieces):
    end = chunked(*pieces, trailers=[("X-Checksum", "abc"), ("x-more", "1")])
    site.backend.handler = sends(b"HTTP/1.1 200 OK\r\nTrailer: X-Checksum\r\nTransfer-Encoding: chunked\r\n\r\n" + end)
    stream = client.ask()
    exactly(stream, 200, b"".join(pieces))
    assert stream.trailers == [("x-checksum", "abc"), ("x-more", "1")]


@pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding", "Connection", "Set-Cookie", ":status"])
def test_trailers_that_may_not_be_are_left_out(site, client, name):
    end = b"4\r\nbody\r\n0\r\n" + name.encode() + b": 7\r\nX-Good: 1\r\n\r\n"
    site.backend.handler = sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + end)
    try:
        stream = client.ask()
    except Reset:  # A trailer that is no field name makes the whole message malformed.
        assert name == ":status"
        return
    exactly(stream, 200, b"body")
    assert name == "Set-Cookie" or not (stream.trailers or []) or not stream.trailers.has(name)


def test_early_hints_come_before_the_final_response_is_there(site, client):
    go_on = threading.Event()

    def handler(exchange):
        exchange.send(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nLink: </b.js>\r\n\r\n")
        assert go_on.wait(20), "the client did not see the hint"
        exchange.reply(body=b"done")

    site.backend.handler = handler
    stream = client.start()
    client.wait_until(lambda: len(stream.interim) == 2, "the hints")
    assert [status for status, _ in stream.interim] == [102, 103]
    assert stream.interim[1][1].all("link") == ["</a.css>", "</b.js>"]
    go_on.set()
    exactly(client.finish(stream), 200, b"done")


def test_a_continue_of_the_backend_is_not_taken_for_the_answer(site, client):
    def handler(exchange):
        exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        exchange.read_body()
        exchange.reply(body=b"done")

    site.backend.handler = handler
    exactly(client.ask("POST", body=b"x"), 200, b"done")


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nX A: 1\r\n\r\n",
        b"",
    ],
)
def test_a_bad_answer_is_502(site, client, raw):
    site.backend.handler = sends(raw, close=True)
    stream = client.ask("POST", body=b"x")
    assert (stream.status, "502 Bad Gateway" in stream.text) == (502, True)
    site.backend.clear()
    exactly(client.ask(), 200, b"main")


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_a_body_is_streamed(site, client, framing):
    """The client has each piece before the backend sends the next one."""
    step = threading.Semaphore(0)
    heads = {"chunked": b"Transfer-Encoding: chunked\r\n", "length": b"Content-Length: 50\r\n", "close": b""}
    wrap = chunk if framing == "chunked" else bytes

    def handler(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\n" + heads[framing] + b"\r\n")
        for number in range(10):
            assert step.acquire(timeout=20)
            exchange.send(wrap(b"five%d" % number))
        if framing == "chunked":
            exchange.send(b"0\r\n\r\n")
        if framing == "close":
            exchange.close()

    site.backend.handler = handler
    stream = client.head(client.start())
    for number in range(10):
        assert not stream.ended
        step.release()
        client.wait_until(lambda: len(stream.body) >= 5 * (number + 1), f"piece {number}")
    exactly(client.finish(stream), 200, b"".join(b"five%d" % number for number in range(10)))


def test_the_body_is_the_same_over_both_versions(site, client):
    body = bytes(range(256)) * 1000
    site.backend.handler = lambda exchange: exchange.reply(headers=[("Content-Type", "image/x"), ("ETag", '"1"')], body=body)
    newer, older = client.ask(host="secure.test"), site.ask_tls(request(host="secure.test"))
    assert bytes(newer.body) == older.body == body
    differ = ("date", "connection")
    assert [pair for pair in newer.headers if pair[0] not in differ] == [
        (name.lower(), value) for name, value in older.headers if name.lower() not in differ
    ]
