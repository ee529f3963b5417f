"""The test library itself, client against backend with nothing between: a checker must be able to fail."""

import pytest

from support.backend import Backend, black_hole, refused_port, sends
from support.client import Connection, ask, request
from support.h2load import Report, read_report
from support.waiting import wait_for
from support.wire import Truncated, chunk, chunked


@pytest.fixture
def backend(make_backend):
    return make_backend("itself")


def test_a_request_is_recorded_as_sent(backend):
    raw = request("POST", "/a?b", headers=[("x-A", "1"), ("X-a", "2")], body=b"body")
    assert ask(backend.port, raw).text == "itself"
    seen = backend.last
    assert seen.raw_head + seen.body == raw
    assert (seen.method, seen.target, seen.version, seen.complete) == ("POST", "/a?b", "HTTP/1.1", True)
    assert seen.headers.all("X-A") == ["1", "2"]


def test_half_a_head_is_recorded_as_a_fragment(backend):
    with Connection(backend.port) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHo")
    wait_for(lambda: backend.fragments, what="the fragment")
    assert (backend.fragments, backend.requests) == ([b"GET / HTTP/1.1\r\nHo"], [])


def test_an_incomplete_body_is_not_complete(backend):
    with Connection(backend.port) as connection:
        connection.send(request("POST", headers=[("Transfer-Encoding", "chunked")]) + chunk(b"x"))
        backend.wait_for_requests(1)
    wait_for(lambda: backend.open_connections == 0, what="the end")
    assert not backend.last.complete


def test_chunks_and_trailers_both_ways(backend):
    backend.handler = sends(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"a", b"b", trailers=[("X-T", "1")])
    )
    raw = request("POST", headers=[("Transfer-Encoding", "chunked")]) + chunked(b"c", b"d", trailers=[("X-U", "2")])
    response = ask(backend.port, raw)
    assert (response.body, list(response.trailers)) == (b"ab", [("X-T", "1")])
    assert (backend.last.body, list(backend.last.trailers)) == (b"cd", [("X-U", "2")])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
    ],
)
def test_a_cut_response_is_truncated(backend, raw):
    backend.handler = sends(raw, close=True)
    with pytest.raises(Truncated):
        ask(backend.port, request())


def test_a_reset_is_told_from_a_close(backend):
    backend.handler = lambda exchange: exchange.reset()
    with pytest.raises(Truncated) as end:
        ask(backend.port, request())
    assert end.value.reset


def test_bytes_before_the_end_are_noticed(backend):
    backend.handler = sends(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nsurplus", close=True)
    with Connection(backend.port) as connection:
        assert connection.ask(request()).status == 200
        with pytest.raises(AssertionError, match="surplus"):
            connection.expect_closed()


def test_an_open_connection_is_not_taken_for_closed(backend):
    with Connection(backend.port, timeout=0.2) as connection:
        assert connection.ask(request()).status == 200
        with pytest.raises(TimeoutError):
            connection.expect_closed()


def test_a_failing_handler_fails_the_test():
    backend = Backend()

    def handler(exchange):
        raise AssertionError("on purpose")

    backend.handler = handler
    with pytest.raises(Truncated):
        ask(backend.port, request())
    wait_for(lambda: backend.errors, what="the error")
    with pytest.raises(AssertionError, match="on purpose"):
        backend.stop()


def test_a_refused_port_refuses_and_a_black_hole_does_not_answer():
    holder, port = refused_port()
    with pytest.raises(ConnectionRefusedError):
        Connection(port)
    holder.close()
    with black_hole() as (address, port), pytest.raises(TimeoutError):
        Connection(port, address=address, timeout=0.3)


def test_waiting_in_vain_fails():
    with pytest.raises(AssertionError, match="in vain for godot"):
        wait_for(lambda: False, 0.05, "godot")


H2LOAD = """\
finished in 101.33ms, 19736.90 req/s, 4.65MB/s
requests: 2000 total, 2000 started, 2000 done, {} succeeded, {} failed, {} errored, 0 timeout
status codes: {} 2xx, 0 3xx, 0 4xx, {} 5xx
traffic: 482.43KB (494004) total, 39.08KB (40020) headers (space savings 90.00%), 390.63KB (400000) data
"""


@pytest.mark.parametrize(
    ("numbers", "report", "ok"),
    [
        ((2000, 0, 0, 2000, 0), Report(2000, 2000, 0, 2000, 400000), True),
        ((1999, 1, 0, 1999, 1), Report(2000, 1999, 1, 1999, 400000), False),
        ((1999, 0, 1, 1999, 0), Report(2000, 1999, 1, 1999, 400000), False),
        ((2000, 0, 0, 1999, 1), Report(2000, 2000, 0, 1999, 400000), False),
    ],
)
def test_what_h2load_says(numbers, report, ok):
    assert read_report(H2LOAD.format(*numbers)) == report
    assert report.ok == ok
