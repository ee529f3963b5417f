"""The response head as the client sees it, and framing of responses."""

import email.utils
import time

import pytest

from support.backend import sends
from support.client import request
from support.wire import chunked

HSTS = "max-age=31536000; includeSubDomains"


def scripted(site, raw, close=False):
    site.backend.handler = sends(raw, close)


def test_the_backends_headers_are_passed_with_order_case_and_duplicates(site):
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
    site.backend.handler = lambda exchange: exchange.reply(headers=mine)
    headers = site.get().headers
    assert [pair for pair in headers if pair in mine] == mine


def test_server_is_removed(site):
    scripted(site, b"HTTP/1.1 200 OK\r\nServer: secret/1.2\r\nContent-Length: 0\r\n\r\n")
    assert not site.get().headers.has("Server")


@pytest.mark.parametrize("date", [b"", b"Date: Mon, 01 Jan 2001 00:00:00 GMT\r\n", b"Date: x\r\nDate: y\r\n"])
def test_date_is_the_proxys_own(site, date):
    scripted(site, b"HTTP/1.1 200 OK\r\n" + date + b"Content-Length: 0\r\n\r\n")
    text = site.get().headers.one("Date")
    assert text.endswith(" GMT")
    assert abs(email.utils.parsedate_to_datetime(text).timestamp() - time.time()) < 60


@pytest.mark.parametrize("name", ["X-Pad", "X-Accel-Redirect", "X-Accel-Buffering", "X-Accel-Expires", "X-Accel-Charset"])
def test_headers_meant_for_the_proxy_are_hidden(site, name):
    site.backend.handler = lambda exchange: exchange.reply(headers=[(name, "no")], body=b"body")
    response = site.get()
    assert (response.status, response.body) == (200, b"body")
    assert not response.headers.has(name)


@pytest.mark.parametrize("name", ["Keep-Alive", "Proxy-Connection", "TE", "Upgrade"])
def test_hop_by_hop_headers_are_removed(site, name):
    site.backend.handler = lambda exchange: exchange.reply(headers=[(name, "x")])
    assert not site.get().headers.has(name)


@pytest.mark.parametrize("headers", [[], [("Connection", "upgrade"), ("Upgrade", "other")]], ids=["plain", "upgrade"])
def test_a_426_says_what_to_upgrade_to(site, headers):
    """RFC 9110 15.5.22. HTTP/2 has no Upgrade."""
    fields = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    scripted(site, b"HTTP/1.1 426 Upgrade Required\r\n" + fields + b"Content-Length: 2\r\n\r\nno")
    with site.connect() as connection:
        for _ in range(2):
            response = connection.ask(request(headers=headers))
            assert (response.status, response.body) == (426, b"no")
            assert response.headers.one("Upgrade") == "websocket"
            assert "upgrade" in [option.strip().lower() for option in response.headers.one("Connection").split(",")]
    with site.h2() as client:
        stream = client.ask()
        assert (stream.status, stream.headers.one("sec-websocket-version")) == (426, "13")
        assert not stream.headers.has("upgrade") and not stream.headers.has("connection")


def test_nothing_is_added(site):
    site.backend.handler = lambda exchange: exchange.reply(body=b"x")
    names = {name.lower() for name in site.get().headers.names()}
    assert names <= {"date", "content-length", "connection"}


def test_connection_close_of_the_backend_does_not_close_the_client(site):
    scripted(site, b"HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nContent-Length: 2\r\n\r\nab", close=True)
    with site.connect() as connection:
        for _ in range(5):
            response = connection.ask(request())
            assert response.body == b"ab"
            assert "close" not in (response.headers.one("Connection") or "")
            assert not response.headers.has("X-Hop")


def test_strict_transport_security_only_on_https(site):
    assert not site.get().headers.has("Strict-Transport-Security")
    assert site.ask_tls(request(host="secure.test")).headers.one("Strict-Transport-Security") == HSTS


