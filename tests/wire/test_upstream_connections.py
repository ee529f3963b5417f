"""Connections to backends: reuse, connections that died while idle, retries, fair shares."""

import collections
import contextlib
import threading
import time

import pytest

from support.backend import black_hole, refused_port, tls_handshake
from support.client import request
from support.cppx import has_undefined_sanitizer
from support.h2_backend import H2Backend
from support.manifests import endpoint_slice, ingress, rule, service, service_of
from support.waiting import wait_for
from support.wire import chunk


def objects_for(*backends, annotations=None):
    return [*service_of("web", *backends), ingress("web", rule("site.test", "web:80"), annotations=annotations)]


def test_one_client_connection_uses_one_backend_connection(start_cppx, make_backend):
    backend = make_backend()
    cppx = start_cppx({"all.yaml": objects_for(backend)})
    with cppx.connect() as connection:
        for _ in range(100):
            assert connection.ask(request("POST", body=b"x" * 1000)).status == 200
    assert backend.accepted == 1


@pytest.mark.parametrize("size", [1, 1000, 50_000])
def test_a_body_in_a_segment_of_its_own_costs_no_connection(start_cppx, make_backend, size):
    """As many clients send it: the head first, and the body when that has gone."""
    backend = make_backend()
    cppx = start_cppx({"all.yaml": objects_for(backend)}, workers=1)
    late = 0  # bodies that cppx need not have waited for, because this test was held up

    @contextlib.contextmanager
    def between_head_and_body():
        nonlocal late
        begun = time.monotonic()
        yield
        late += time.monotonic() - begun > 0.2

    with cppx.connect() as connection:
        for _ in range(20):
            with between_head_and_body():
                connection.send(request("POST", headers=[("Content-Length", str(size))]))
                time.sleep(0.005)
                connection.send(b"x" * size)
            assert connection.read_response("POST").status == 200
            assert len(backend.last.body) == size
    with cppx.h2() as client:
        for _ in range(20):
            with between_head_and_body():
                stream = client.start("POST", "/", headers=[("content-length", str(size))], end=False)
                time.sleep(0.005)
                client.send(stream, b"x" * size, end=True)
            assert client.finish(stream).status == 200
            assert len(backend.last.body) == size
    assert backend.accepted <= 1 + late


def test_a_body_that_does_not_come_soon_is_not_waited_for(site):
    with site.connect() as connection:
        connection.send(request("POST", headers=[("Content-Length", "4")]))
        site.backend.wait_for_requests(1)
        connection.send(b"body")
        assert connection.read_response("POST").status == 200
    assert site.backend.last.body == b"body"


def test_uploads_leave_no_more_connections_than_were_used_at_once(start_cppx, make_backend):
    """Each has one of its own, as it could not be sent again; a backend of few places is not to be filled with idle ones."""
    backend = make_backend()
    cppx = start_cppx({"all.yaml": objects_for(backend)}, workers=1)
    body = b"x" * 200_000
    with cppx.connect() as connection:
        for _ in range(10):
            assert connection.ask(request("POST", body=body)).status == 200
            assert connection.ask(request()).status == 200
        wait_for(lambda: backend.open_connections == 1, 5, "one connection to be left")
    assert backend.last.connection == backend.accepted == 10


def test_uploads_that_are_given_up_leave_the_idle_connections_alone(start_cppx, make_backend, held):
    backend = make_backend(handler=held)
    cppx = start_cppx({"all.yaml": objects_for(backend)}, workers=1)
    with cppx.h2() as client:
        streams = [client.start(path="/held") for _ in range(10)]
        backend.wait_for_requests(10)
        held.go_on.set()
        assert {client.finish(stream).status for stream in streams} == {200}
    assert (backend.accepted, backend.open_connections) == (10, 10)
    for number in range(10):
        with cppx.connect() as connection:
            connection.send(request("POST", headers=[("Transfer-Encoding", "chunked")]) + chunk(b"x" * 100))
            backend.wait_for_requests(11 + number)
    wait_for(lambda: backend.open_connections == 10, 5, "those of the uploads to end")
    assert [cppx.get().status for _ in range(10)] == [200] * 10
    assert backend.last.connection <= 10


def test_backend_connections_are_reused_by_other_clients(start_cppx, make_backend):
    backend = make_backend()
    cppx = start_cppx({"all.yaml": objects_for(backend)}, workers=2)
    for _ in range(100):
        assert cppx.get().status == 200
    assert backend.accepted <= 2, "at most one for each worker"


