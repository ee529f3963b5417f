"""Clients that are slow on purpose, or many: others are served, and memory and descriptors stay bounded."""

import contextlib
import ssl
import threading
import time

import pytest

from support.client import Connection, client_context, request
from support.cppx import measured_memory
from support.manifests import config_map, ingress, rule, service_of
from support.waiting import SLOW, scaled, wait_for
from support.wire import Truncated

MIB = 1024 * 1024


@pytest.fixture
def site(start_cppx, make_backend):
    def start(handler=None, workers=1, **config):
        backend = make_backend("main", **({"handler": handler} if handler else {}))
        objects = [*service_of("main", backend), ingress("site", rule("site.test", "main:80"))]
        settings = {name.replace("_", "-"): value for name, value in config.items()}
        cppx = start_cppx({"all.yaml": objects}, config=settings, workers=workers, environment=measured_memory())
        return cppx, backend

    return start


@contextlib.contextmanager
def many(count, connect):
    """`count` connections, all closed at the end."""
    connections = []
    try:
        for _ in range(count):
            connections.append(connect())
        yield connections
    finally:
        for connection in connections:
            connection.close()


def serve_others(cppx, count=20):
    """Requests on connections of their own, each answered soon."""
    start = time.monotonic()
    for _ in range(count):
        assert cppx.get().status == 200
    assert time.monotonic() - start < scaled(5)


def closed(connection):
    """Whether the server has ended this connection, now."""
    usual = connection.sock.gettimeout()
    connection.sock.settimeout(0.001)
    try:
        return connection.sock.recv(1) == b""
    except (TimeoutError, BlockingIOError):
        return False
    except OSError:
        return True
    finally:
        connection.sock.settimeout(usual)


def test_slow_heads(site):
    """A head that trickles has one time limit for the whole, and holds one small buffer meanwhile."""
    cppx, backend = site(client_header_timeout="1500ms")
    serve_others(cppx)
    before = cppx.memory_bytes()
    with many(200, cppx.connect) as connections:
        for connection in connections:
            connection.send(b"GET / HTTP/1.1\r\nHost: site.test\r\nX-A: ")
        serve_others(cppx)
        assert cppx.memory_bytes() - before < 200 * 64 * 1024 * SLOW
        end = time.monotonic() + scaled(8)
        waiting = list(connections)
        while waiting and time.monotonic() < end:
            for connection in waiting:
                with contextlib.suppress(OSError):
                    connection.send(b"a")
            time.sleep(0.1)
            waiting = [connection for connection in waiting if connection.buffer == b"" and not answered(connection)]
        assert waiting == []
    assert len(backend.requests) == 40


def answered(connection):
    """Whether a 408 or the end has come."""
    connection.sock.settimeout(0.001)
    try:
        got = connection.sock.recv(65536)
    except (TimeoutError, BlockingIOError):
        return False
    except OSError:
        return True
    assert got == b"" or got.startswith(b"HTTP/1.1 408 "), got
    return True


def test_slow_bodies(site):
    """Bodies that stop are given up; those that trickle hold neither threads nor large buffers."""
    cppx, backend = site(client_body_timeout="500ms")
    serve_others(cppx)
    before = cppx.memory_bytes()
    with many(100, cppx.connect) as connections:
        for connection in connections:
            connection.send(request("POST", headers=[("Content-Length", "100000")]) + b"x")
        backend.wait_for_requests(120)
        serve_others(cppx)
        assert cppx.memory_bytes() - before < 100 * 256 * 1024 * SLOW
        for connection in connections:
            with contextlib.suppress(Truncated):
                assert connection.read_response("POST").status == 408
    wait_for(lambda: backend.open_connections <= 2, 5, "the requests at the backend to be given up")


