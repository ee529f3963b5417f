"""The request head as the backend sees it."""

import re

import pytest

from support.client import request
from support.manifests import ingress, rule, service_of

OWN = [
    "X-Request-ID",
    "X-Real-IP",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Proto",
    "X-Forwarded-Scheme",
    "X-Scheme",
]


def test_every_header_of_a_plain_request(site):
    seen = site.seen(request(target="/a/b?c=d"))
    assert seen.raw_head.startswith(b"GET /a/b?c=d HTTP/1.1\r\nHost: site.test\r\n")
    headers = seen.headers
    assert sorted(name.lower() for name in headers.names()) == sorted(name.lower() for name in ["Host", *OWN])
    assert re.fullmatch(r"[0-9a-f]{32}", headers.one("X-Request-ID"))
    assert headers.one("X-Real-IP") == "127.0.0.1"
    assert headers.one("X-Forwarded-For") == "127.0.0.1"
    assert headers.one("X-Forwarded-Host") == "site.test"
    assert headers.one("X-Forwarded-Port") == str(site.cppx.http_port)
    assert headers.one("X-Forwarded-Proto") == "http"
    assert headers.one("X-Forwarded-Scheme") == "http"
    assert headers.one("X-Scheme") == "http"


def test_every_header_of_a_plain_request_over_https(site):
    headers = site.seen(request(host="secure.test"), tls=True).headers
    assert headers.one("X-Forwarded-Port") == "443"
    assert headers.one("X-Forwarded-Proto") == "https"
    assert headers.one("X-Forwarded-Scheme") == "https"
    assert headers.one("X-Scheme") == "https"
    assert headers.one("X-Real-IP") == "127.0.0.1"
    assert headers.one("X-Forwarded-Host") == "secure.test"


def test_the_clients_headers_come_last_with_order_case_and_duplicates_kept(site):
    mine = [
        ("accept", "*/*"),
        ("X-B", "1"),
        ("x-a", "2"),
        ("X-B", "3"),
        ("COOKIE", "a=b"),
        ("Cookie", "c=d"),
        ("X-Empty", ""),
        ("X-Latin", "caf\xe9"),
        ("Authorization", "Basic Zm9v"),
        ("Via", "1.0 somebody"),
    ]
    headers = site.seen(request(headers=mine)).headers
    assert list(headers)[-len(mine):] == mine
    assert headers.names()[0] == "Host"


def test_request_ids_differ(site):
    ids = {site.seen(request()).headers.one("X-Request-ID") for _ in range(50)}
    assert len(ids) == 50


def test_the_clients_request_id_is_kept(site):
    assert site.seen(request(headers=[("x-request-id", "mine-1")])).headers.one("X-Request-ID") == "mine-1"


def test_the_request_id_is_not_returned(site):
    assert not site.get().headers.has("X-Request-ID")


@pytest.mark.parametrize("name", [name for name in OWN if name != "X-Request-ID"])
def test_what_the_client_claims_about_itself_is_overwritten(site, name):
    plain = site.seen(request()).headers.one(name)
    claimed = site.seen(request(headers=[(name.lower(), "203.0.113.9"), (name, "forged")])).headers
    assert claimed.all(name) == [plain]


def test_the_clients_own_forwarded_headers_are_kept_under_other_names(site):
    mine = [("X-Forwarded-For", "203.0.113.9, 10.0.0.1"), ("X-Forwarded-Host", "elsewhere.test")]
    headers = site.seen(request(headers=mine)).headers
    assert headers.one("X-Original-Forwarded-For") == "203.0.113.9, 10.0.0.1"
    assert headers.one("X-Original-Forwarded-Host") == "elsewhere.test"


def test_no_original_forwarded_headers_without_cause(site):
    headers = site.seen(request(headers=[("X-Original-Forwarded-For", "forged")])).headers
    assert "forged" not in headers.all("X-Original-Forwarded-For")
    assert not site.seen(request()).headers.has("X-Original-Forwarded-Host")


@pytest.mark.parametrize("host", ["site.test:8080", "SITE.test", "site.test."])
def test_host_is_passed_as_sent(site, host):
    headers = site.seen(request(host=host)).headers
    assert headers.one("Host") == host
    assert headers.one("X-Forwarded-Host") == host


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Proxy", "http://evil.test"),
        ("TE", "trailers"),
        ("Keep-Alive", "timeout=5"),
        ("Expect", "100-continue"),
        ("Upgrade-Insecure_Requests", "1"),
        ("X_Underscore", "1"),
        ("X-Real_IP", "203.0.113.9"),
        ("X_Forwarded-For", "203.0.113.9"),
    ],
)
def test_removed_headers(site, name, value):
    with site.connect() as connection:
        connection.send(request("POST", headers=[(name, value)], body=b"x"))
        assert connection.read_response("POST").status == 200
    assert not site.backend.last.headers.has(name)