def test_no_reuse_when_the_pool_is_switched_off(start_cppx, make_backend):
    backend = make_backend()
    cppx = start_cppx({"all.yaml": objects_for(backend)}, config={"upstream-keepalive-connections": "0"})
    for _ in range(5):
        assert cppx.get().status == 200
    assert backend.accepted == 5


def test_a_backend_connection_is_given_up_after_its_number_of_requests(start_cppx, make_backend):
    backend = make_backend()
    cppx = start_cppx({"all.yaml": objects_for(backend)}, config={"upstream-keepalive-requests": "3"}, workers=1)
    for _ in range(9):
        assert cppx.get().status == 200
    assert backend.accepted == 3


def test_an_idle_backend_connection_is_closed_in_time(start_cppx, make_backend):
    backend = make_backend()
    cppx = start_cppx({"all.yaml": objects_for(backend)}, config={"upstream-keepalive-timeout": "200ms"})
    assert cppx.get().status == 200
    wait_for(lambda: backend.open_connections == 0, 5, "the idle connection to be closed")
    assert cppx.get().status == 200


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_connection_that_the_backend_announced_to_close_is_not_used_again(start_cppx, make_backend, version):
    def handler(exchange):
        exchange.read_body()
        exchange.reply(headers=[("Connection", "close")] if version == "1.1" else [], version=version)

    backend = make_backend(handler=handler)
    cppx = start_cppx({"all.yaml": objects_for(backend)}, workers=1)
    with cppx.connect() as connection:
        for _ in range(5):
            assert connection.ask(request("POST", body=b"x")).status == 200
    assert backend.accepted == 5


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_connection_closed_after_the_answer_is_nobodys_error(site, method, how):
    """The backend keeps silent about it and closes right after its answer, while the next request comes."""

    def handler(exchange):
        exchange.read_body()
        exchange.reply(body=b"ok")
        getattr(exchange, how)()

    site.backend.close_connections()
    site.backend.handler = handler
    body = None if method == "GET" else b"x" * 100
    # GETs may race with the close. For others the end must be known: once sent, they are not sent again.
    with site.connect() as connection:
        for _ in range(150):
            response = connection.ask(request(method, body=body))
            assert (response.status, response.body) == (200, b"ok")
            if method != "GET":
                wait_for(lambda: site.backend.open_connections == 0, 5, "the backend's close")


def test_connections_closed_while_idle_are_nobodys_error(site):
    with site.connect() as connection:
        for number in range(100):
            method = "POST" if number % 2 else "GET"
            body = b"x" if number % 2 else None
            assert connection.ask(request(method, body=body)).status == 200
            site.backend.close_connections()


def test_a_request_met_by_a_close_is_sent_again_on_a_new_connection(site):
    """The race itself: the connection dies when it has received the next request, before any answer."""

    def handler(exchange):
        if exchange.request.connection in used:
            exchange.close()
        else:
            used.add(exchange.request.connection)
            exchange.reply(body=b"ok")

    used = set()
    site.backend.close_connections()
    site.backend.handler = handler
    with site.connect() as connection:
        for _ in range(100):
            assert connection.ask(request()).body == b"ok"


def test_a_post_met_by_a_close_is_not_sent_twice(start_cppx, make_backend):
    """A request that is not idempotent and was sent is answered 502, not repeated (RFC 9110 section 9.2.2)."""

    def handler(exchange):
        exchange.read_body()
        exchange.close()

    backends = [make_backend(str(number), handler=handler) for number in range(3)]
    cppx = start_cppx({"all.yaml": objects_for(*backends)})
    for count in range(1, 6):
        assert cppx.ask(request("POST", body=b"once")).status == 502
        assert sum(len(backend.requests) for backend in backends) == count


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("kept", [False, True])
def test_a_post_met_by_a_reset_over_tls_is_not_sent_twice(start_cppx, make_backend, version, kept):
    """The backend has read it, be the connection new or kept after an earlier request: a reset does not undo that."""
    def handler(exchange):
        exchange.read_body()
        if exchange.request.method == "GET":
            exchange.reply()
        else:
            exchange.reset()

    backends = [make_backend(name, handler=handler, on_connect=tls_handshake(version)) for name in ("one", "two")]
    objects = objects_for(*backends, annotations={"nginx.ingress.kubernetes.io/backend-protocol": "HTTPS"})
    cppx = start_cppx({"all.yaml": objects}, config={"upstream-ejection-failures": "0"}, workers=1)
    for count in range(1, 61):
        if kept:
            assert [cppx.get().status for _ in backends] == [200, 200]
        assert cppx.ask(request("POST", body=b"once")).status == 502
        assert sum(seen.method == "POST" for backend in backends for seen in backend.requests) == count
    assert sum(backend.accepted for backend in backends) <= 61, "a POST ends its own only"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_an_idempotent_request_is_tried_three_times_in_all(start_cppx, make_backend, method):
    backends = [make_backend(str(number), handler=lambda exchange: exchange.close()) for number in range(4)]
    cppx = start_cppx({"all.yaml": objects_for(*backends)})
    assert cppx.ask(request(method)).status == 502
    assert sorted(len(backend.requests) for backend in backends) == [0, 1, 1, 1]


