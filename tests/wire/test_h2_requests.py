"""Requests over HTTP/2 as a backend on HTTP/1.1 sees them."""

import re

import pytest
from hyperframe.frame import ContinuationFrame

from support.client import request
from support.h2 import Reset, exactly

BOTH = pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])


def seen(site, tls=True, trailers=None, body=None, method="GET", path="/", host="site.test", headers=()):
    """Sends a request that must succeed and returns it as the backend saw it."""
    before = len(site.backend.requests)
    with site.h2(tls) as client:
        stream = client.ask(method, path, host, headers, body, trailers)
    assert stream.status == 200, stream
    assert len(site.backend.requests) == before + 1
    return site.backend.last


def refusal(client, fields):
    """Status or (name of the) reset that a bad request gets; the connection must go on."""
    stream = client.start_with(fields)
    try:
        outcome = client.finish(stream).status
    except Reset as end:
        outcome = f"reset {end.code}"
    client.ping()
    return outcome


@BOTH
def test_the_backend_sees_what_it_sees_of_http_11(site, tls):
    """The same fields in the same order, but for the id."""
    mine = [("accept", "*/*"), ("x-b", "1"), ("x-a", "2"), ("x-b", "3"), ("x-empty", ""), ("authorization", "Basic Zm9v")]
    host = "secure.test" if tls else "site.test"
    newer = seen(site, tls, path="/a/b?c=%20d", host=host, headers=mine)
    older = site.seen(request(target="/a/b?c=%20d", host=host, headers=mine), tls=tls)
    assert (newer.method, newer.target, newer.version) == (older.method, older.target, older.version)
    differ = ("x-request-id",)
    assert [pair for pair in newer.headers if pair[0].lower() not in differ] == [
        pair for pair in older.headers if pair[0].lower() not in differ
    ]
    assert re.fullmatch(r"[0-9a-f]{32}", newer.headers.one("X-Request-ID"))
    assert newer.headers.one("X-Forwarded-Proto") == ("https" if tls else "http")
    assert newer.headers.one("X-Forwarded-Port") == ("443" if tls else str(site.cppx.http_port))


def test_what_the_client_claims_about_itself_is_overwritten(site):
    claims = [("x-forwarded-for", "203.0.113.9"), ("x-real-ip", "203.0.113.9"), ("x-forwarded-proto", "gopher")]
    headers = seen(site, headers=claims).headers
    assert headers.all("X-Forwarded-For") == headers.all("X-Real-IP") == ["127.0.0.1"]
    assert headers.all("X-Forwarded-Proto") == ["https"]


@pytest.mark.parametrize("host", ["site.test", "site.test:8443", "SITE.test"])
def test_authority_becomes_host(site, host):
    headers = seen(site, host=host).headers
    assert headers.all("Host") == [host]
    assert headers.one("X-Forwarded-Host") == host


def test_host_alone_stands_for_authority(site):
    with site.h2() as client:
        stream = client.start_with([(":method", "GET"), (":scheme", "https"), (":path", "/"), ("host", "site.test")])
        exactly(client.finish(stream), 200, b"main")
    assert site.backend.last.headers.all("Host") == ["site.test"]


def test_host_beside_authority_is_sent_once(site):
    assert seen(site, headers=[("host", "site.test")]).headers.all("Host") == ["site.test"]


def test_a_host_that_differs_from_authority_never_wins(site):
    """RFC 9113 section 8.3.1: malformed, or authority decides."""
    pseudo = [(":method", "GET"), (":scheme", "https"), (":authority", "site.test"), (":path", "/")]
    with site.h2() as client:
        assert refusal(client, [*pseudo, ("host", "other.test")]) in (200, 400, "reset 1")
        assert refusal(client, [*pseudo, ("host", "site.test"), ("host", "other.test")]) in (400, "reset 1")
    assert {tuple(request.headers.all("Host")) for request in site.backend.requests} <= {("site.test",)}


