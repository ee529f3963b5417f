"""Backends that speak HTTP/2: by annotation or appProtocol, plain and over TLS; heads, bodies and trailers both ways."""

import threading

import pytest

from support.backend import Backend, tls_handshake
from support.certificates import make_certificate
from support.client import request
from support.cppx import Cppx
from support.h2 import exactly
from support.h2_backend import H2Backend
from support.load import MIB
from support.manifests import ingress, rule, service_of
from support.waiting import scaled

PROTOCOL = "nginx.ingress.kubernetes.io/backend-protocol"
CERTIFICATE = make_certificate("nobody-checks-this.test", expired=True)
# host: (annotation, appProtocol, whether the backend speaks TLS)
KINDS = {
    "grpc.test": ("GRPC", None, False),
    "grpcs.test": ("GRPCS", None, True),
    "lower.test": ("grpc", None, False),
    "h2c.test": (None, "kubernetes.io/h2c", False),
    "app-grpc.test": (None, "grpc", False),
}


class Backends:
    def __init__(self, cppx, plain, tls):
        self.cppx, self.plain, self.tls = cppx, plain, tls

    def behind(self, host):
        return self.tls if KINDS[host][2] else self.plain


@pytest.fixture(scope="module")
def shared(cppx_binary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("backends")
    with H2Backend("plain") as plain, H2Backend("tls", certificate=CERTIFICATE) as tls:
        objects = []
        for host, (annotation, protocol, secure) in KINDS.items():
            name = host.split(".")[0]
            objects += service_of(name, tls if secure else plain, app_protocol=protocol)
            notes = {PROTOCOL: annotation} if annotation else None
            objects.append(ingress(name, rule(host, f"{name}:80"), annotations=notes))
        with Cppx(folder / "manifests", {"all.yaml": objects}, config={"proxy-body-size": "0"}) as cppx:
            yield Backends(cppx, plain, tls)


@pytest.fixture
def backends(shared):
    shared.plain.clear()
    shared.tls.clear()
    yield shared
    assert not shared.plain.errors + shared.tls.errors, (shared.plain.errors, shared.tls.errors)
    shared.cppx.check_log()


HOSTS = pytest.mark.parametrize("host", KINDS)
BOTH_SIDES = pytest.mark.parametrize("host", ["h2c.test", "grpcs.test"])


@HOSTS
@pytest.mark.parametrize("client", ["HTTP/1.1", "HTTP/2"])
def test_the_head_of_a_request(backends, host, client):
    backend = backends.behind(host)
    if client == "HTTP/2":
        with backends.cppx.h2(tls=True) as connection:
            exactly(connection.ask(path="/a?b=%20c", host=host, headers=[("x-mine", "1")]), 200, backend.name.encode())
    else:
        with backends.cppx.connect_tls(host) as connection:
            headers = [("X-Mine", "1"), ("Connection", "close, X-Hop"), ("X-Hop", "1"), ("Keep-Alive", "x")]
            assert connection.ask(request(target="/a?b=%20c", host=host, headers=headers)).text == backend.name
    seen = backend.last
    scheme = seen.pseudo.pop(":scheme")
    assert scheme in ("http", "https")
    assert seen.pseudo == {":method": "GET", ":authority": host, ":path": "/a?b=%20c"}
    assert not seen.headers.has("host") or seen.headers.all("host") == [host]
    assert seen.headers.one("x-mine") == "1"
    assert seen.headers.one("x-forwarded-for") == seen.headers.one("x-real-ip") == "127.0.0.1"
    assert (seen.headers.one("x-forwarded-proto"), seen.headers.one("x-forwarded-host")) == ("https", host)
    assert len(seen.headers.one("x-request-id")) == 32
    assert not seen.headers.has("x-hop") and not seen.headers.has("keep-alive")
    assert seen.complete and seen.body == b""


def test_a_backend_over_tls_is_not_verified_and_gets_no_server_name(backends):
    """As with ingress-nginx, unless proxy-ssl-* say otherwise."""
    backends.tls.close_connections()
    backends.tls.offered.clear()
    assert backends.cppx.get("grpcs.test").text == "tls"
    assert set(backends.tls.offered) == {None}


@pytest.mark.parametrize("value", ["HTTPS", "https"])
def test_https_backends(start_cppx, make_backend, value):
    """backend-protocol HTTPS: HTTP/1.1 over TLS."""
    backend = make_backend("secret", on_connect=tls_handshake(certificate=CERTIFICATE))
    objects = [*service_of("web", backend), ingress("web", rule("site.test", "web:80"), annotations={PROTOCOL: value})]
    cppx = start_cppx({"all.yaml": objects})
    with cppx.h2() as client:
        exactly(client.ask("POST", "/post", body=b"x" * 100_000), 200, b"secret")
        for number in range(10):
            exactly(client.ask(path=f"/{number}"), 200, b"secret")
    assert cppx.get().text == "secret"
    assert {seen.headers.one("X-Forwarded-Proto") for seen in backend.requests} == {"http"}
    assert backend.accepted <= 2 + 2, "connections over TLS are kept as well"


@BOTH_SIDES
@pytest.mark.parametrize("size", [0, 1, 16385, 3 * MIB])
def test_bodies_of_both_directions(backends, host, size):
    backend = backends.behind(host)
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    backend.handler = lambda exchange: exchange.reply(body=exchange.read_body(), headers=[("x-echo", "1")])
    with backends.cppx.h2(settings={4: MIB}) as client:
        exactly(client.ask("POST", host=host, body=body), 200, body)
        exactly(client.ask("POST", host=host, body=body, headers=[("content-length", str(size))]), 200, body)
    assert backend.last.headers.one("content-length") == str(size)
    with backends.cppx.connect() as connection:
        response = connection.ask(request("POST", host=host, body=body))
        assert (response.status, response.body) == (200, body)


@BOTH_SIDES
def test_trailers_of_both_directions(backends, host):
    backend = backends.behind(host)

    def handler(exchange):
        exchange.read_body()
        exchange.reply(body=b"body", trailers=[("x-end", "1"), ("x-more", "2")])

    backend.handler = handler
    with backends.cppx.h2() as client:
        stream = client.ask("POST", host=host, body=b"mine", trailers=[("x-checksum", "abc")])
    exactly(stream, 200, b"body")
    assert stream.trailers == [("x-end", "1"), ("x-more", "2")]
    assert (backend.last.body, backend.last.trailers) == (b"mine", [("x-checksum", "abc")])


@BOTH_SIDES
def test_as_many_trailers_as_fields_of_a_head(backends, host):
    """A server that puts its own metadata first has grpc-status last."""
    mine = [(f"x-mine-{number}", "1") for number in range(100)]
    theirs = [*((f"x-theirs-{number}", "1") for number in range(100)), ("grpc-status", "0")]
    backend = backends.behind(host)

    def handler(exchange):
        exchange.read_body()
        exchange.reply(body=b"body", trailers=theirs)

    backend.handler = handler
    with backends.cppx.h2() as client:
        stream = client.ask("POST", host=host, body=b"mine", trailers=mine)
    exactly(stream, 200, b"body")
    assert stream.trailers == theirs
    assert backend.last.trailers == mine


@pytest.mark.parametrize("protocol", ["websocket", "TLS/1.2"])
def test_an_upgrade_is_not_asked_of_a_backend(backends, protocol):
    backends.plain.handler = lambda exchange: exchange.reply(body=b"no upgrade")
    headers = [("Connection", "Upgrade"), ("Upgrade", protocol), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "eA==")]
    with backends.cppx.connect() as connection:
        for _ in range(2):
            response = connection.ask(request(host="grpc.test", headers=headers))
            assert (response.status, response.body) == (200, b"no upgrade")
    assert [one.method for one in backends.plain.requests] == ["GET", "GET"]
    assert not {":protocol", "upgrade", "connection"} & {*backends.plain.last.pseudo, *(name for name, _ in backends.plain.last.headers)}


