"""Bodies over HTTP/2 in both directions: streamed, whole, in little memory, and held back by the windows."""

import hashlib
import threading
import time

import pytest

from support.cppx import measured_memory
from support.h2 import H2Client, Reset, exactly
from support.load import BLOCK, MIB, Peak, block, hash_of_blocks, in_kernel, stalls_below
from support.manifests import ingress, rule, service_of
from support.waiting import scaled
from support.wire import chunk

BIG = 24 * MIB
MEMORY_LIMIT = 16 * MIB
WIDE = {4: MIB}  # INITIAL_WINDOW_SIZE of clients that take in much.


@pytest.fixture
def streaming(start_cppx, make_backend):
    """A cppx without a limit on bodies, and its backend."""
    backend = make_backend("big")
    objects = [*service_of("big", backend), ingress("big", rule("site.test", "big:80"))]
    cppx = start_cppx({"all.yaml": objects}, config={"proxy-body-size": "0"}, environment=measured_memory())
    return cppx, backend


def wide(client, size=64 * MIB):
    """Opens the window of the whole connection far, so that only those of streams count."""
    client.h2.increment_flow_control_window(size)
    client.flush()
    return client


@pytest.mark.parametrize("length", [True, False], ids=["content-length", "no length"])
def test_a_request_body_is_streamed(streaming, length):
    """The backend has each piece before the client sends the next one."""
    cppx, backend = streaming
    got, came = bytearray(), threading.Condition()

    def handler(exchange):
        for piece in exchange.body_pieces():
            with came:
                got.extend(piece)
                came.notify()
        exchange.reply()

    backend.handler = handler
    with cppx.h2() as client:
        stream = client.start("POST", headers=[("content-length", "50")] if length else [], end=False)
        for number in range(10):
            client.send(stream, b"five%d" % number)
            with came:
                assert came.wait_for(lambda: len(got) == 5 * (number + 1), scaled(5)), f"piece {number}"
        client.send(stream, end=True)
        exactly(client.finish(stream))


