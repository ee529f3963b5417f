"""Answers cppx makes itself: 404, 502, 503, 504, /healthz."""

import pytest

from support.backend import black_hole, refused_port
from support.client import request
from support.cppx import Cppx
from support.manifests import endpoint_slice, ingress, rule, service, service_of


@pytest.fixture(scope="module")
def replies(cppx_binary, tmp_path_factory):
    holder, closed = refused_port("127.0.0.9")
    objects = [
        *service_of("refused", ("127.0.0.9", closed)),
        ingress("refused", rule("refused.test", "refused:80")),
        ingress("missing", rule("missing.test", "no-such-service:80")),
        service("empty"),
        ingress("empty", rule("empty.test", "empty:80")),
        service("not-ready"),
        endpoint_slice("not-ready", ["127.0.0.9"], closed, conditions={"ready": False}),
        ingress("not-ready", rule("not-ready.test", "not-ready:80")),
        ingress("wrong-port", rule("wrong-port.test", "refused:8081")),
        ingress("wrong-name", rule("wrong-name.test", "refused:nothing")),
        ingress(
            "resource",
            rule(
                "resource.test",
                ("/", "Prefix", {"resource": {"apiGroup": "k8s.example.com", "kind": "Bucket", "name": "icons"}}),
            ),
        ),
        ingress("other-class", rule("other-class.test", "refused:80"), class_name="somebody-else"),
        ingress("no-class", rule("no-class.test", "refused:80"), class_name=None),
    ]
    with Cppx(tmp_path_factory.mktemp("replies") / "manifests", {"all.yaml": objects}) as cppx:
        yield cppx
    holder.close()


@pytest.mark.parametrize(
    ("host", "status", "reason"),
    [
        ("unknown.test", 404, "Not Found"),
        ("other-class.test", 404, "Not Found"),
        ("no-class.test", 404, "Not Found"),
        ("resource.test", 404, "Not Found"),
        ("missing.test", 503, "Service Temporarily Unavailable"),
        ("empty.test", 503, "Service Temporarily Unavailable"),
        ("not-ready.test", 503, "Service Temporarily Unavailable"),
        ("wrong-port.test", 503, "Service Temporarily Unavailable"),
        ("wrong-name.test", 503, "Service Temporarily Unavailable"),
        ("refused.test", 502, "Bad Gateway"),
    ],
)
def test_status_and_page(replies, host, status, reason):
    response = replies.get(host)
    assert response.status == status
    assert f"{status} {reason}" in response.text
    assert response.headers.one("Content-Type").startswith("text/html")
    assert response.headers.one("Content-Length") == str(len(response.body))
    assert response.headers.one("Date")
    assert not response.headers.has("Server")


@pytest.mark.parametrize("host", ["unknown.test", "missing.test", "refused.test"])
def test_head_gets_the_same_head_and_no_body(replies, host):
    with replies.connect() as connection:
        head = connection.ask(request("HEAD", host=host))
        get = connection.ask(request("GET", host=host))
    assert head.status == get.status
    assert head.headers.one("Content-Length") == get.headers.one("Content-Length")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"HEAD / HTTP/1.1\r\nHost: unknown.test\r\nHost: unknown.test\r\n\r\n", 400),
        (b"HEAD / HTTP/1.1\r\nHost : unknown.test\r\n\r\n", 400),
        (b"HEAD /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: unknown.test\r\n\r\n", 414),
        (b"HEAD / HTTP/1.1\r\nHost: unknown.test\r\nX-A: " + b"v" * 40_000 + b"\r\n\r\n", 431),
        (b"HEAD / HTTP/1.1\r\nHost: unknown.test\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"HEAD / HTTP/9.9\r\nHost: unknown.test\r\n\r\n", 505),
    ],
    ids=["hosts", "space", "target", "large", "coding", "version"],
)
def test_a_refused_head_request_is_answered_without_a_body(replies, raw, status):
    with replies.connect() as connection:
        response = connection.ask(raw)
        assert (response.status, response.headers.one("Connection")) == (status, "close")
        connection.expect_closed()


@pytest.mark.parametrize("host", ["unknown.test", "missing.test", "refused.test"])
def test_the_connection_goes_on_after_a_local_reply(replies, host):
    with replies.connect() as connection:
        for _ in range(3):
            assert connection.ask(request("POST", host=host, body=b"x" * 100)).status in (404, 502, 503)


def test_a_page_cannot_be_made_to_carry_text_of_the_request(replies):
    response = replies.get("unknown.test", "/<script>alert(1)</script>", headers=[("X", "<b>")])
    assert b"<script>" not in response.body and b"unknown.test" not in response.body


def test_no_connection_in_time_is_504(start_cppx):
    with black_hole() as address:
        objects = [*service_of("hole", address), ingress("hole", rule("hole.test", "hole:80"))]
        cppx = start_cppx({"all.yaml": objects}, config={"proxy-connect-timeout": "150ms"})
        response = cppx.get("hole.test")
    assert response.status == 504
    assert "504 Gateway Time-out" in response.text


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_healthz_of_an_unknown_host_is_200(replies, tls):
    with replies.connect_tls("unknown.test") if tls else replies.connect() as connection:
        assert connection.ask(request(target="/healthz", host="unknown.test")).status == 200
        assert connection.ask(request("HEAD", "/healthz", host="10.0.0.1")).status == 200


def test_healthz_of_a_known_host_is_an_ordinary_path(replies):
    assert replies.get("missing.test", "/healthz").status == 503


def test_health_port(replies):
    assert replies.health("/healthz") == 200
    assert replies.health("/readyz") == 200
    assert replies.health("/no-such-page") == 404


def test_class_selection(start_cppx, make_backend):
    backend = make_backend("web")
    by_annotation = {"kubernetes.io/ingress.class": "cppx"}
    foreign = {"kubernetes.io/ingress.class": "somebody-else"}
    objects = [
        *service_of("web", backend),
        ingress("field", rule("field.test", "web:80")),
        ingress("old", rule("old.test", "web:80"), class_name=None, annotations=by_annotation),
        ingress("foreign", rule("foreign.test", "web:80"), class_name=None, annotations=foreign),
        ingress("both", rule("both.test", "web:80"), class_name="somebody-else", annotations=by_annotation),
        ingress("none", rule("none.test", "web:80"), class_name=None),
    ]
    cppx = start_cppx({"all.yaml": objects})
    hosts = ("field", "old", "foreign", "both", "none")
    assert [cppx.status_of(f"{name}.test") for name in hosts] == [200, 200, 404, 404, 404]
    cppx = start_cppx({"all.yaml": objects}, flags=["--watch-ingress-without-class"])
    assert [cppx.status_of(f"{name}.test") for name in hosts] == [200, 200, 404, 404, 200]
