"""PROXY protocol in front of clients' connections: use-proxy-protocol."""

import contextlib
import time

import pytest

from support.backend import Backend
from support.certificates import make_certificate
from support.client import Connection, request
from support.cppx import Cppx
from support.h2 import H2Client, exactly
from support.h2_raw import PREFACE
from support.manifests import config_map, ingress, rule, service_of, tls_secret
from support.proxy_protocol import SIGNATURE, Announced, binary, local, version1, version2
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

    def seen(self, header, http2=False, host="site.test", headers=(), pause=None, **options):
        """The fields of a request as the backend saw them, sent after `header`: byte by byte with a `pause`."""
        if pause is not None:
            with self.cppx.connect() as connection:
                for byte in header:
                    connection.send(bytes([byte]))
                    time.sleep(pause)
                return self._ask(connection, http2, host, headers)
        port = self.cppx.https_port if options.get("server_name") else self.cppx.http_port
        with Announced(port, header, **options) as connection:
            return self._ask(connection, http2, host, headers)

    def _ask(self, connection, http2, host, headers):
        if http2:
            fields = [(name.lower(), value) for name, value in headers]
            exactly(H2Client(connection).ask(host=host, headers=fields), 200, b"main")
        else:
            assert connection.ask(request(host=host, headers=headers)).status == 200
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


HTTP = pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
VERSIONS = pytest.mark.parametrize("version", [version1, version2])


@HTTP
@VERSIONS
@pytest.mark.parametrize("pause", [None, 0.002])
@pytest.mark.parametrize(
    ("source", "destination", "shown"),
    [
        (CLIENT, "198.51.100.2", CLIENT),
        ("2001:db8::1", "2001:db8::2", "2001:db8::1"),
        ("::ffff:192.0.2.1", "::ffff:198.51.100.2", CLIENT),
    ],
)
def test_the_client_is_the_one_of_the_header(balanced, http2, version, pause, source, destination, shown):
    headers = balanced.seen(version(source, destination, destination_port=1234), http2, pause=pause)
    assert headers.one("X-Real-IP") == shown
    assert headers.one("X-Forwarded-For") == shown
    assert headers.one("X-Forwarded-Port") == "1234"
    assert headers.one("X-Forwarded-Proto") == "http"


@HTTP
def test_port_443_means_that_the_load_balancer_ended_tls(balanced, http2):
    headers = balanced.seen(version1(destination_port=443), http2, host="secure.test")
    assert headers.one("X-Forwarded-Proto") == "https"
    assert headers.one("X-Scheme") == "https"
    assert headers.one("X-Forwarded-Port") == "443"
    with Announced(balanced.cppx.http_port, version1()) as connection:
        if http2:
            response = H2Client(connection).ask(path="/x", host="secure.test")
        else:
            response = connection.ask(request(target="/x", host="secure.test"))
        assert (response.status, response.headers.one("Location")) == (308, "https://secure.test/x")


@HTTP
def test_fields_of_the_client_are_not_believed(balanced, http2):
    forged = [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https"), ("X-Real-IP", "203.0.113.9")]
    headers = balanced.seen(version2(), http2, headers=forged)
    assert headers.one("X-Real-IP") == CLIENT
    assert headers.one("X-Forwarded-For") == CLIENT
    assert headers.one("X-Forwarded-Proto") == "http"
    assert headers.one("X-Original-Forwarded-For") == "203.0.113.9"


@HTTP
@pytest.mark.parametrize(
    "header",
    [b"PROXY UNKNOWN\r\n", local(), binary(0x21, 0), binary(0x21, 0x31, b"x" * 216), binary(0x21, 0x12, b"x" * 12)],
    ids=["unknown", "local", "unspecified", "unix", "datagram"],
)
def test_a_header_without_addresses_leaves_those_of_the_connection(balanced, http2, header):
    headers = balanced.seen(header, http2)
    assert headers.one("X-Real-IP") == "127.0.0.1"
    assert headers.one("X-Forwarded-Port") == str(balanced.cppx.http_port)


@HTTP
def test_type_length_values_are_passed_over(balanced, http2):
    tlvs = b"\x01\x00\x02h2" + b"\x04\x0f\x00" + bytes(0xF00)
    assert balanced.seen(version2(tlvs=tlvs), http2).one("X-Real-IP") == CLIENT


def test_the_address_holds_for_the_whole_connection(balanced):
    with balanced.cppx.connect() as connection:
        connection.send(version1() + request(target="/1"))
        assert connection.read_response().status == 200
        assert connection.ask(request(target="/2")).status == 200
        assert connection.ask(version1("203.0.113.9")).status == 400
    assert [seen.headers.one("X-Real-IP") for seen in balanced.backend.requests] == [CLIENT, CLIENT]


def test_the_address_holds_for_all_streams_of_a_connection(balanced):
    with Announced(balanced.cppx.http_port, version2()) as connection:
        client = H2Client(connection)
        streams = [client.start(path=f"/{number}") for number in range(10)]
        for stream in streams:
            exactly(client.finish(stream), 200, b"main")
    assert [seen.headers.one("X-Real-IP") for seen in balanced.backend.requests] == [CLIENT] * 10


@HTTP
@VERSIONS
@pytest.mark.parametrize("at_once", [True, False])
def test_tls_follows_the_header(balanced, http2, version, at_once):
    """The client's first TLS record comes with the header in one segment, or after it."""
    alpn = "h2" if http2 else "http/1.1"
    header = version(destination_port=8443)
    options = {"at_once": at_once, "server_name": "secure.test", "alpn": [alpn]}
    headers = balanced.seen(header, http2, host="secure.test", **options)
    assert headers.one("X-Real-IP") == CLIENT
    assert headers.one("X-Forwarded-For") == CLIENT
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
        PREFACE,
    ],
    ids=["none", "lf", "port", "long-line", "long", "version-3", "short", "checksum", "tls", "HTTP/2"],
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