def test_a_websocket_over_http2_is_not_asked_of_a_backend(backends):
    with backends.cppx.h2() as client:
        stream = client.start_with(
            [
                (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":authority", "grpc.test"), (":path", "/"),
                ("sec-websocket-version", "13"),
            ],
            end=False,
        )
        client.wait_until(lambda: stream.over, "the answer")
        assert stream.status == 501
    assert not backends.plain.requests


@pytest.mark.parametrize(
    ("status", "reason"), [(200, "OK"), (201, "Created"), (404, "Not Found"), (429, "Too Many Requests"), (499, ""), (599, "")]
)
def test_a_client_of_http_11_is_told_the_usual_reason(backends, status, reason):
    """HTTP/2 has none to pass on."""
    backends.plain.handler = lambda exchange: exchange.reply(status=status)
    with backends.cppx.connect() as connection:
        response = connection.ask(request(host="grpc.test"))
    assert (response.status, response.reason) == (status, reason)


def test_trailers_for_a_client_of_http_11(backends):
    backends.plain.handler = lambda exchange: exchange.reply(body=b"body", trailers=[("x-end", "1")])
    with backends.cppx.connect() as connection:
        response = connection.ask(request(host="h2c.test", headers=[("TE", "trailers")]))
    assert (response.body, [(name.lower(), value) for name, value in response.trailers]) == (b"body", [("x-end", "1")])


