"""Client connections: keep-alive, pipelining, and the time limits on them."""

import threading
import time

import pytest

from support.backend import answer
from support.client import Connection, request
from support.manifests import ingress, rule, service_of
from support.waiting import milliseconds, scaled, wait_for
from support.wire import Truncated, chunk


@pytest.fixture
def limited(start_cppx, make_backend):
    """Starts a cppx with given ConfigMap values; gives it and its backend."""

    def start(**config):
        backend = make_backend("main")
        objects = [*service_of("main", backend), ingress("site", rule("site.test", "main:80"))]
        settings = {name.replace("_", "-"): value for name, value in config.items()}
        return start_cppx({"all.yaml": objects}, config=settings), backend

    return start


def test_many_requests_on_one_connection(site):
    with site.connect() as connection:
        for number in range(200):
            assert connection.ask(request(target=f"/{number}")).status == 200
    assert [seen.target for seen in site.backend.requests] == [f"/{number}" for number in range(200)]


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_pipelined_requests_are_answered_in_order(site, tls):
    site.backend.handler = lambda exchange: exchange.reply(body=exchange.request.target.encode())
    targets = [f"/{number}" for number in range(100)]
    with site.connect_tls("site.test") if tls else site.connect() as connection:
        connection.send(b"".join(request(target=target) for target in targets))
        for target in targets:
            assert connection.read_response().body == target.encode()
    assert [seen.target for seen in site.backend.requests] == targets


def test_pipelined_requests_of_all_kinds(site):
    site.backend.handler = lambda exchange: exchange.reply(
        body=b"" if exchange.request.method == "HEAD" else exchange.request.target.encode() + exchange.read_body()
    )
    chunks = chunk(b"two") + b"0\r\n\r\n"
    with site.connect() as connection:
        connection.send(
            request("POST", "/1", body=b"one")
            + request("POST", "/2", headers=[("Transfer-Encoding", "chunked")])
            + chunks
            + request("HEAD", "/3")
            + request("GET", "/4", host="unknown.test")
            + request("GET", "/5")
        )
        assert connection.read_response("POST").body == b"/1one"
        assert connection.read_response("POST").body == b"/2two"
        assert connection.read_response("HEAD").status == 200
        assert connection.read_response("GET").status == 404
        assert connection.read_response("GET").body == b"/5"


def test_nothing_is_answered_after_a_request_that_closes(site):
    with site.connect() as connection:
        connection.send(request(target="/1", headers=[("Connection", "close")]) + request(target="/2"))
        assert connection.read_response().status == 200
        connection.expect_closed()
    site.backend.handler = lambda exchange: exchange.reply()
    assert site.get(target="/marker").status == 200
    assert [seen.target for seen in site.backend.requests] == ["/1", "/marker"]


def test_pipelined_requests_after_a_bad_one_are_not_answered(site):
    with site.connect() as connection:
        connection.send(request(target="/1") + b"BAD REQUEST LINE\r\n\r\n" + request(target="/3"))
        assert connection.read_response().status == 200
        assert connection.read_response().status == 400
        connection.expect_closed()
    assert [seen.target for seen in site.backend.requests] == ["/1"]


def test_a_slow_first_answer_holds_the_second_back(site):
    def handler(exchange):
        if exchange.request.target == "/1":
            exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(5):
                exchange.send(chunk(b"x" * 10000))
            exchange.send(b"0\r\n\r\n")
        else:
            exchange.reply(body=b"second")

    site.backend.handler = handler
    with site.connect() as connection:
        connection.send(request(target="/1") + request(target="/2"))
        assert len(connection.read_response().body) == 50000
        assert connection.read_response().body == b"second"


def test_an_idle_connection_is_closed_after_keep_alive(limited):
    cppx, _ = limited(keep_alive="200ms")
    with cppx.connect() as connection:
        start = time.monotonic()
        assert connection.ask(request()).status == 200
        connection.expect_closed()
    assert 0.15 < time.monotonic() - start < scaled(3)


def test_use_within_keep_alive_keeps_the_connection(limited):
    limit = scaled(1)
    cppx, _ = limited(keep_alive=milliseconds(limit))
    with cppx.connect() as connection:
        for _ in range(15):
            assert connection.ask(request()).status == 200
            time.sleep(limit / 10)


def test_keep_alive_0_closes_after_each_response(limited):
    cppx, _ = limited(keep_alive="0")
    with cppx.connect() as connection:
        response = connection.ask(request())
        assert (response.status, response.headers.one("Connection")) == (200, "close")
        connection.expect_closed()


def test_keep_alive_requests_limits_a_connection(limited):
    cppx, _ = limited(keep_alive_requests="3")
    with cppx.connect() as connection:
        for _ in range(2):
            assert connection.ask(request()).headers.one("Connection") != "close"
        assert connection.ask(request()).headers.one("Connection") == "close"
        connection.expect_closed()


