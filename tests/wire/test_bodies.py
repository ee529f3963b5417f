"""Bodies in both directions: streamed, with back-pressure, whole."""

import hashlib
import threading

import pytest

from support.client import request
from support.cppx import measured_memory
from support.load import MIB, Peak, block, hash_of_blocks, stalls_below
from support.manifests import ingress, rule, service_of
from support.waiting import wait_for
from support.wire import chunk, chunked

BIG = 64 * MIB
MEMORY_LIMIT = 24 * MIB


@pytest.fixture
def streaming(start_cppx, make_backend):
    """A cppx without a limit on bodies, and its backend."""
    backend = make_backend("big")
    objects = [*service_of("big", backend), ingress("big", rule("site.test", "big:80"))]
    cppx = start_cppx({"all.yaml": objects}, config={"proxy-body-size": "0"}, environment=measured_memory())
    return cppx, backend


@pytest.mark.parametrize(
    "pieces",
    [[b""], [b"x"], [b"hello ", b"world"], [b"x" * 100_000], [b"y"] * 1000],
    ids=["empty", "one byte", "two chunks", "large", "many chunks"],
)
def test_chunked_request_bodies(site, pieces):
    body = chunked(*[piece for piece in pieces if piece])
    with site.connect() as connection:
        for _ in range(3):
            response = connection.ask(request("POST", headers=[("Transfer-Encoding", "chunked")]) + body)
            assert response.status == 200
            seen = site.backend.last
            assert seen.body == b"".join(pieces)
            assert seen.headers.has("Transfer-Encoding") != seen.headers.has("Content-Length")


@pytest.mark.parametrize(
    "body",
    [
        b"3;ext=1\r\none\r\n3;a=\"b;c\"\r\ntwo\r\n0;last\r\n\r\n",
        b"0003\r\none\r\n003\r\ntwo\r\n000\r\n\r\n",
        b"3 ;a=b\r\none\r\n3\t;a=b\r\ntwo\r\n0 ;a\r\n\r\n",
        b"A\r\nonetwo1234\r\n0\r\n\r\n",
        b"a\r\nonetwo1234\r\n0\r\n\r\n",
    ],
)
def test_forms_of_chunk_sizes(site, body):
    assert site.ask(request("POST", headers=[("Transfer-Encoding", "chunked")]) + body).status == 200
    assert site.backend.last.body in (b"onetwo", b"onetwo1234")


def test_chunk_extensions_are_not_passed(site):
    body = b"3;secret=1\r\none\r\n0\r\n\r\n"
    extensions = []

    def handler(exchange):
        exchange.read_body()
        extensions.append(exchange.wire.saw_extension)
        exchange.reply()

    site.backend.close_connections()
    site.backend.handler = handler
    assert site.ask(request("POST", headers=[("Transfer-Encoding", "chunked")]) + body).status == 200
    assert extensions == [False]


def test_trailers_of_a_request(site):
    mine = [("X-Checksum", "abc"), ("x-more", "1")]
    headers = [("Transfer-Encoding", "chunked"), ("Trailer", "X-Checksum")]
    assert site.ask(request("POST", headers=headers) + chunked(b"body", trailers=mine)).status == 200
    seen = site.backend.last
    assert (seen.body, list(seen.trailers)) == (b"body", mine)
    assert not seen.headers.has("X-Checksum")


@pytest.mark.parametrize(
    "trailer",
    ["Content-Length", "Transfer-Encoding", "Host", "X-Forwarded-For", "X-Real-IP", "X_Real_IP", "X.Mine", "X-Named"],
)
def test_trailers_cannot_forge_framing_routing_or_the_address(site, trailer):
    body = chunked(b"body", trailers=[(trailer, "7")])
    headers = [("Transfer-Encoding", "chunked"), ("Connection", "keep-alive, x-named")]
    response = site.ask(request("POST", headers=headers) + body)
    assert response.status in (200, 400)
    for seen in site.backend.requests:
        assert not seen.trailers.has(trailer)


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
def test_any_method_may_have_a_body(site, method):
    assert site.ask(request(method, body=b"body")).status == 200
    assert site.backend.last.body == b"body"