def test_strict_transport_security_replaces_the_backends(site):
    mine = [("strict-transport-security", "max-age=1"), ("Strict-Transport-Security", "max-age=2")]
    site.backend.handler = lambda exchange: exchange.reply(headers=mine)
    assert site.ask_tls(request(host="secure.test")).headers.one("Strict-Transport-Security") == HSTS
    assert site.get().headers.all("Strict-Transport-Security") == ["max-age=1", "max-age=2"]


@pytest.mark.parametrize("status", [500, 404, 301])
def test_strict_transport_security_on_errors_of_the_backend_and_with_the_default_certificate(site, status):
    site.backend.handler = lambda exchange: exchange.reply(status=status)
    response = site.ask_tls(request(host="site.test"), server_name="site.test")
    assert response.status == status
    assert response.headers.one("Strict-Transport-Security") == HSTS


def test_strict_transport_security_on_errors_of_the_proxy(site):
    site.backend.handler = sends(b"nonsense\r\n\r\n", close=True)
    response = site.ask_tls(request(host="secure.test"))
    assert (response.status, response.headers.one("Strict-Transport-Security")) == (502, HSTS)


@pytest.mark.parametrize(
    ("status", "reason"), [(200, "Fine By Me"), (201, "Created"), (299, "Odd"), (404, "Nope"), (500, "Ouch"), (599, "Top")]
)
def test_status_and_reason_are_passed(site, status, reason):
    site.backend.handler = lambda exchange: exchange.reply(status=status, reason=reason)
    response = site.get()
    assert (response.status, response.reason, response.version) == (status, reason, "HTTP/1.1")