@pytest.mark.parametrize("sent", [b"GET", b"GET / HTTP/1.1\r\nHost: site.test\r\n", b"GET / HTTP/1.1\r\nHost: si"])
def test_a_head_that_does_not_end_in_time_is_408_or_closed(limited, sent):
    cppx, backend = limited(client_header_timeout="200ms")
    start = time.monotonic()
    with cppx.connect() as connection:
        connection.send(sent)
        try:
            assert connection.read_response().status == 408
            connection.expect_closed()
        except Truncated as end:
            assert end.data == b""
    assert 0.15 < time.monotonic() - start < scaled(3)
    assert backend.requests == []


def test_a_head_that_trickles_is_limited_as_a_whole(limited):
    cppx, _ = limited(client_header_timeout="300ms")
    with cppx.connect() as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: site.test\r\nX-A: ")

        def cut():
            try:
                connection.send(b"a")
            except OSError:
                return True
            return False

        wait_for(cut, 5, "the connection to be ended", every=0.05)


def test_a_connection_on_which_nothing_comes_is_closed(limited):
    cppx, _ = limited(client_header_timeout="200ms", keep_alive="200ms")
    with cppx.connect() as connection:
        connection.expect_closed()


def test_a_handshake_that_does_not_come_is_ended(limited):
    cppx, _ = limited(client_header_timeout="200ms", keep_alive="200ms")
    with Connection(cppx.https_port) as connection:
        connection.send(b"\x16\x03\x01")
        try:
            connection.read_to_end()
        except Truncated:
            pass


@pytest.mark.parametrize("sent", [b"", b"12345", b"5\r\nab"], ids=["nothing", "part", "part of a chunk"])
def test_a_body_that_does_not_come_in_time_is_408(limited, sent):
    cppx, backend = limited(client_body_timeout="200ms")
    framing = ("Transfer-Encoding", "chunked") if sent.startswith(b"5\r") else ("Content-Length", "10")
    with cppx.connect() as connection:
        start = time.monotonic()
        connection.send(request("POST", headers=[framing]) + sent)
        try:
            response = connection.read_response("POST")
            assert response.status == 408
            connection.expect_closed()
        except Truncated as end:
            raise AssertionError("closed without the 408") from end
    assert 0.15 < time.monotonic() - start < scaled(3)
    assert not any(seen.complete for seen in backend.requests)


def test_the_body_timeout_is_between_reads_not_for_the_whole(limited):
    limit = scaled(1)
    cppx, backend = limited(client_body_timeout=milliseconds(limit))
    with cppx.connect() as connection:
        connection.send(request("POST", headers=[("Content-Length", "16")]))
        for _ in range(16):
            connection.send(b"x")
            time.sleep(limit / 10)
        assert connection.read_response("POST").status == 200
    assert backend.last.body == b"x" * 16


def test_many_idle_connections_do_not_hinder(site):
    idle = [site.connect() for _ in range(200)]
    assert [connection.ask(request()).status for connection in idle[::10]] == [200] * 20
    assert site.get().status == 200
    for connection in idle:
        connection.close()


@pytest.mark.parametrize("rest_first", [True, False], ids=["before the end", "after it"])
def test_who_was_promised_keep_alive_may_finish_his_upload(site, rest_first):
    """The response has come, and begun, before all of the body: the rest of that is not the next request."""
    head_seen = threading.Event()

    def handler(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"a" * 1000)
        assert head_seen.wait(scaled(10))
        exchange.send(b"a" * 1000)
        exchange.read_body()

    site.backend.handler = handler
    with site.connect() as connection:
        connection.send(request("PUT", headers=[("Content-Length", "200000")]) + b"x" * 100_000)
        response = connection.read_response_head()
        assert response.headers.one("Connection") != "close"
        if rest_first:
            connection.send(b"x" * 100_000)
        head_seen.set()
        assert len(b"".join(connection.body_of(response, "PUT"))) == 2000
        if not rest_first:
            connection.send(b"x" * 100_000)
        site.backend.handler = answer
        assert connection.ask(request(target="/next")).status == 200
    assert site.backend.last.target == "/next"


BIG = b"z" * 1_500_000


@pytest.fixture
def closing(limited):
    """A cppx that closes after each response, and then still has to deliver what its client does not read yet."""
    cppx, backend = limited(keep_alive_requests="1")
    backend.handler = lambda exchange: exchange.reply(body=BIG)
    return cppx


def expect_all_of_it(connection, sent_behind):
    connection.send(request())
    head = connection.read_response_head()
    sent_behind()
    # It is all on its way, and the connection closed as far as cppx is concerned.
    time.sleep(scaled(0.3))
    assert b"".join(connection.body_of(head)) == BIG
    connection.expect_closed()


@pytest.mark.parametrize("behind", [b"", b"\r\n", request(target="/next")], ids=["nothing", "CRLF", "a request"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_the_last_response_is_whole_whatever_came_behind_its_request(closing, tls, behind):
    """Closed with something unread the kernel would reset the connection and throw away what it has not delivered."""
    connect = closing.connect_tls if tls else closing.connect
    with connect(**({"server_name": "site.test"} if tls else {}), receive_buffer=16384) as connection:
        expect_all_of_it(connection, lambda: behind and connection.send(behind))
