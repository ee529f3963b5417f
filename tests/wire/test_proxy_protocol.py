"""PROXY protocol in front of clients' connections: use-proxy-protocol."""

import ssl
import time

import pytest

from support.backend import Backend
from support.certificates import make_certificate
from support.client import Connection, client_context, request
from support.cppx import Cppx
from support.manifests import config_map, ingress, rule, service_of, tls_secret
from support.proxy_protocol import SIGNATURE, binary, local, version1, version2
from support.waiting import scaled, wait_for
from support.wire import Truncated

CLIENT = "192.0.2.1"


def objects_of(backend, tls=False):
    objects = [*service_of("main", backend), ingress("site", rule("site.test", "main:80"))]
    if tls:
        objects += [
            ingress("secure", rule("secure.test", "main:80"), tls=[("secure", "secure.test")]),
            tls_secret("secure", make_certificate("secure.test")),
        ]
    return objects


class Balanced:
    """A cppx behind a load balancer at 127.0.0.1 that sends PROXY headers."""

    def __init__(self, cppx, backend):
        self.cppx = cppx
        self.backend = backend

    def seen(self, header, raw=None, pause=None):
        """The request as the backend saw it, sent after `header`."""
        with self.cppx.connect() as connection:
            if pause is None:
                connection.send(header + (raw or request()))
            else:
                for byte in header:
                    connection.send(bytes([byte]))
                    time.sleep(pause)
                connection.send(raw or request())
            assert connection.read_response().status == 200
        return self.backend.last.headers

    def refused(self):
        return self.cppx.metric("cppx_proxy_protocol_refused_total")


@pytest.fixture(scope="module")
def shared(cppx_binary, tmp_path_factory):
    with Backend("main") as backend:
        folder = tmp_path_factory.mktemp("proxy-protocol") / "manifests"
        config = {"use-proxy-protocol": "true", "proxy-real-ip-cidr": "127.0.0.1"}
        with Cppx(folder, {}, config=config) as cppx:
            cppx.write("site.yaml", objects_of(backend, tls=True))
            shared = Balanced(cppx, backend)

            def served():
                with cppx.connect() as connection:
                    return connection.ask(version1() + request()).status == 200

            cppx.wait_until_served(served, "the site to be served")
            yield shared


@pytest.fixture
def balanced(shared):
    shared.backend.clear()
    yield shared
    assert not shared.backend.errors, shared.backend.errors
    shared.cppx.check_log()


@pytest.mark.parametrize("version", [version1, version2])
@pytest.mark.parametrize("pause", [None, 0.002])
@pytest.mark.parametrize(
    ("source", "destination", "shown"),
    [
        (CLIENT, "198.51.100.2", CLIENT),
        ("2001:db8::1", "2001:db8::2", "2001:db8::1"),
        ("::ffff:192.0.2.1", "::ffff:198.51.100.2", CLIENT),
    ],
)
def test_the_client_is_the_one_of_the_header(balanced, version, pause, source, destination, shown):
    headers = balanced.seen(version(source, destination, destination_port=1234), pause=pause)
    assert headers.one("X-Real-IP") == shown
    assert headers.one("X-Forwarded-For") == shown
    assert headers.one("X-Forwarded-Port") == "1234"
    assert headers.one("X-Forwarded-Proto") == "http"


def test_port_443_means_that_the_load_balancer_ended_tls(balanced):
    headers = balanced.seen(version1(destination_port=443), request(host="secure.test"))
    assert headers.one("X-Forwarded-Proto") == "https"
    assert headers.one("X-Scheme") == "https"
    assert headers.one("X-Forwarded-Port") == "443"
    with balanced.cppx.connect() as connection:
        connection.send(version1() + request(target="/x", host="secure.test"))
        response = connection.read_response()
        assert (response.status, response.headers.one("Location")) == (308, "https://secure.test/x")