@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_a_request_body_is_streamed(streaming, framing):
    """The backend has the first piece before the client sends the next one."""
    cppx, backend = streaming
    pieces, got = [], threading.Event()

    def handler(exchange):
        for piece in exchange.body_pieces():
            pieces.append(piece)
            got.set()
        exchange.reply()

    backend.handler = handler
    wrap = chunk if framing == "chunked" else bytes
    head = [("Transfer-Encoding", "chunked")] if framing == "chunked" else [("Content-Length", "50")]
    with cppx.connect() as connection:
        connection.send(request("POST", headers=head))
        for number in range(10):
            connection.send(wrap(b"five%d" % number))
            wait_for(got.is_set, 5, f"piece {number} at the backend")
            wait_for(lambda: len(b"".join(pieces)) == 5 * (number + 1), 5, f"piece {number} whole")
            got.clear()
        if framing == "chunked":
            connection.send(b"0\r\n\r\n")
        assert connection.read_response("POST").status == 200


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_a_response_body_is_streamed(site, framing):
    """The client has each piece before the backend sends the next one."""
    step = threading.Semaphore(0)
    heads = {"chunked": b"Transfer-Encoding: chunked\r\n", "length": b"Content-Length: 50\r\n", "close": b""}
    wrap = chunk if framing == "chunked" else bytes

    def handler(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\n" + heads[framing] + b"\r\n")
        for number in range(10):
            assert step.acquire(timeout=20)
            exchange.send(wrap(b"five%d" % number))
        if framing == "chunked":
            exchange.send(b"0\r\n\r\n")
        if framing == "close":
            exchange.close()

    site.backend.handler = handler
    with site.connect() as connection:
        connection.send(request())
        response = connection.read_response_head()
        body, got = connection.body_of(response), b""
        for number in range(10):
            step.release()
            while len(got) < 5 * (number + 1):
                got += next(body)
        assert got == b"".join(b"five%d" % number for number in range(10))
        assert b"".join(body) == b""


def test_both_directions_at_once(streaming):
    """A backend that answers while it reads: an echo of piece after piece on one request."""
    cppx, backend = streaming

    def handler(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in exchange.body_pieces():
            exchange.send(chunk(piece))
        exchange.send(b"0\r\n\r\n")

    backend.handler = handler
    with cppx.connect() as connection:
        connection.send(request("POST", headers=[("Transfer-Encoding", "chunked")]))
        response = connection.read_response_head()
        body = connection.body_of(response)
        for number in range(20):
            message = b"ping %02d" % number
            connection.send(chunk(message))
            got = b""
            while len(got) < len(message):
                got += next(body)
            assert got == message
        connection.send(b"0\r\n\r\n")
        assert b"".join(body) == b""


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_a_big_upload_arrives_whole_in_little_memory(streaming, framing, tls):
    cppx, backend = streaming
    count = BIG // 65536
    digests = []

    def handler(exchange):
        digest = hashlib.sha256()
        for piece in exchange.body_pieces():
            digest.update(piece)
        digests.append(digest.hexdigest())
        exchange.reply()

    backend.handler = handler
    wrap = chunk if framing == "chunked" else bytes
    head = [("Transfer-Encoding", "chunked")] if framing == "chunked" else [("Content-Length", str(BIG))]
    with (cppx.connect_tls("site.test") if tls else cppx.connect()) as connection, Peak(cppx) as peak:
        connection.send(request("POST", headers=head))
        for number in range(count):
            connection.send(wrap(block(number)))
        if framing == "chunked":
            connection.send(b"0\r\n\r\n")
        assert connection.read_response("POST").status == 200
    assert digests == [hash_of_blocks(count)]
    assert peak.growth < MEMORY_LIMIT


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_a_big_download_arrives_whole_in_little_memory(streaming, framing, tls):
    cppx, backend = streaming
    count = BIG // 65536
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
    digest = hashlib.sha256()
    with (cppx.connect_tls("site.test") if tls else cppx.connect()) as connection, Peak(cppx) as peak:
        connection.send(request())
        for piece in connection.body_of(connection.read_response_head()):
            digest.update(piece)
    assert digest.hexdigest() == hash_of_blocks(count)
    assert peak.growth < MEMORY_LIMIT


def test_a_client_that_does_not_read_stops_the_backend(streaming):
    cppx, backend = streaming
    sent = [0]

    def handler(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG)
        for number in range(BIG // 65536):
            exchange.send(block(number))
            sent[0] += 65536

    backend.handler = handler
    before = cppx.memory_bytes()
    with cppx.connect(receive_buffer=16384) as connection:
        connection.send(request())
        stalls_below(lambda: sent[0], BIG // 2)
        assert cppx.memory_bytes() - before < MEMORY_LIMIT
        response = connection.read_response()
        assert hashlib.sha256(response.body).hexdigest() == hash_of_blocks(BIG // 65536)


def test_a_backend_that_does_not_read_stops_the_client(streaming):
    cppx, backend = streaming
    sent, go_on = [0], threading.Event()
    digest = hashlib.sha256()

    def handler(exchange):
        assert go_on.wait(40)
        for piece in exchange.body_pieces():
            digest.update(piece)
        exchange.reply()

    backend.handler = handler

    def upload(connection):
        connection.send(request("POST", headers=[("Content-Length", str(BIG))]))
        for number in range(BIG // 65536):
            connection.send(block(number))
            sent[0] += 65536

    before = cppx.memory_bytes()
    with cppx.connect(timeout=50) as connection:
        thread = threading.Thread(target=upload, args=(connection,))
        thread.start()
        stalls_below(lambda: sent[0], BIG // 2)
        assert cppx.memory_bytes() - before < MEMORY_LIMIT
        go_on.set()
        thread.join()
        assert connection.read_response("POST").status == 200
    assert digest.hexdigest() == hash_of_blocks(BIG // 65536)


def test_a_slow_reader_does_not_hold_up_others(streaming):
    cppx, backend = streaming
    slow = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (8 * MIB)

    def handler(exchange):
        if exchange.request.target == "/slow":
            exchange.send(slow + b"x" * (8 * MIB))
        else:
            exchange.reply(body=b"quick")

    backend.handler = handler
    stuck = [cppx.connect(receive_buffer=16384) for _ in range(8)]
    for connection in stuck:
        connection.send(request(target="/slow"))
    for _ in range(50):
        assert cppx.get().body == b"quick"
    for connection in stuck:
        assert len(connection.read_response().body) == 8 * MIB
        connection.close()


def test_an_early_answer_of_the_backend_reaches_the_client(streaming):
    """A backend that refuses an upload by its head: the client sees that answer although it still sends."""
    cppx, backend = streaming

    def handler(exchange):
        exchange.reply(status=403, headers=[("Connection", "close")], body=b"no")
        exchange.expect_peer_gone()

    backend.handler = handler
    with cppx.connect() as connection:
        connection.send(request("POST", headers=[("Content-Length", str(BIG))]) + b"x" * 1000)
        response = connection.read_response("POST")
    assert (response.status, response.body) == (403, b"no")


def test_a_client_that_still_sends_is_not_told_to_ask_again(streaming):
    """All of the answer is there before the upload is over: what comes after it is thrown away."""
    cppx, backend = streaming

    def handler(exchange):
        exchange.reply(body=b"enough")
        exchange.expect_peer_gone()

    backend.handler = handler
    with cppx.connect() as connection:
        connection.send(request("POST", headers=[("Content-Length", "10")]) + b"abc")
        response = connection.read_response("POST")
        assert (response.status, response.body) == (200, b"enough")
        assert response.headers.one("Connection") == "close"