def test_both_directions_at_once(streaming):
    """A backend that answers while it reads: an echo of piece after piece."""
    cppx, backend = streaming

    def handler(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in exchange.body_pieces():
            exchange.send(chunk(piece))
        exchange.send(b"0\r\n\r\n")

    backend.handler = handler
    with cppx.h2() as client:
        stream = client.start("POST", end=False)
        for number in range(20):
            client.send(stream, b"ping %02d" % number)
            client.wait_until(lambda: len(stream.body) == 7 * (number + 1), f"echo {number}")
        client.send(stream, end=True)
        exactly(client.finish(stream), 200, b"".join(b"ping %02d" % number for number in range(20)))


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_big_upload_arrives_whole_in_little_memory(streaming, tls):
    cppx, backend = streaming
    count = BIG // BLOCK
    digests = []

    def handler(exchange):
        digest = hashlib.sha256()
        for piece in exchange.body_pieces():
            digest.update(piece)
        digests.append(digest.hexdigest())
        exchange.reply()

    backend.handler = handler
    with cppx.h2(tls) as client, Peak(cppx) as peak:
        stream = client.start("POST", headers=[("content-length", str(BIG))] if tls else [], end=False)
        for number in range(count):
            client.send(stream, block(number))
        client.send(stream, end=True)
        exactly(client.finish(stream))
    assert digests == [hash_of_blocks(count)]
    assert peak.growth < MEMORY_LIMIT


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_a_big_download_arrives_whole_in_little_memory(streaming, framing):
    cppx, backend = streaming
    count = BIG // BLOCK
    heads = {"chunked": b"Transfer-Encoding: chunked\r\n", "length": b"Content-Length: %d\r\n" % BIG, "close": b""}
    wrap = chunk if framing == "chunked" else bytes

    def handler(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\n" + heads[framing] + b"\r\n")
        for number in range(count):
            exchange.send(wrap(block(number)))
        if framing == "chunked":
            exchange.send(b"0\r\n\r\n")
        if framing == "close":
            exchange.close()

    backend.handler = handler
    with cppx.h2(tls=framing != "chunked", settings=WIDE) as client, Peak(cppx) as peak:
        stream = wide(client).finish(client.start(), 40)
    assert hashlib.sha256(stream.body).hexdigest() == hash_of_blocks(count)
    assert peak.growth < MEMORY_LIMIT


def send_until_it_stalls(client, stream, limit):
    """Sends as long as the windows are opened again, at most `limit`; gives the bytes that went."""
    sent, quiet = 0, 0
    while quiet < 10:
        client.ping()
        size = min(client.window(stream), BLOCK)
        quiet = 0 if size else quiet + 1
        if not size:
            time.sleep(0.02)
        client.send(stream, b"x" * size)
        sent += size
        assert sent < limit, "the window is opened although nobody reads"
    return sent


def test_a_backend_that_does_not_read_stops_the_client_and_nobody_else(streaming):
    cppx, backend = streaming
    go_on = threading.Event()

    def handler(exchange):
        if exchange.request.target == "/stuck":
            assert go_on.wait(40)
        exchange.reply(body=b"%d" % len(exchange.read_body()))

    backend.handler = handler
    before = cppx.memory_bytes()
    try:
        with cppx.h2(timeout=40) as client:
            stuck = client.start("POST", "/stuck", end=False)
            sent = send_until_it_stalls(client, stuck, BIG)
            assert cppx.memory_bytes() - before < MEMORY_LIMIT
            for _ in range(5):
                exactly(client.ask(path="/get"), 200, b"0")
                exactly(client.ask("POST", "/post", body=b"x" * 5000), 200, b"5000")
            go_on.set()
            client.send(stuck, b"y" * 100_000, end=True)
            exactly(client.finish(stuck), 200, b"%d" % (sent + 100_000))
    finally:
        go_on.set()


def endless(sent):
    """A backend's handler: much on every path but /quick."""

    def handler(exchange):
        if exchange.request.target == "/quick":
            exchange.reply(body=b"quick")
            return
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG)
        for number in range(BIG // BLOCK):
            exchange.send(block(number))
            sent[0] += BLOCK

    return handler


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_client_that_does_not_open_a_window_stops_the_backend_and_nobody_else(streaming, tls):
    cppx, backend = streaming
    sent = [0]
    backend.handler = endless(sent)
    before = cppx.memory_bytes()
    with cppx.h2(tls, automatic=False, timeout=40) as client:
        wide(client)
        stuck = client.start(path="/stuck")
        client.wait_until(lambda: len(stuck.body) == 65535, "the window to be used up")
        stalls_below(lambda: sent[0], BIG // 2)
        assert cppx.memory_bytes() - before < MEMORY_LIMIT
        for _ in range(5):
            exactly(client.ask(path="/quick"), 200, b"quick")
        assert len(stuck.body) == 65535
        while not stuck.over:
            client.consume(stuck)
            client.wait_until(lambda: stuck.held or stuck.over, "more")
    assert hashlib.sha256(stuck.body).hexdigest() == hash_of_blocks(BIG // BLOCK)


def test_a_client_whose_connection_window_is_used_up_still_gets_heads(streaming):
    cppx, backend = streaming
    sent = [0]
    backend.handler = endless(sent)
    with cppx.h2(automatic=False) as client:
        stuck = client.start(path="/stuck")
        client.wait_until(lambda: len(stuck.body) == 65535, "the window to be used up")
        head = client.ask("HEAD", "/quick")
        assert (head.status, head.headers.one("content-length")) == (200, "5")
        late = client.head(client.start(path="/quick"))
        client.ping()
        assert not late.body
        client.consume(stuck)
        exactly(client.finish(late), 200, b"quick")
        client.cancel(stuck)


def test_a_client_that_does_not_read_its_socket_hinders_nobody(streaming):
    cppx, backend = streaming
    sent = [0]
    backend.handler = endless(sent)
    before = cppx.memory_bytes()
    stuck = [H2Client.plain(cppx.http_port, settings={4: 2**31 - 1}, receive_buffer=16384) for _ in range(4)]
    for client in stuck:
        wide(client, 2**30)
        client.start(path="/stuck")
    stalls_below(lambda: sent[0] - in_kernel(cppx.process.pid), 4 * BIG // 2)
    with cppx.h2() as client:
        for _ in range(20):
            exactly(client.ask(path="/quick"), 200, b"quick")
    assert cppx.memory_bytes() - before < MEMORY_LIMIT
    for client in stuck:
        client.close()


@pytest.mark.parametrize("size", [0, 1, 100])
def test_a_small_initial_window_is_kept_to(site, size):
    """RFC 9113 section 6.9.2, also when the window is changed while streams are open."""
    site.backend.handler = lambda exchange: exchange.reply(body=b"x" * 1000)
    with site.h2(automatic=False, settings={4: size}) as client:
        stream = client.head(client.start())
        client.ping()
        assert len(stream.body) == size
        client.h2.increment_flow_control_window(10, stream.id)
        client.flush()
        client.wait_until(lambda: len(stream.body) == size + 10, "ten bytes more")
        client.h2.update_settings({4: 5000})
        client.flush()
        exactly(client.finish(stream), 200, b"x" * 1000)


def test_the_largest_frames_are_what_the_client_allows(site):
    site.backend.handler = lambda exchange: exchange.reply(body=b"x" * 500_000)
    with site.raw_h2(settings={4: MIB}) as client:
        client.grow(MIB)
        client.send(client.head(1))
        client.read_until(lambda frame: frame.stream_id == 1 and "END_STREAM" in frame.flags, "the end")
        assert max(frame.body_len for frame in client.frames) <= 16384


def test_a_body_that_does_not_come_in_time_is_408(start_cppx, make_backend):
    backend = make_backend("main")
    objects = [*service_of("main", backend), ingress("site", rule("site.test", "main:80"))]
    cppx = start_cppx({"all.yaml": objects}, config={"client-body-timeout": "200ms"})
    with cppx.h2() as client:
        stream = client.start("POST", headers=[("content-length", "10")], end=False)
        client.send(stream, b"12345")
        client.head(stream)
        assert stream.status == 408
        exactly(client.ask(path="/marker"), 200, b"main")
    assert [seen.target for seen in backend.requests if seen.complete] == ["/marker"]


def test_an_early_answer_of_the_backend_ends_the_upload_and_not_the_connection(streaming):
    """RFC 9113 section 8.1: the whole response, then RST_STREAM(NO_ERROR) or patience."""
    cppx, backend = streaming

    def handler(exchange):
        if exchange.request.target == "/upload":
            exchange.reply(status=403, headers=[("Connection", "close")], body=b"no")
            exchange.expect_peer_gone()
        else:
            exchange.reply(body=b"fine")

    backend.handler = handler
    with cppx.h2() as client:
        stream = client.start("POST", "/upload", headers=[("content-length", str(BIG))], end=False)
        try:
            for number in range(BIG // BLOCK):
                client.send(stream, block(number))
        except Reset as end:
            assert end.code in (0, None)
        exactly(client.finish(stream), 403, b"no")
        exactly(client.ask(path="/other"), 200, b"fine")