@pytest.mark.parametrize("pairs", [[("cookie", "a=b"), ("cookie", "c=d"), ("x-a", "1"), ("cookie", "e=f")], [("cookie", "a=b; c=d; e=f")]])
def test_cookies_become_one_field(site, pairs):
    """RFC 9113 section 8.2.3."""
    headers = seen(site, headers=pairs).headers
    assert headers.all("Cookie") == ["a=b; c=d; e=f"]


def test_te_trailers_is_allowed(site):
    seen(site, headers=[("te", "trailers")])


@pytest.mark.parametrize(
    ("name", "value"), [("proxy", "http://evil.test"), ("x_underscore", "1"), ("x_forwarded-for", "203.0.113.9")]
)
def test_removed_headers(site, name, value):
    assert not seen(site, headers=[(name, value)]).headers.has(name)


def test_values_of_any_bytes(site):
    headers = seen(site, headers=[("x-latin", "caf\xe9"), ("x-tab", "a\tb"), ("x-long", "v" * 5000)]).headers
    assert (headers.one("x-latin"), headers.one("x-tab"), headers.one("x-long")) == ("caf\xe9", "a\tb", "v" * 5000)


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
def test_a_request_without_body_has_no_framing(site, method):
    request = seen(site, method=method)
    assert not request.headers.has("Content-Length") and not request.headers.has("Transfer-Encoding")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "GET", "DELETE"])
def test_a_body_of_unknown_length_is_chunked(site, method):
    request = seen(site, method=method, body=b"hello " * 1000)
    assert (request.body, request.complete) == (b"hello " * 1000, True)
    assert request.headers.all("Transfer-Encoding") == ["chunked"]
    assert not request.headers.has("Content-Length")


@pytest.mark.parametrize("size", [0, 1, 16384, 16385, 100_000])
def test_a_body_with_content_length_keeps_it(site, size):
    request = seen(site, method="POST", body=b"x" * size, headers=[("content-length", str(size))])
    assert (len(request.body), request.headers.all("Content-Length")) == (size, [str(size)])
    assert not request.headers.has("Transfer-Encoding")


def test_an_empty_body_in_a_frame_of_its_own(site):
    request = seen(site, method="POST", body=b"")
    assert (request.body, request.complete) == (b"", True)


def test_trailers_become_trailers(site):
    mine = [("x-checksum", "abc"), ("x-more", "1")]
    for body in (b"body", b""):
        request = seen(site, method="POST", body=body, trailers=mine)
        assert (request.body, [(name.lower(), value) for name, value in request.trailers]) == (body, mine)
        assert not request.headers.has("x-checksum")


@pytest.mark.parametrize("name", ["content-length", "host", "x-forwarded-for", "x-real-ip", "authorization"])
def test_trailers_cannot_forge_framing_routing_or_the_address(site, name):
    with site.h2() as client:
        stream = client.start("POST", end=False)
        client.send(stream, b"body")
        client.send_trailers(stream, [(name, "7"), ("x-good", "1")])
        try:
            assert client.finish(stream).status in (200, 400)
        except Reset as end:
            assert end.code == 1
        client.ping()
    for request in site.backend.requests:
        assert name == "authorization" or not request.trailers.has(name)
        assert request.headers.all("Host") == ["site.test"]


@BOTH
def test_continue_comes_before_the_body(site, tls):
    with site.h2(tls) as client:
        stream = client.start("POST", headers=[("expect", "100-continue"), ("content-length", "5")], end=False)
        client.wait_until(lambda: stream.interim, "100 Continue")
        assert [status for status, _ in stream.interim] == [100]
        client.send(stream, b"hello", end=True)
        exactly(client.finish(stream), 200, b"main")
    assert site.backend.last.body == b"hello"
    assert not site.backend.last.headers.has("Expect")


