"""Streams side by side, and what happens to one of them when a side goes away: the others do not notice."""

import random
import threading

import pytest

from support.h2 import Reset, exactly
from support.waiting import scaled, wait_for
from support.wire import Truncated, chunk

BOTH = pytest.mark.parametrize("tls", [False, True], ids=["prior knowledge", "alpn"])


@BOTH
def test_many_streams_at_once_answered_out_of_order(site, tls):
    """A hundred requests are all at the backend before any is answered, then they are answered in any order."""
    count = 100
    gates = [threading.Event() for _ in range(count)]

    def handler(exchange):
        number = int(exchange.request.target[1:])
        body = exchange.read_body()
        assert gates[number].wait(scaled(30))
        exchange.reply(body=b"%d %d" % (number, len(body)))

    site.backend.handler = handler
    order = random.Random(1).sample(range(count), count)
    with site.h2(tls) as client:
        streams = []
        for number in range(count):
            streams.append(client.start("POST", f"/{number}", end=False))
            client.send(streams[-1], b"x" * number, end=True)
        site.backend.wait_for_requests(count)
        for number in order:
            gates[number].set()
            exactly(client.finish(streams[number]), 200, b"%d %d" % (number, number))
        assert not client.goaways


def test_bodies_of_many_streams_are_not_mixed_up(site):
    def handler(exchange):
        body = exchange.read_body()
        exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(body), 1000):
            exchange.send(chunk(body[at : at + 1000]))
        exchange.send(b"0\r\n\r\n")

    site.backend.handler = handler
    bodies = [bytes([number]) * (3000 + 100 * number) for number in range(40)]
    with site.h2() as client:
        streams = [client.start("POST", end=False) for _ in bodies]
        for at in range(0, 7000, 700):
            for stream, body in zip(streams, bodies, strict=True):
                client.send(stream, body[at : at + 700])
        for stream, body in zip(streams, bodies, strict=True):
            client.send(stream, end=True)
        for stream, body in zip(streams, bodies, strict=True):
            exactly(client.finish(stream), 200, body)


def test_a_stream_reset_in_its_body_ends_the_backends_request(site):
    ended = []

    def handler(exchange):
        if exchange.request.target != "/cut":
            exchange.reply(body=b"fine")
            return
        try:
            exchange.read_body()
            ended.append("complete")
        except Truncated:
            ended.append("truncated")
            raise

    site.backend.handler = handler
    for length in ([("content-length", "100")], []):
        with site.h2() as client:
            stream = client.start("POST", "/cut", headers=length, end=False)
            client.send(stream, b"x" * 50)
            wait_for(lambda: site.backend.requests and site.backend.last.target == "/cut", what="the request")
            client.cancel(stream)
            wait_for(lambda: ended, what="the end of the backend's request")
            assert ended.pop() == "truncated"
            exactly(client.ask(path="/other"), 200, b"fine")
        site.backend.requests.clear()


def test_a_stream_reset_while_waiting_frees_the_backend(site):
    gone = threading.Event()

    def handler(exchange):
        if exchange.request.target == "/wait":
            exchange.expect_peer_gone()
            gone.set()
        else:
            exchange.reply(body=b"fine")

    site.backend.handler = handler
    with site.h2() as client:
        stream = client.start(path="/wait")
        site.backend.wait_for_requests(1)
        client.cancel(stream)
        assert gone.wait(scaled(10)), "the backend's connection was kept"
        exactly(client.ask(path="/other"), 200, b"fine")


