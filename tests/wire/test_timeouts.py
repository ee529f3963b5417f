"""Time limits towards the backend: 504, or a cut connection once the head was sent."""

import threading
import time

import pytest

from support.client import request
from support.manifests import ingress, rule, service_of
from support.waiting import milliseconds, scaled
from support.wire import Truncated, chunk


@pytest.fixture
def limited(start_cppx, make_backend):
    def start(handler, **config):
        backend = make_backend("main", handler=handler)
        objects = [*service_of("main", backend), ingress("site", rule("site.test", "main:80"))]
        settings = {name.replace("_", "-"): value for name, value in config.items()}
        return start_cppx({"all.yaml": objects}, config={"proxy-body-size": "0", **settings}), backend

    return start


def silent(exchange):
    exchange.expect_peer_gone()


def test_no_answer_in_time_is_504(limited):
    cppx, _ = limited(silent, proxy_read_timeout="200ms", proxy_next_upstream_tries="1")
    start = time.monotonic()
    with cppx.connect() as connection:
        response = connection.ask(request())
        assert (response.status, "504 Gateway Time-out" in response.text) == (504, True)
        assert 0.15 < time.monotonic() - start < scaled(3)
        assert connection.ask(request(host="unknown.test")).status == 404


def test_a_read_timeout_is_tried_again_up_to_three_times(limited):
    cppx, backend = limited(silent, proxy_read_timeout="100ms")
    assert cppx.get().status == 504
    backend.wait_for_requests(3)
    assert len(backend.requests) == 3


def test_a_read_timeout_of_a_post_is_not_tried_again(limited):
    cppx, backend = limited(silent, proxy_read_timeout="100ms")
    assert cppx.ask(request("POST", body=b"x")).status == 504
    backend.wait_for_requests(1)
    assert len(backend.requests) == 1


def test_half_a_head_in_time_is_504(limited):
    def handler(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nX-A")
        exchange.expect_peer_gone()

    cppx, _ = limited(handler, proxy_read_timeout="200ms", proxy_next_upstream_tries="1")
    assert cppx.get().status == 504


def test_a_body_that_stops_is_cut(limited):
    def handler(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        exchange.expect_peer_gone()

    cppx, backend = limited(handler, proxy_read_timeout=milliseconds(scaled(0.7)))
    with cppx.connect() as connection:
        connection.send(request())
        with pytest.raises(Truncated):
            connection.read_response()
    assert len(backend.requests) == 1


def test_the_read_timeout_is_between_reads_not_for_the_whole(limited):
    limit = scaled(1)

    def handler(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(15):
            time.sleep(limit / 10)
            exchange.send(chunk(b"tick"))
        exchange.send(b"0\r\n\r\n")

    cppx, _ = limited(handler, proxy_read_timeout=milliseconds(limit))
    assert cppx.get().body == b"tick" * 15


def test_the_read_timeout_does_not_run_while_the_client_sends(limited):
    def handler(exchange):
        exchange.read_body()
        exchange.reply()

    limit = scaled(1)
    cppx, _ = limited(handler, proxy_read_timeout=milliseconds(limit))
    with cppx.connect() as connection:
        connection.send(request("POST", headers=[("Content-Length", "15")]))
        for _ in range(15):
            time.sleep(limit / 10)
            connection.send(b"x")
        assert connection.read_response("POST").status == 200


def test_a_backend_that_does_not_read_the_body_is_504(limited):
    done = threading.Event()

    def handler(exchange):
        exchange.ended = True
        done.wait(30)

    cppx, backend = limited(handler, proxy_send_timeout="200ms")
    with cppx.connect() as connection:

        def upload():
            try:
                connection.send(request("POST", headers=[("Content-Length", str(64 * 1024 * 1024))]))
                for _ in range(1024):
                    connection.send(b"x" * 65536)
            except OSError:
                pass

        thread = threading.Thread(target=upload)
        thread.start()
        try:
            assert connection.read_response("POST").status == 504
        except Truncated as end:
            assert end.reset, "closed without an answer"
        finally:
            done.set()
            thread.join()
    assert len(backend.requests) == 1