def test_fields_of_the_client_are_not_believed(balanced):
    forged = [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https"), ("X-Real-IP", "203.0.113.9")]
    headers = balanced.seen(version2(), request(headers=forged))
    assert headers.one("X-Real-IP") == CLIENT
    assert headers.one("X-Forwarded-For") == CLIENT
    assert headers.one("X-Forwarded-Proto") == "http"
    assert headers.one("X-Original-Forwarded-For") == "203.0.113.9"


@pytest.mark.parametrize(
    "header",
    [b"PROXY UNKNOWN\r\n", local(), binary(0x21, 0), binary(0x21, 0x31, b"x" * 216), binary(0x21, 0x12, b"x" * 12)],
    ids=["unknown", "local", "unspecified", "unix", "datagram"],
)
def test_a_header_without_addresses_leaves_those_of_the_connection(balanced, header):
    headers = balanced.seen(header)
    assert headers.one("X-Real-IP") == "127.0.0.1"
    assert headers.one("X-Forwarded-Port") == str(balanced.cppx.http_port)


def test_type_length_values_are_passed_over(balanced):
    tlvs = b"\x01\x00\x02h2" + b"\x04\x0f\x00" + bytes(0xF00)
    assert balanced.seen(version2(tlvs=tlvs)).one("X-Real-IP") == CLIENT


def test_the_address_holds_for_the_whole_connection(balanced):
    with balanced.cppx.connect() as connection:
        connection.send(version1() + request(target="/1"))
        assert connection.read_response().status == 200
        assert connection.ask(request(target="/2")).status == 200
        assert connection.ask(version1("203.0.113.9")).status == 400
    assert [seen.headers.one("X-Real-IP") for seen in balanced.backend.requests] == [CLIENT, CLIENT]


@pytest.mark.parametrize("version", [version1, version2])
@pytest.mark.parametrize("at_once", [True, False])
def test_tls_follows_the_header(balanced, version, at_once):
    """The client's first TLS record comes with the header in one segment, or after it."""
    context = client_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="secure.test")
    with Connection(balanced.cppx.https_port) as connection:
        header = version(destination_port=8443)
        if not at_once:
            connection.send(header)
            header = b""

        def run(step):
            nonlocal header
            while True:
                try:
                    result = step()
                    return result
                except ssl.SSLWantReadError:
                    connection.send(header + outgoing.read())
                    header = b""
                    incoming.write(connection.read_some())

        run(tls.do_handshake)
        tls.write(request(host="secure.test"))
        connection.send(outgoing.read())
        assert run(lambda: tls.read(12)) == b"HTTP/1.1 200"
    headers = balanced.backend.last.headers
    assert headers.one("X-Real-IP") == CLIENT
    assert headers.one("X-Forwarded-Proto") == "https"
    assert headers.one("X-Forwarded-Port") == "8443"


@pytest.mark.parametrize(
    "sent",
    [
        request(),
        b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 80\n" + request(),
        b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 99999\r\n" + request(),
        b"PROXY TCP4 " + b"1" * 96,
        SIGNATURE + b"\x21\x11\xff\xff",
        binary(0x31, 0x11, bytes(12)),
        binary(0x21, 0x11, bytes(11)),
        version2(tlvs=b"\x03\x00\x04\x00\x00\x00\x00") + request(),
        b"\x16\x03\x01\x02\x00",
    ],
    ids=["none", "lf", "port", "long-line", "long", "version-3", "short", "checksum", "tls"],
)
def test_a_connection_without_a_right_header_is_closed(balanced, sent):
    before = balanced.refused()
    with balanced.cppx.connect() as connection:
        connection.send(sent)
        connection.expect_closed()
    assert balanced.refused() == before + 1
    assert balanced.backend.requests == []


def test_a_header_that_is_cut_short_is_not_waited_for(balanced):
    before = balanced.refused()
    with balanced.cppx.connect() as connection:
        connection.send(b"PROXY TCP4 192.0.2.1")
        connection.finish_sending()
        connection.expect_closed()
    assert balanced.refused() == before + 1


def test_other_peers_are_refused(balanced):
    """127.0.0.2 is not the load balancer, whatever it sends."""
    for sent in (request(), version1() + request()):
        connection = Connection(balanced.cppx.http_port, source="127.0.0.2")
        with connection:
            connection.send(sent)
            connection.expect_closed()
    assert balanced.backend.requests == []


def test_a_header_must_come_in_time(start_cppx, make_backend):
    config = {"use-proxy-protocol": "true", "proxy-protocol-header-timeout": "300ms"}
    cppx = start_cppx({"site.yaml": objects_of(make_backend("main"))}, config=config)
    start = time.monotonic()
    with cppx.connect() as silent, cppx.connect() as slow:
        for byte in b"PROXY TCP4 192.0.2.1":
            slow.send(bytes([byte]))
        silent.expect_closed()
        slow.expect_closed()
    assert 0.25 < time.monotonic() - start < scaled(3)
    assert cppx.health("/readyz") == 200