def test_slow_readers(site):
    """Responses that nobody reads stop at the backend instead of filling memory."""
    size = 64 * MIB
    sent = []

    def handler(exchange):
        exchange.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        piece = b"x" * 65536
        try:
            for _ in range(size // len(piece)):
                exchange.send(piece)
        except OSError:
            exchange.ended = True
            sent.append(exchange)

    cppx, backend = site(handler)
    before = cppx.memory_bytes()
    with many(20, lambda: cppx.connect(receive_buffer=4096)) as connections:
        for connection in connections:
            connection.send(request())
        backend.wait_for_requests(20)
        for connection in connections:
            assert connection.read_response_head().status == 200
        assert cppx.get("unknown.test").status == 404
        assert cppx.memory_bytes() - before < 20 * 512 * 1024 * SLOW
    wait_for(lambda: len(sent) == 20, 10, "the backend to be told that nobody reads")


def test_idle_connections_cost_little(site):
    cppx, _ = site()
    serve_others(cppx)
    before = cppx.memory_bytes()
    with many(300, cppx.connect) as connections:
        for connection in connections:
            assert connection.ask(request()).status == 200
        assert cppx.memory_bytes() - before < 300 * 16 * 1024 * SLOW
        serve_others(cppx)


def test_idle_connections_make_room(site):
    """At the limit the one that has been idle for longest goes, whether it has asked for anything or not."""
    cppx, _ = site(max_worker_connections="30")
    with many(30, cppx.connect) as connections:
        for connection in connections[:20]:
            assert connection.ask(request()).status == 200
        wait_for(lambda: cppx.metric("nginx_ingress_controller_nginx_process_connections{") == 30, 5, "all of them")
        assert [closed(connection) for connection in connections] == [False] * 30
        # Touched again, the first one is the last to go.
        assert connections[0].ask(request()).status == 200
        serve_others(cppx, 10)
        assert not closed(connections[0])
        assert sum(closed(connection) for connection in connections) >= 1
        with many(40, cppx.connect) as others:
            for connection in others:
                with contextlib.suppress(Truncated, OSError):
                    assert connection.ask(request()).status == 200
            wait_for(lambda: closed(connections[0]), 5, "the first one to go")
        assert cppx.metric("nginx_ingress_controller_nginx_process_connections{") <= 30
    assert cppx.metric("cppx_idle_connections_closed_total") >= 30


def test_silent_tls_connections_make_room(site):
    cppx, _ = site(max_worker_connections="30")
    with many(30, lambda: Connection(cppx.https_port)) as connections:
        wait_for(lambda: cppx.metric("nginx_ingress_controller_nginx_process_connections{") == 30, 5, "all of them")
        with many(10, cppx.connect) as others:
            for connection in others:
                assert connection.ask(request()).status == 200
            # Forty connections for thirty places. One that has been answered while others still wait to be accepted
            # is idle too, and may have gone in place of a silent one.
            silent = sum(closed(connection) for connection in connections)
            assert silent + sum(closed(connection) for connection in others) >= 10
            assert 0 < silent < 30


def test_connections_in_use_are_not_closed_for_others(site):
    """At the limit with requests in progress everywhere, new clients wait until one has ended."""
    go = threading.Event()

    def handler(exchange):
        go.wait(30)
        exchange.reply()

    cppx, backend = site(handler, max_worker_connections="20")
    with many(20, cppx.connect) as busy:
        for connection in busy:
            connection.send(request())
        backend.wait_for_requests(20)
        with many(200, cppx.connect) as waiting:
            for connection in waiting:
                connection.send(request())
            files = cppx.open_files()
            with cppx.connect(timeout=0.3) as late:
                late.send(request())
                with pytest.raises(TimeoutError):
                    late.read_response_head()
            assert len(backend.requests) == 20
            assert cppx.open_files() <= files
            assert cppx.health("/readyz") == 200
            go.set()
            for connection in busy + waiting:
                assert connection.read_response().status == 200
    assert cppx.metric("cppx_accept_paused_total") >= 1
    assert len(backend.requests) >= 220


def greeting(cppx):
    """A TLS client that has sent its ClientHello."""
    connection = Connection(cppx.https_port)
    sock = connection.sock
    connection.sock = client_context().wrap_socket(sock, server_hostname="site.test", do_handshake_on_connect=False)
    connection.sock.settimeout(0)
    with pytest.raises(ssl.SSLWantReadError):
        connection.sock.do_handshake()
    connection.sock.settimeout(scaled(10))
    return connection


@contextlib.contextmanager
def busy_clients(count, cppx, backend, held):
    """So many with a request in progress, which are answered in the end."""
    with many(count, cppx.connect) as busy:
        for connection in busy:
            connection.send(request(target="/held"))
        backend.wait_for_requests(count)
        yield
        held.go_on.set()
        for connection in busy:
            assert connection.read_response().status == 200


def test_tls_clients_who_wait_for_room_are_all_answered(site, held):
    """One after the other: none is closed in the middle of its handshake for the next one."""
    cppx, backend = site(held, max_worker_connections="5")
    with busy_clients(5, cppx, backend, held), many(25, lambda: greeting(cppx)) as waiting:
        wait_for(lambda: cppx.metric("cppx_accept_paused_total") >= 1, 5, "the limit to be met")
        held.go_on.set()
        for connection in waiting:
            connection.sock.do_handshake()
            assert connection.ask(request()).status == 200


def test_a_client_whose_tls_handshake_has_just_ended_is_answered(site, held):
    """Its request is on the way: at the limit, with all others busy, it need not go for who waits."""
    cppx, backend = site(held, max_worker_connections="5")
    with busy_clients(4, cppx, backend, held):
        with cppx.connect_tls("site.test") as newcomer, cppx.connect() as waiting:
            waiting.send(request())
            met = ("cppx_accept_paused_total", "cppx_idle_connections_closed_total")
            wait_for(lambda: any(cppx.metric(name) for name in met), 5, "the limit to be met")
            assert newcomer.ask(request()).status == 200
            assert waiting.read_response().status == 200


def test_idle_connections_to_backends_make_room_for_clients(site, held):
    """Those of a client that is still busy, so that nothing else tells that there is room."""
    cppx, backend = site(held, max_worker_connections="0", max_worker_open_files="64")
    with cppx.h2() as client:
        long = client.start("POST", end=False)
        short = [client.start(path="/held") for _ in range(58)]
        backend.wait_for_requests(59)
        with cppx.connect(timeout=5) as waiting:
            waiting.send(request())
            wait_for(lambda: cppx.metric("cppx_accept_paused_total") >= 1, 5, "the limit to be met")
            held.go_on.set()
            assert {client.finish(stream).status for stream in short} == {200}
            assert waiting.read_response().status == 200
        client.send(long, end=True)
        assert client.finish(long).status == 200


def test_a_client_is_not_the_one_to_go_for_its_own_request(site, held):
    """When files are short an idle client makes room for a connection to a backend."""
    options = {"max_worker_open_files": "64", "upstream_keepalive_connections": "0"}
    cppx, backend = site(held, **options)
    with cppx.h2() as client, cppx.h2() as other:
        assert client.finish(client.start()).status == 200
        streams = [other.start(path="/held") for _ in range(62)]
        backend.wait_for_requests(63)
        assert client.finish(client.start()).status == 200
        held.go_on.set()
        assert {other.finish(stream).status for stream in streams} == {200}


def test_a_higher_limit_lets_those_in_who_wait(site):
    cppx, _ = site(max_worker_connections="1")
    with cppx.connect() as busy:
        busy.send(b"GET / HTTP/1.1\r\nHost: site.test\r\n")
        wait_for(lambda: cppx.metric("nginx_ingress_controller_nginx_process_connections{") == 1, 5, "it")
        with cppx.connect() as waiting:
            waiting.send(request())
            wait_for(lambda: cppx.metric("cppx_accept_paused_total") == 1, 5, "the limit to be met")
            cppx.write("config.yaml", [config_map("cppx", {"max-worker-connections": "2"})])
            assert waiting.read_response().status == 200
        busy.send(b"\r\n")
        assert busy.read_response().status == 200


def test_a_flood_of_connections_leaves_nothing_behind(site):
    cppx, _ = site(max_worker_connections="50", workers=2)
    serve_others(cppx)
    files = cppx.open_files()
    for _ in range(3):
        with many(200, cppx.connect) as connections:
            for number, connection in enumerate(connections):
                if number % 3 == 0:
                    with contextlib.suppress(OSError):
                        connection.send(b"GET / HTTP/1.1\r\n")
        serve_others(cppx, 5)
    wait_for(lambda: cppx.open_files() <= files + 4, 5, "the descriptors to be closed")