def test_a_stream_reset_in_the_response_frees_the_backend(site):
    gone = threading.Event()

    def handler(exchange):
        if exchange.request.target != "/endless":
            exchange.reply(body=b"fine")
            return
        exchange.ended = True
        exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                exchange.send(chunk(b"x" * 10000))
        except OSError:
            gone.set()

    site.backend.handler = handler
    with site.h2() as client:
        stream = client.start(path="/endless")
        client.wait_until(lambda: len(stream.body) > 100_000, "some of it")
        client.cancel(stream)
        assert gone.wait(scaled(10)), "the backend could send for ever"
        exactly(client.ask(path="/other"), 200, b"fine")


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_connection_that_ends_frees_all_its_backends(site, how):
    gone = threading.Semaphore(0)

    def handler(exchange):
        exchange.expect_peer_gone()
        gone.release()

    site.backend.handler = handler
    client = site.h2()
    for _ in range(20):
        client.start()
    site.backend.wait_for_requests(20)
    getattr(client.wire, how)()
    for _ in range(20):
        assert gone.acquire(timeout=scaled(10)), "a backend's connection was kept"


def test_many_reset_streams_leave_nothing_behind(site):
    def handler(exchange):
        if exchange.request.target == "/hang":
            exchange.expect_peer_gone()
        else:
            exchange.reply()

    site.backend.handler = handler
    site.get()
    files = site.cppx.open_files()
    for turn in range(5):
        with site.h2() as client:
            for stream in [client.start(path="/hang") for _ in range(20)]:
                client.cancel(stream)
            exactly(client.ask())
    wait_for(lambda: site.cppx.open_files() <= files + 5, 10, "the files of reset streams to be closed")


PARTIAL = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    "no body yet": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
    "chunked, between chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "chunked, before the last line": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
    "chunked, in a trailer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nX-A: b",
    "chunked, nonsense": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
}


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("form", PARTIAL)
def test_a_backend_that_leaves_in_its_body_resets_the_stream(site, form, how):
    """Never END_STREAM; the other stream of the connection is not touched."""
    go_on = threading.Event()

    def handler(exchange):
        if exchange.request.target == "/cut":
            exchange.send(PARTIAL[form])
            assert go_on.wait(20)
            getattr(exchange, how)()
        else:
            exchange.reply(body=b"fine")

    site.backend.handler = handler
    with site.h2() as client:
        stream = client.start(path="/cut")
        try:
            client.head(stream)
            go_on.set()
            client.finish(stream)
            assert stream.status == 502, f"looked complete: {stream}"
        except Reset as end:
            assert end.code in (1, 2, 8)
            assert bytes(stream.body) in (b"", b"half")
        finally:
            go_on.set()
        exactly(client.ask(path="/other"), 200, b"fine")
        assert not client.goaways


def test_a_backend_that_resets_without_a_head_is_502(site):
    site.backend.handler = lambda exchange: exchange.reset()
    with site.h2() as client:
        for _ in range(5):
            stream = client.ask("POST", body=b"x")
            assert (stream.status, "502 Bad Gateway" in stream.text) == (502, True)


def test_others_go_on_while_streams_fail(site):
    def handler(exchange):
        if exchange.request.target == "/cut":
            exchange.send(PARTIAL["length"])
            exchange.close()
        else:
            exchange.reply(body=b"fine")

    site.backend.handler = handler
    with site.h2() as client:
        for _ in range(30):
            cut, good = client.start(path="/cut"), client.start(path="/good")
            with pytest.raises(Reset):
                client.finish(cut)
            exactly(client.finish(good), 200, b"fine")


def test_more_bytes_than_content_length_do_not_reach_another_stream(site):
    def handler(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")

    site.backend.handler = handler
    with site.h2() as client:
        for stream in [client.start() for _ in range(10)]:
            exactly(client.finish(stream), 200, b"ok")


def test_frames_on_a_stream_that_was_reset_are_no_error(site):
    """They may have been on their way (RFC 9113 section 5.1)."""
    site.backend.handler = lambda exchange: exchange.reply(status=403, headers=[("Connection", "close")])
    with site.raw_h2() as client:
        client.send(client.head(1, client.request_fields(method="POST"), end=False))
        assert client.status_of(1) == 403
        client.send(b"\x00\x00\x05\x00\x00\x00\x00\x00\x01hello", b"\x00\x00\x04\x08\x00\x00\x00\x00\x01\x00\x00\x00\x05")
        client.send(b"\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08")
        client.expect_alive()