def test_switched_on_and_off_while_running(start_cppx, make_backend):
    """Connections that are open go on as they began."""
    cppx = start_cppx({"site.yaml": objects_of(make_backend("main"))}, config={})
    with cppx.connect() as old:
        assert old.ask(request()).status == 200
        cppx.write("config.yaml", [config_map("cppx", {"use-proxy-protocol": "true"})])

        def needs_header():
            with cppx.connect() as connection:
                connection.send(version1() + request())
                return connection.read_response().status == 200

        cppx.wait_until_served(needs_header, "PROXY headers to be read")
        assert old.ask(request()).status == 200
        cppx.write("config.yaml", [config_map("cppx", {})])

        def needs_none():
            try:
                return cppx.get().status == 200
            except Truncated:
                return False

        cppx.wait_until_served(needs_none, "PROXY headers to be gone")


def test_nothing_is_left_of_refused_connections(balanced):
    before = balanced.cppx.open_files()
    connections = [balanced.cppx.connect() for _ in range(50)]
    for number, connection in enumerate(connections):
        connection.send(b"PROXY TCP4 1" if number % 2 else b"x")
    for connection in connections:
        connection.close()
    wait_for(lambda: balanced.cppx.open_files() <= before, 5, "the descriptors to be closed")


def header_of(wire):
    """Reads the PROXY header at the beginning of a backend's connection."""
    start = wire.read_exact(12)
    if start != SIGNATURE:
        return start + wire.read_until(b"\r\n")
    head = wire.read_exact(4)
    return start + head + wire.read_exact(int.from_bytes(head[2:], "big"))


@pytest.fixture
def announced(start_cppx, make_backend):
    """A cppx that sends PROXY headers to its backend, and the headers that came."""

    def start(version, config=None):
        headers = []
        backend = make_backend("main", on_connect=lambda wire: headers.append(header_of(wire)))
        marks = {"cppx.io/proxy-protocol": version}
        objects = [
            *service_of("main", backend),
            ingress("site", rule("site.test", "main:80"), annotations=marks, tls=[("secure", "site.test")]),
            tls_secret("secure", make_certificate("site.test")),
        ]
        settings = {"ssl-redirect": "false", **(config or {})}
        return start_cppx({"all.yaml": objects}, config=settings), headers, backend

    return start


def test_backends_are_told_of_the_client_in_version_1(announced):
    cppx, headers, _ = announced("v1")
    with cppx.connect(source="127.0.0.3") as connection:
        port = connection.sock.getsockname()[1]
        assert connection.ask(request()).status == 200
    assert headers == [version1("127.0.0.3", "127.0.0.1", port, cppx.http_port)]


def test_backends_are_told_of_the_client_in_version_2(announced):
    cppx, headers, _ = announced("v2")
    with cppx.connect_tls("site.test", source="127.0.0.3") as connection:
        port = connection.sock.getsockname()[1]
        assert connection.ask(request()).status == 200
    assert headers == [version2("127.0.0.3", "127.0.0.1", port, 443)]


def test_connections_to_backends_are_not_shared_by_clients(announced):
    cppx, headers, backend = announced("v1")
    with cppx.connect(source="127.0.0.3") as a, cppx.connect(source="127.0.0.4") as b:
        for connection in (a, b, a, b):
            assert connection.ask(request("POST", body=b"x")).status == 200
    assert [header.split()[2] for header in headers] == [b"127.0.0.3", b"127.0.0.4"] * 2
    wait_for(lambda: backend.open_connections == 0, 5, "the connections to be closed")


def test_the_client_of_a_header_is_passed_on_in_the_next(announced):
    cppx, headers, _ = announced("v2", {"use-proxy-protocol": "true"})
    with cppx.connect() as connection:
        connection.send(version1(CLIENT, source_port=4711, destination_port=443) + request())
        assert connection.read_response().status == 200
    assert headers == [version2(CLIENT, "127.0.0.1", 4711, 443)]


def test_a_backend_that_closes_at_once_is_tried_again_with_a_header(announced):
    cppx, headers, backend = announced("v1")
    real = backend.on_connect

    def close_first(wire):
        real(wire)
        if len(headers) == 1:
            wire.close()
            return "done"
        return None

    backend.on_connect = close_first
    assert cppx.get().status == 200
    assert len(headers) == 2 and headers[0].split()[2] == headers[1].split()[2] == b"127.0.0.1"
