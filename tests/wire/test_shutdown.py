"""SIGTERM: requests in flight end well, listeners close, exit code 0."""

import signal
import socket
import threading

import pytest

from support.client import Connection, refused, request
from support.manifests import ingress, rule, service_of
from support.waiting import scaled, wait_for
from support.wire import Truncated


class Held:
    """A backend's handler that waits for `go_on` in the middle of its answer."""

    def __init__(self, sent_before=b""):
        self.go_on = threading.Event()
        self.sent_before = sent_before

    def __call__(self, exchange):
        exchange.read_body()
        exchange.send(self.sent_before)
        assert self.go_on.wait(scaled(30))
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalfhalf"
        exchange.send(whole[len(self.sent_before):])


def objects(backend):
    return [*service_of("web", backend), ingress("web", rule("site.test", "web:80"))]


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf"], ids=["no head", "half a body"])
def test_a_request_in_flight_is_finished(start_cppx, make_backend, part, tls):
    held = Held(part)
    backend = make_backend(handler=held)
    cppx = start_cppx({"all.yaml": objects(backend)})
    with cppx.connect_tls("site.test") if tls else cppx.connect() as connection:
        connection.send(request())
        backend.wait_for_requests(1)
        cppx.terminate()
        wait_for(lambda: refused(cppx.http_port) and refused(cppx.https_port), 5, "the listeners to close")
        assert cppx.process.poll() is None, "ended before the request in flight"
        held.go_on.set()
        response = connection.read_response()
        assert (response.status, response.body) == (200, b"halfhalf")
        connection.expect_closed()
    assert cppx.process.wait(scaled(10)) == 0


def test_an_upload_in_flight_is_finished(start_cppx, make_backend):
    backend = make_backend()
    cppx = start_cppx({"all.yaml": objects(backend)})
    with cppx.connect() as connection:
        connection.send(request("POST", headers=[("Content-Length", "8")]) + b"half")
        backend.wait_for_requests(1)
        cppx.terminate()
        wait_for(lambda: refused(cppx.http_port), 5, "the listener to close")
        connection.send(b"half")
        response = connection.read_response("POST")
        assert (response.status, response.headers.one("Connection")) == (200, "close")
        connection.expect_closed()
    assert backend.last.body == b"halfhalf"
    assert cppx.process.wait(scaled(10)) == 0


def test_idle_connections_do_not_hold_the_end_up(start_cppx, make_backend):
    cppx = start_cppx({"all.yaml": objects(make_backend())})
    idle = [cppx.connect() for _ in range(20)] + [cppx.connect_tls() for _ in range(5)]
    for connection in idle[::2]:
        assert connection.ask(request()).status == 200
    cppx.terminate()
    assert cppx.process.wait(scaled(5)) == 0
    for connection in idle:
        connection.expect_closed()
        connection.close()


def test_a_connection_that_never_begins_tls_does_not_hold_the_end_up(start_cppx, make_backend):
    cppx = start_cppx({"all.yaml": objects(make_backend())})
    with Connection(cppx.https_port) as silent:
        wait_for(lambda: cppx.metric("nginx_ingress_controller_nginx_process_connections{") == 1, 5, "it to be taken")
        cppx.terminate()
        assert cppx.process.wait(scaled(5)) == 0
        silent.expect_closed()


def test_readiness_ends_at_once_while_requests_are_in_flight(start_cppx, make_backend):
    held = Held()
    backend = make_backend(handler=held)
    cppx = start_cppx({"all.yaml": objects(backend)})
    with cppx.connect() as connection:
        connection.send(request())
        backend.wait_for_requests(1)
        cppx.terminate()
        wait_for(lambda: cppx.health("/readyz") in (500, 503, None), 5, "readiness to end")
        held.go_on.set()
        assert connection.read_response().status == 200
    assert cppx.process.wait(scaled(10)) == 0


def test_pipelined_requests_that_were_not_begun_are_not_half_answered(start_cppx, make_backend):
    held = Held()
    backend = make_backend(handler=held)
    cppx = start_cppx({"all.yaml": objects(backend)})
    with cppx.connect() as connection:
        connection.send(request(target="/1") + request(target="/2"))
        backend.wait_for_requests(1)
        cppx.terminate()
        wait_for(lambda: refused(cppx.http_port), 5, "the listener to close")
        held.go_on.set()
        assert connection.read_response().status == 200
        try:
            assert connection.read_response().status == 200
        except Truncated as end:
            assert end.data == b""
    assert cppx.process.wait(scaled(10)) == 0


def test_sigint_ends_it_as_well(start_cppx, make_backend):
    cppx = start_cppx({"all.yaml": objects(make_backend())})
    cppx.process.send_signal(signal.SIGINT)
    assert cppx.process.wait(scaled(10)) == 0


def test_a_port_is_free_after_the_end(start_cppx, make_backend):
    cppx = start_cppx({"all.yaml": objects(make_backend())})
    with cppx.connect() as connection:
        assert connection.ask(request()).status == 200
        cppx.terminate()
        assert cppx.process.wait(scaled(10)) == 0
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", cppx.http_port))
        listener.listen()


def test_within_the_grace_period_each_answer_is_the_last_of_its_connection(start_cppx, make_backend):
    """Load balancers still send clients, who are served, and told not to come back."""
    cppx = start_cppx({"all.yaml": objects(make_backend())}, flags=["--shutdown-grace-period=600"])
    with cppx.connect() as kept, cppx.h2() as h2:
        assert kept.ask(request()).headers.one("Connection") == "keep-alive"
        assert h2.ask().status == 200
        cppx.terminate()
        h2.expect_goaway()
        for connection in (kept, cppx.connect()):
            with connection:
                response = connection.ask(request())
                assert (response.status, response.headers.one("Connection")) == (200, "close")
                connection.expect_closed()
    cppx.terminate()  # who does not want to wait says it twice
    assert cppx.process.wait(scaled(10)) == 0


def test_all_who_are_queued_when_it_ends_are_answered(start_cppx, make_backend):
    cppx = start_cppx({"all.yaml": objects(make_backend())}, workers=1)
    cppx.process.send_signal(signal.SIGSTOP)
    queued = []
    try:
        # The kernel makes the connections; nobody takes them.
        for _ in range(200):
            queued.append(cppx.connect())
            queued[-1].send(request())
        cppx.terminate()
        cppx.process.send_signal(signal.SIGCONT)
        for connection in queued:
            assert connection.read_response().status == 200
    finally:
        cppx.process.send_signal(signal.SIGCONT)
        for connection in queued:
            connection.close()
    assert cppx.process.wait(scaled(10)) == 0