@pytest.fixture
def patient(start_cppx, make_backend):
    """A cppx that would wait long for a header, with few connections."""
    config = {
        "use-proxy-protocol": "true",
        "proxy-protocol-header-timeout": f"{scaled(60):.0f}s",
        "max-worker-connections": "4",
    }
    return start_cppx({"site.yaml": objects_of(make_backend("main"))}, workers=1, config=config)


def test_who_has_sent_nothing_makes_room(patient):
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(patient.connect()) for _ in range(4)]
        wait_for(lambda: patient.metric("nginx_ingress_controller_nginx_process_connections{") == 4, 5, "all four")
        with patient.connect() as connection:
            connection.send(version1() + request())
            assert connection.read_response().status == 200
        silent[0].expect_closed()


@pytest.mark.parametrize("sent", [b"", b"PROXY TCP4 192.0.2.1"], ids=["nothing", "a part of it"])
def test_who_owes_a_header_does_not_hold_the_end_up(patient, sent):
    with patient.connect() as connection:
        connection.send(sent)
        wait_for(lambda: patient.metric("nginx_ingress_controller_nginx_process_connections{") == 1, 5, "it to be taken")
        patient.terminate()
        assert patient.process.wait(scaled(5)) == 0
        connection.expect_closed()


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


@pytest.mark.parametrize("tls", [False, True], ids=["prior knowledge", "alpn"])
def test_streams_of_http2_clients_are_announced_one_by_one(announced, tls):
    cppx, headers, _ = announced("v1")
    with cppx.h2(tls=tls, source="127.0.0.3") as client:
        port = client.wire.sock.getsockname()[1]
        streams = [client.start(path=f"/{number}") for number in range(5)]
        for stream in streams:
            exactly(client.finish(stream), 200, b"main")
    assert headers == [version1("127.0.0.3", "127.0.0.1", port, 443 if tls else cppx.http_port)] * 5


@pytest.fixture(params=["GRPC", "kubernetes.io/h2c"])
def unannounced(start_cppx, make_h2_backend, request):
    """A cppx that was told to send PROXY headers to a backend with HTTP/2, by annotation or appProtocol; the backend."""
    notes = {"cppx.io/proxy-protocol": "v1"}
    if request.param == "GRPC":
        notes["nginx.ingress.kubernetes.io/backend-protocol"] = "GRPC"
    backend = make_h2_backend("main")
    app_protocol = None if request.param == "GRPC" else request.param
    site = ingress("site", rule("site.test", "main:80"), annotations=notes)
    return start_cppx({"all.yaml": [*service_of("main", backend, app_protocol=app_protocol), site]}), backend


def test_backends_with_http2_get_no_header(unannounced):
    """Clients share these connections, and a header is no HTTP/2."""
    cppx, backend = unannounced
    with cppx.connect(source="127.0.0.3") as a, cppx.h2(source="127.0.0.4") as b:
        assert a.ask(request()).text == "main"
        exactly(b.ask(), 200, b"main")
    assert [seen.headers.one("x-real-ip") for seen in backend.requests] == ["127.0.0.3", "127.0.0.4"]
    assert (backend.fragments, backend.errors) == ([], [])


@pytest.mark.parametrize("unannounced", ["GRPC", "kubernetes.io/h2c"], indirect=True)
def test_that_backends_with_http2_get_no_header_is_reported(unannounced):
    cppx, _ = unannounced
    cppx.wait_for_log("cppx.io/proxy-protocol", "no PROXY header is sent", seconds=1)


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
