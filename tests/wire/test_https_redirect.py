"""http to https: 308 for hosts with TLS."""

import pytest

from support.certificates import make_certificate
from support.client import request
from support.cppx import Cppx
from support.manifests import ingress, rule, service_of, tls_secret


@pytest.fixture(scope="module")
def hosts(cppx_binary, tmp_path_factory):
    objects = [
        *service_of("web", ("127.0.0.1", 9)),
        tls_secret("pair", make_certificate("tls.test")),
        ingress("tls", rule("tls.test", ("/app", "Prefix", "web:80"), ("/dir/", "Prefix", "web:80")), tls=[("pair", "tls.test")]),
        ingress("second", rule("tls.test", ("/second", "Prefix", "web:80"))),
        ingress("empty", rule("empty.test", "no-such-service:80"), tls=[("pair", "empty.test")]),
        ingress("wild", rule("*.wild.test", "no-such-service:80"), tls=[("pair", "*.wild.test")]),
        ingress("others", rule("unlisted.test", "web:80"), tls=[("pair", "tls.test")]),
        ingress("plain", rule("plain.test", "no-such-service:80")),
    ]
    with Cppx(tmp_path_factory.mktemp("redirect") / "manifests", {"all.yaml": objects}) as cppx:
        yield cppx


@pytest.mark.parametrize(
    ("host", "target", "location"),
    [
        ("tls.test", "/app", "https://tls.test/app"),
        ("tls.test", "/app/", "https://tls.test/app"),
        ("tls.test", "/app//", "https://tls.test/app/"),
        ("tls.test", "/app?a=b&c=%20d", "https://tls.test/app?a=b&c=%20d"),
        ("tls.test", "/app?next=/", "https://tls.test/app?next="),
        ("tls.test", "/app/%2F../x", "https://tls.test/app/%2F../x"),
        ("tls.test:8080", "/app", "https://tls.test/app"),
        ("TLS.test", "/app", "https://tls.test/app"),
        ("tls.test", "/second/x", "https://tls.test/second/x"),
        ("tls.test", "/", "https://tls.test"),
        ("tls.test", "/no-such-path", "https://tls.test/no-such-path"),
        ("empty.test", "/", "https://empty.test"),
        ("empty.test", "/x", "https://empty.test/x"),
        ("a.wild.test", "/x", "https://a.wild.test/x"),
        ("unlisted.test", "/x", "https://unlisted.test/x"),
    ],
)
def test_location(hosts, host, target, location):
    response = hosts.get(host, target)
    assert response.status == 308
    assert response.headers.one("Location").lower() == location.lower()
    assert "308 Permanent Redirect" in response.text
    assert not response.headers.has("Strict-Transport-Security")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS"])
def test_every_method_is_redirected(hosts, method):
    with hosts.connect() as connection:
        for _ in range(2):
            response = connection.ask(request(method, "/app", host="tls.test", body=b"x" if method == "POST" else None))
            assert (response.status, response.headers.one("Location")) == (308, "https://tls.test/app")


def test_hosts_without_tls_are_not_redirected(hosts):
    assert hosts.get("plain.test").status == 503
    assert hosts.get("unknown.test").status == 404


def test_the_missing_slash_comes_before_the_redirect_to_https(hosts):
    response = hosts.get("tls.test", "/dir")
    assert (response.status, response.headers.one("Location")) == (301, "http://tls.test/dir/")


def test_https_itself_is_not_redirected(hosts):
    with hosts.connect_tls("empty.test") as connection:
        assert connection.ask(request(host="empty.test")).status == 503


def test_the_size_of_the_body_is_judged_before_the_redirect(hosts):
    with hosts.connect() as connection:
        connection.send(request("POST", "/app", host="tls.test", headers=[("Content-Length", "2000000")]))
        assert connection.read_response("POST").status == 413


def test_a_client_that_claims_https_is_redirected_all_the_same(hosts):
    headers = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Scheme", "https"), ("X-Scheme", "https")]
    assert hosts.get("empty.test", "/x", headers=headers).status == 308


@pytest.mark.parametrize(
    ("key", "value", "status", "location"),
    [
        ("ssl-redirect", "false", 503, None),
        ("http-redirect-code", "301", 301, "https://empty.test/x"),
        ("http-redirect-code", "999", 308, "https://empty.test/x"),
    ],
)
def test_settings(start_cppx, key, value, status, location):
    objects = [ingress("empty", rule("empty.test", "no-such-service:80"), tls=[("pair", "empty.test")])]
    cppx = start_cppx({"all.yaml": objects}, config={key: value})
    response = cppx.get("empty.test", "/x")
    assert (response.status, response.headers.one("Location")) == (status, location)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"hsts": "false"}, None),
        ({"hsts-max-age": "60"}, "max-age=60; includeSubDomains"),
        ({"hsts-include-subdomains": "false"}, "max-age=31536000"),
        ({"hsts-preload": "true"}, "max-age=31536000; includeSubDomains; preload"),
    ],
)
def test_strict_transport_security_settings(start_cppx, config, expected):
    objects = [ingress("empty", rule("empty.test", "no-such-service:80"))]
    cppx = start_cppx({"all.yaml": objects}, config=config)
    with cppx.connect_tls("empty.test") as connection:
        response = connection.ask(request(host="empty.test"))
    assert (response.status, response.headers.one("Strict-Transport-Security")) == (503, expected)