def test_tries_are_configurable(start_cppx, make_backend):
    backends = [make_backend(str(number), handler=lambda exchange: exchange.close()) for number in range(4)]
    cppx = start_cppx({"all.yaml": objects_for(*backends)}, config={"proxy-next-upstream-tries": "1"})
    assert cppx.get().status == 502
    assert sum(len(backend.requests) for backend in backends) == 1


def test_an_error_status_is_an_answer_and_not_tried_again(start_cppx, make_backend):
    backends = [make_backend(str(n), handler=lambda exchange: exchange.reply(status=503)) for n in range(3)]
    cppx = start_cppx({"all.yaml": objects_for(*backends)})
    assert cppx.get().status == 503
    assert sum(len(backend.requests) for backend in backends) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_one_dead_endpoint_of_three_is_nobodys_error(start_cppx, make_backend, method):
    holder, dead = refused_port("127.0.0.7")
    alive = [make_backend("one"), make_backend("two")]
    cppx = start_cppx({"all.yaml": objects_for(alive[0], ("127.0.0.7", dead), alive[1])})
    body = None if method == "GET" else b"x" * 5000
    for _ in range(30):
        with cppx.connect() as connection:
            for _ in range(5):
                assert connection.ask(request(method, body=body)).status == 200
    holder.close()
    assert all(len(backend.requests) > 30 for backend in alive)
    assert sum(len(backend.requests) for backend in alive) == 150


def test_an_endpoint_that_does_not_take_connections_is_passed_over(start_cppx, make_backend):
    backend = make_backend("alive")
    with black_hole("127.0.0.8") as hole:
        cppx = start_cppx({"all.yaml": objects_for(backend, hole)}, config={"proxy-connect-timeout": "250ms"})
        assert [cppx.get().status for _ in range(6)] == [200] * 6
        assert [cppx.ask(request("POST", body=b"x")).status for _ in range(6)] == [200] * 6


def test_a_backend_that_closes_before_it_reads_gets_another_endpoint_its_get(start_cppx, make_backend):
    closing = make_backend("closing", on_connect=lambda wire: "done")
    alive = make_backend("alive")
    cppx = start_cppx({"all.yaml": objects_for(closing, alive)})
    assert [cppx.get().text for _ in range(20)] == ["alive"] * 20


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("connections", [1, 5, 30])
def test_round_robin_is_fair(start_cppx, make_backend, connections, workers):
    """Each worker goes round on its own: shares differ by one for each worker, however clients connect."""
    backends = [make_backend(name) for name in ("one", "two", "three")]
    cppx = start_cppx({"all.yaml": objects_for(*backends)}, workers=workers)
    clients = [cppx.connect() for _ in range(connections)]
    for number in range(300):
        assert clients[number % connections].ask(request()).status == 200
    for client in clients:
        client.close()
    counts = [len(backend.requests) for backend in backends]
    assert sum(counts) == 300
    assert max(counts) - min(counts) <= workers, counts