@BOTH_SIDES
def test_statuses_without_body_and_interim_responses(backends, host):
    def handler(exchange):
        status = exchange.request.target[1:]
        if status == "103":
            exchange.send_fields([(":status", "103"), ("link", "</a.css>")])
            exchange.reply(body=b"after")
        elif exchange.request.method == "HEAD":
            exchange.send_head(200, [("content-length", "5")], end=True)
        else:
            exchange.send_head(int(status), end=True)

    backends.behind(host).handler = handler
    with backends.cppx.h2() as client:
        for status in (200, 204, 304, 404):
            exactly(client.ask(path=f"/{status}", host=host), status, b"")
        head = client.ask("HEAD", path="/head", host=host)
        assert (head.status, head.headers.one("content-length"), bytes(head.body)) == (200, "5", b"")
        hinted = client.ask(path="/103", host=host)
        assert hinted.interim == [(103, [("link", "</a.css>")])]
        exactly(hinted, 200, b"after")
    with backends.cppx.connect() as connection:
        for status in (204, 304, 404):
            response = connection.ask(request(target=f"/{status}", host=host))
            assert (response.status, response.body) == (status, b"")


def test_headers_of_a_response(backends):
    mine = [("x-a", "1"), ("set-cookie", "a=b"), ("x-a", "2"), ("set-cookie", "c=d"), ("x-latin", "caf\xe9"), ("x-empty", "")]
    backends.plain.handler = lambda exchange: exchange.reply(headers=[*mine, ("server", "secret"), ("date", "x")])
    with backends.cppx.h2() as client:
        headers = client.ask(host="h2c.test").headers
        assert [pair for pair in headers if pair in mine] == mine
        assert not headers.has("server") and headers.one("date") != "x"
    response = backends.cppx.get("h2c.test")
    assert [pair for pair in response.headers if pair in mine] == mine


@BOTH_SIDES
def test_many_requests_share_few_connections(backends, host):
    backend = backends.behind(host)
    backend.close_connections()
    backend.clear()
    gate = threading.Event()

    def handler(exchange):
        assert gate.wait(scaled(20))
        exchange.reply(body=exchange.request.target.encode())

    backend.handler = handler
    with backends.cppx.h2() as client:
        streams = [client.start(path=f"/{number}", host=host) for number in range(60)]
        backend.wait_for_requests(60)
        gate.set()
        for number, stream in enumerate(streams):
            exactly(client.finish(stream), 200, b"/%d" % number)
    assert backend.accepted <= 4


def test_the_backends_limit_of_streams_is_kept_to(start_cppx, make_h2_backend):
    """More requests than the backend takes at once: all are served, none is refused by it."""
    backend = make_h2_backend("few", settings={3: 2})  # What is over it once it is known fails the test.
    objects = [*service_of("few", backend, app_protocol="kubernetes.io/h2c"), ingress("few", rule("site.test", "few:80"))]
    cppx = start_cppx({"all.yaml": objects})
    with cppx.h2() as client:
        for stream in [client.start() for _ in range(50)]:
            exactly(client.finish(stream), 200, b"few")
    assert len(backend.requests) == 50


@pytest.mark.parametrize(
    ("annotation", "make"),
    [("GRPC", "make_backend"), ("GRPCS", "make_backend"), ("GRPCS", "make_h2_backend"), ("HTTPS", "make_backend"), ("HTTP", "make_h2_backend")],
)
def test_a_backend_of_another_protocol_is_502(start_cppx, request, annotation, make):
    backend = request.getfixturevalue(make)("other")
    objects = [*service_of("web", backend), ingress("web", rule("site.test", "web:80"), annotations={PROTOCOL: annotation})]
    config = {"proxy-connect-timeout": "500ms", "proxy-read-timeout": "1", "proxy-next-upstream-tries": "1"}
    cppx = start_cppx({"all.yaml": objects}, config=config)
    with cppx.h2() as client:
        assert client.ask("POST", body=b"x").status in (502, 504)
    backend.errors.clear()


def test_an_unknown_protocol_is_reported_and_http(start_cppx, make_backend):
    backend: Backend = make_backend("web")
    objects = [*service_of("web", backend), ingress("web", rule("site.test", "web:80"), annotations={PROTOCOL: "GOPHER"})]
    cppx = start_cppx({"all.yaml": objects})
    assert cppx.get().text == "web"
    cppx.wait_for_log("backend-protocol")