def test_a_large_head_within_the_limits_is_passed_whole(site):
    mine = [(f"x-{number}", "v" * 1000) for number in range(25)]
    path = "/" + "t" * 7000
    request = seen(site, path=path, headers=mine)
    assert request.target == path
    assert [pair for pair in request.headers if pair in mine] == mine


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", [(f"x-{number}", "v" * 1000) for number in range(40)], 431),
        ("/", [("x-a", "v" * 40_000)], 431),
        ("/", [(f"x-{number}", "") for number in range(4000)], 431),
        ("/" + "x" * 9000, [], 414),
    ],
    ids=["many", "long", "very many", "path"],
)
def test_a_head_over_the_limits_is_refused_and_the_connection_goes_on(site, path, headers, status):
    with site.h2() as client:
        assert client.ask(path=path, headers=headers).status in (status, 431)
        exactly(client.ask(path="/marker"), 200, b"main")
    assert [request.target for request in site.backend.requests] == ["/marker"]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", [("x-a", "v" * 15_000), ("x-b", "v" * 15_000), ("x-c", "v" * 15_000)], 431),
        ("/", [("host", "other.test")], 400),
        ("/" + "x" * 9000, [], 414),
    ],
    ids=["large", "malformed", "path"],
)
def test_a_refused_head_request_is_answered_without_a_body(site, path, headers, status):
    with site.raw_h2() as client:
        block = client.block(client.request_fields(path, "HEAD", headers=headers))
        parts = [block[at : at + 16384] for at in range(0, len(block), 16384)]
        client.send(client.head(1, block=parts[0], end_headers=len(parts) == 1))
        for part in parts[1:]:
            client.send(ContinuationFrame(1, part, flags=["END_HEADERS"] if part is parts[-1] else []))
        assert client.status_of(1) == status
        assert "END_STREAM" in client.frames[-1].flags
        client.expect_alive()
    site.expect_untouched()


@pytest.mark.parametrize("size", [200_000, 2_000_000])
def test_an_enormous_head_is_431_or_ends_the_connection(site, size):
    with site.raw_h2() as client:
        block = client.block([*client.request_fields("/bad"), *((f"x-{n}", "v" * 8000) for n in range(size // 8000))])
        parts = [block[at : at + 16384] for at in range(0, len(block), 16384)]
        frames = [client.head(1, block=parts[0], end_headers=False)]
        frames += [len(part).to_bytes(3, "big") + b"\x09\x00\x00\x00\x00\x01" + part for part in parts[1:-1]]
        frames.append(len(parts[-1]).to_bytes(3, "big") + b"\x09\x04\x00\x00\x00\x01" + parts[-1])
        try:
            client.send(*frames)
        except OSError:
            pass
        while (frame := client.read()) is not None:
            if 1 in client.heads:
                assert dict(client.heads[1][0])[b":status"] == b"431"
                break
            assert getattr(frame, "error_code", 11) in (1, 11), frame
    site.expect_untouched()


@pytest.mark.parametrize(
    ("fields", "outcomes"),
    [
        ([(":method", "CONNECT"), (":authority", "site.test:80")], (400, 405, 501, "reset 1", "reset 7")),
        ([(":method", "TRACE"), (":scheme", "https"), (":authority", "site.test"), (":path", "/bad")], (405,)),
        ([(":method", "GET"), (":scheme", "https"), (":authority", "site.test"), (":path", "*")], (400, "reset 1")),
    ],
    ids=["CONNECT", "TRACE", "asterisk"],
)
def test_what_http_11_refuses_is_refused(site, fields, outcomes):
    with site.h2() as client:
        assert refusal(client, fields) in outcomes
    site.expect_untouched()


@pytest.mark.parametrize("scheme", ["http", "ftp"])
def test_a_scheme_that_is_not_the_connections_changes_nothing(site, scheme):
    """The backend is told how the request came, not what the client says of it."""
    with site.h2(tls=True) as client:
        fields = [(":method", "GET"), (":scheme", scheme), (":authority", "site.test"), (":path", "/")]
        assert refusal(client, fields) in (200, 400, 421, "reset 1")
    assert {request.headers.one("X-Forwarded-Proto") for request in site.backend.requests} <= {"https"}