def test_round_robin_is_fair_with_parallel_clients(start_cppx, make_backend):
    backends = [make_backend(name) for name in ("one", "two", "three")]
    cppx = start_cppx({"all.yaml": objects_for(*backends)})
    failed = []

    def client():
        with cppx.connect() as connection:
            for _ in range(60):
                if connection.ask(request()).status != 200:
                    failed.append(1)

    threads = [threading.Thread(target=client) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = [len(backend.requests) for backend in backends]
    assert (failed, sum(counts)) == ([], 600)
    assert max(counts) - min(counts) <= 2, counts


def test_several_addresses_in_one_slice_and_a_named_target_port(start_cppx, make_backend):
    first = make_backend("127.0.0.1", address="127.0.0.1")
    others = [make_backend(address, address=address, port=first.port) for address in ("127.0.0.2", "127.0.0.3")]
    objects = [
        service("web", port=80, target="http", port_name="web"),
        endpoint_slice("web", ["127.0.0.1", "127.0.0.2", "127.0.0.3"], first.port, port_name="web"),
        ingress("web", rule("site.test", "web:80")),
        ingress("named", rule("named.test", "web:web")),
    ]
    cppx = start_cppx({"all.yaml": objects})
    answers = collections.Counter(cppx.get().text for _ in range(30))
    assert sorted(answers) == sorted(backend.name for backend in [first, *others])
    assert cppx.get("named.test").status == 200


def test_ready_endpoints_come_before_those_that_terminate(start_cppx, make_backend):
    """One that still serves while it terminates is used only when none is ready, one that does not serve never."""
    ready, leaving, gone = make_backend("ready"), make_backend("leaving"), make_backend("gone")
    conditions = {
        "leaving": {"ready": False, "serving": True, "terminating": True},
        "gone": {"ready": False, "serving": False, "terminating": True},
    }

    def slices(*backends):
        return [
            endpoint_slice("web", [b.address], b.port, suffix=b.name, conditions=conditions.get(b.name))
            for b in backends
        ]

    routes = [service("web"), ingress("web", rule("site.test", "web:80"))]
    cppx = start_cppx({"routes.yaml": routes, "slices.yaml": slices(leaving, gone, ready)})
    assert {cppx.get().text for _ in range(12)} == {"ready"}
    cppx.apply("slices.yaml", slices(leaving, gone))
    assert {cppx.get().text for _ in range(12)} == {"leaving"}
    cppx.apply("slices.yaml", slices(gone))
    assert cppx.get().status == 503


def test_ipv6_endpoints(start_cppx, make_backend):
    backend = make_backend("six", address="::1")
    cppx = start_cppx({"all.yaml": objects_for(backend)})
    assert cppx.get().text == "six"


@pytest.mark.parametrize(("files", "count"), [(64, 30), (256, 125)])
def test_idle_connections_to_one_backend_make_room_for_another(start_cppx, make_backend, held, files, count):
    """Where the process may open too few files for both."""
    backends = [make_backend(name, handler=held) for name in ("one", "two")]
    objects = [ingress("web", *(rule(f"{backend.name}.test", f"{backend.name}:80") for backend in backends))]
    for backend in backends:
        objects += service_of(backend.name, backend)
    cppx = start_cppx({"all.yaml": objects}, workers=1, open_files=files)
    with cppx.h2() as client:
        for backend in backends:
            held.go_on.clear()
            streams = [client.start(path="/held", host=f"{backend.name}.test") for _ in range(count)]

            def all_there():
                client.ping()
                return len(backend.requests) == count or any(stream.over for stream in streams)

            wait_for(all_there, 5, f"all requests to be at {backend.name}")
            held.go_on.set()
            assert [client.finish(stream).status for stream in streams] == [200] * count


def test_a_lack_of_files_is_held_against_no_endpoint(start_cppx, make_backend, held):
    """Whether it is to be asked over HTTP/1.1 or HTTP/2."""
    if has_undefined_sanitizer():
        pytest.skip("UndefinedBehaviorSanitizer needs a file to look at an object, and takes a lack of them for a fault")
    backends = [make_backend(name, handler=held) for name in ("one", "two", "three")]
    h2c = H2Backend()
    objects = [
        *service_of("web", *backends), *service_of("h2c", h2c, app_protocol="kubernetes.io/h2c"),
        ingress("web", rule("site.test", "web:80"), rule("h2c.test", "h2c:80")),
    ]
    config = {"upstream-keepalive-connections": "0"}
    cppx = start_cppx({"all.yaml": objects}, config=config, workers=1, open_files=64)
    with h2c, cppx.h2() as client:
        streams = [client.start(path="/held") for _ in range(60)]

        def refused():
            streams.append(client.start(path="/held"))
            client.ping()
            return streams[-1].over

        # Several times: a connection to the health port may just be ending, which leaves a file for one more.
        wait_for(lambda: all([refused() for _ in range(3)]), 5, "files to be short")
        assert client.finish(client.start(host="h2c.test")).status == 503
        held.go_on.set()
        assert {client.finish(stream).status for stream in streams} == {200, 503}
        assert cppx.metric("cppx_upstream_ejections_total") == 0
        assert [client.finish(client.start(host=host)).status for host in ("site.test", "h2c.test")] == [200, 200]


def test_parallel_requests_open_connections_as_needed_and_keep_them(start_cppx, make_backend):
    together = threading.Barrier(20, timeout=20)

    def handler(exchange):
        together.wait()
        exchange.reply()

    backend = make_backend(handler=handler)
    cppx = start_cppx({"all.yaml": objects_for(backend)})
    clients = [cppx.connect() for _ in range(20)]
    for _ in range(3):
        for client in clients:
            client.send(request())
        assert [client.read_response().status for client in clients] == [200] * 20
    for client in clients:
        client.close()
    assert backend.accepted <= 40