def test_an_empty_reason_is_allowed(site):
    scripted(site, b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok")
    assert site.get().body == b"ok"


def test_http_10_response_with_length(site):
    scripted(site, b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", close=True)
    with site.connect() as connection:
        for _ in range(3):
            response = connection.ask(request())
            assert (response.version, response.body) == ("HTTP/1.1", b"ok")


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_body_that_ends_with_the_connection_becomes_chunked(site, version):
    scripted(site, b"HTTP/" + version + b" 200 OK\r\nX-A: 1\r\n\r\nhello " + b"x" * 100000, close=True)
    with site.connect() as connection:
        for _ in range(3):
            response = connection.ask(request())
            assert response.body == b"hello " + b"x" * 100000
            assert response.headers.one("Transfer-Encoding") == "chunked"


def test_an_empty_body_that_ends_with_the_connection(site):
    scripted(site, b"HTTP/1.1 200 OK\r\n\r\n", close=True)
    with site.connect() as connection:
        for _ in range(3):
            assert connection.ask(request()).body == b""


@pytest.mark.parametrize(
    "body",
    [
        chunked(b"one", b"two"),
        b"3;ext=1\r\none\r\n3;a=\"b;c\"\r\ntwo\r\n0;last\r\n\r\n",
        b"0003\r\none\r\n003\r\ntwo\r\n000\r\n\r\n",
        b"3 ;a=b\r\none\r\n3\t ;a=b\r\ntwo\r\n0 ;a\r\n\r\n",
        b"3 \r\none\r\n3  \r\ntwo\r\n0 \r\n\r\n",
        b"".join(b"1\r\n%c\r\n" % byte for byte in b"onetwo") + b"0\r\n\r\n",
    ],
    ids=["plain", "extensions", "leading zeros", "spaces before extensions", "spaces", "single bytes"],
)
def test_chunked_responses(site, body):
    scripted(site, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n" + body)
    with site.connect() as connection:
        for _ in range(3):
            assert connection.ask(request()).body == b"onetwo"


def test_trailers_of_a_response(site):
    mine = [("X-Checksum", "abc"), ("x-more", "1")]
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Checksum, x-more\r\n\r\n"
    scripted(site, head + chunked(b"body", trailers=mine))
    with site.connect() as connection:
        response = connection.ask(request(headers=[("TE", "trailers"), ("Connection", "TE")]))
        assert (response.body, list(response.trailers)) == (b"body", mine)
        assert not response.headers.has("X-Checksum")
        assert connection.ask(request()).body == b"body"


def test_trailers_that_connection_names_stay_behind(site):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive, X-Hop\r\n\r\n"
    scripted(site, head + chunked(b"x" * 100_000, trailers=[("x-hop", "1"), ("X-Checksum", "abc")]))
    with site.connect() as connection:
        for _ in range(3):
            assert list(connection.ask(request()).trailers) == [("X-Checksum", "abc")]
    with site.h2() as client:
        assert client.ask().trailers == [("x-checksum", "abc")]


def test_trailers_do_not_reach_an_http_10_client(site):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    scripted(site, head + chunked(b"body", trailers=[("X-Checksum", "abc")]))
    response = site.ask(request(version="1.0"))
    assert (response.body, response.headers.has("Transfer-Encoding")) == (b"body", False)
    assert response.ended_by_close


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("extra", [b"", b"Content-Length: 10\r\n"], ids=["bare", "with length"])
def test_responses_that_have_no_body(site, status, extra):
    if status == 204 and extra:
        extra = b"ETag: \"x\"\r\n"
    scripted(site, b"HTTP/1.1 %d Nothing\r\n%s\r\n" % (status, extra))
    with site.connect() as connection:
        for _ in range(3):
            response = connection.ask(request())
            assert (response.status, response.body) == (status, b"")
            assert not response.headers.has("Transfer-Encoding")
        assert status == 304 or not response.headers.has("Content-Length")


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 1000\r\n", b"Transfer-Encoding: chunked\r\n", b""], ids=["length", "chunked", "none"]
)
def test_head_has_no_body_whatever_its_head_says(site, framing):
    scripted(site, b"HTTP/1.1 200 OK\r\nX-A: 1\r\n" + framing + b"\r\n")
    with site.connect() as connection:
        for _ in range(3):
            response = connection.ask(request("HEAD"))
            assert (response.status, response.headers.one("X-A")) == (200, "1")
        if b"1000" in framing:
            assert response.headers.one("Content-Length") == "1000"


def test_http_10_client_gets_no_keep_alive_unless_it_asks(site):
    with site.connect() as connection:
        response = connection.ask(request(version="1.0"))
        assert (response.status, response.headers.one("Connection")) == (200, "close")
        connection.expect_closed()


def test_http_10_client_that_asks_is_kept(site):
    with site.connect() as connection:
        for _ in range(3):
            response = connection.ask(request(version="1.0", headers=[("Connection", "keep-alive")]))
            assert response.headers.one("Connection").lower() == "keep-alive"
            assert response.body == b"main"


def test_http_10_client_with_a_body_of_unknown_length_is_closed(site):
    scripted(site, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"one", b"two"))
    with site.connect() as connection:
        response = connection.ask(request(version="1.0", headers=[("Connection", "keep-alive")]))
        assert (response.body, response.ended_by_close) == (b"onetwo", True)


def test_connection_close_of_the_client_is_honoured(site):
    with site.connect() as connection:
        response = connection.ask(request(headers=[("Connection", "Close")]))
        assert (response.status, response.headers.one("Connection")) == (200, "close")
        connection.expect_closed()


def test_a_response_head_in_single_bytes(site):
    def handler(exchange):
        for byte in b"HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nok":
            exchange.send(bytes([byte]))

    site.backend.handler = handler
    assert site.get().body == b"ok"


def test_a_large_response_head_within_the_limit(site):
    mine = [(f"X-{number}", "v" * 1000) for number in range(28)]
    site.backend.handler = lambda exchange: exchange.reply(headers=mine)
    assert [pair for pair in site.get().headers if pair in mine] == mine