@pytest.mark.parametrize("value", ["keep-alive", "close", "Keep-Alive, X-Hop", "close, TE"])
def test_connection_is_not_passed(site, value):
    headers = site.seen(request(headers=[("Connection", value)])).headers
    assert all(item.lower() == "keep-alive" for item in headers.all("Connection"))


def test_headers_named_by_connection_are_removed(site):
    headers = site.seen(request(headers=[("Connection", "close, X-Hop"), ("X-Hop", "1"), ("X-End", "2")])).headers
    assert not headers.has("X-Hop")
    assert headers.one("X-End") == "2"


@pytest.mark.parametrize("name", ["Host", *OWN])
def test_connection_cannot_remove_what_the_proxy_adds(site, name):
    headers = site.seen(request(headers=[("Connection", f"close, {name}")])).headers
    assert headers.one(name)


def test_connection_cannot_remove_the_framing(site):
    seen = site.seen(request("POST", headers=[("Connection", "close, Content-Length")], body=b"GET /x HTTP/1.1\r\n\r\n"))
    assert seen.body == b"GET /x HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize("name", ["Upgrade"])
def test_upgrade_without_connection_upgrade_is_not_passed(site, name):
    assert not site.seen(request(headers=[(name, "websocket")])).headers.has(name)


def test_http_10_becomes_http_11(site):
    seen = site.seen(request(version="1.0"))
    assert seen.version == "HTTP/1.1"
    assert seen.headers.one("Host") == "site.test"


def test_absolute_form_becomes_origin_form(site):
    seen = site.seen(request(target="http://site.test/a?b", host="site.test"))
    assert seen.target == "/a?b"
    assert seen.headers.one("Host") == "site.test"


def test_absolute_form_without_path(site):
    assert site.seen(request(target="http://site.test?b", host="site.test")).target in ("/?b",)
    assert site.seen(request(target="http://site.test", host="site.test")).target == "/"


def test_absolute_form_replaces_a_different_host_header(site):
    response = site.ask(request(target="http://site.test/a", host="other.test"))
    assert response.status in (200, 400)
    hosts = [seen.headers.one("Host") for seen in site.backend.requests]
    assert hosts == (["site.test"] if response.status == 200 else [])


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_request_without_body_has_no_framing(site, method):
    seen = site.seen(request(method))
    assert not seen.headers.has("Content-Length")
    assert not seen.headers.has("Transfer-Encoding")


def test_content_length_zero_is_passed(site):
    assert site.seen(request("POST", body=b"")).headers.one("Content-Length") == "0"


def test_leading_and_trailing_spaces_of_values_are_not_part_of_them(site):
    raw = b"GET / HTTP/1.1\r\nHost:   site.test  \r\nX-A:\t a b \t\r\nX-B:c\r\n\r\n"
    headers = site.seen(raw).headers
    assert (headers.one("Host"), headers.one("X-A"), headers.one("X-B")) == ("site.test", "a b", "c")


def test_empty_lines_before_a_request_are_ignored(site):
    assert site.seen(b"\r\n" + request(target="/after")).target == "/after"


def test_a_head_in_single_bytes(site):
    with site.connect() as connection:
        for byte in request(target="/slow", headers=[("X-A", "b")]):
            connection.send(bytes([byte]))
        assert connection.read_response().status == 200
    assert site.backend.last.target == "/slow"


def test_a_large_head_within_the_limits_is_passed_whole(site):
    mine = [(f"X-{number}", "v" * 1000) for number in range(25)]
    target = "/" + "t" * 7000
    seen = site.seen(request(target=target, headers=mine))
    assert seen.target == target
    assert [pair for pair in seen.headers if pair in mine] == mine


@pytest.mark.parametrize(("size", "status"), [(60 * 1024, 200), (60 * 1024 + 1, 431), (64 * 1024, 431)])
def test_the_largest_head_leaves_room_for_its_body(start_cppx, make_backend, size, status):
    """Of fields that are not passed on: what is sent to the backend has to fit its place as well."""
    backend = make_backend()
    objects = [*service_of("web", backend), ingress("web", rule("site.test", "web:80"))]
    cppx = start_cppx({"all.yaml": objects}, config={"large-client-header-buffers": "16 8k"})
    body = b"b" * 70_000

    def message(padding):
        fields = [(f"X_{number}", "v" * padding[number]) for number in range(8)]
        return request("POST", headers=fields, body=body)

    left = size + len(body) - len(message([0] * 8))
    whole = message([left // 8 + (number < left % 8) for number in range(8)])
    assert len(whole) == size + len(body)
    with cppx.connect() as connection:
        connection.send(whole)
        assert connection.read_response("POST").status == status
    assert [len(seen.body) for seen in backend.requests] == ([len(body)] if status == 200 else [])
