"""WebSocket over HTTP/2: extended CONNECT of RFC 8441 to a backend that speaks HTTP/1.1."""

import base64
import contextlib
import random
import threading
import time

import pytest
from websockets.utils import accept_key

from support.h2 import Reset, exactly
from support.load import stalls_below
from support.manifests import ingress, rule, service_of
from support.waiting import milliseconds, scaled, wait_for
from support.websocket import H2WebSocket, handshake_fields
from support.websocket_echo import echo_site
from support.wire import how_it_ends

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nX-Mine: 1\r\n"


@pytest.fixture(scope="module")
def sockets(cppx_binary, tmp_path_factory):
    """A cppx before a WebSocket echo server, which checks the handshake as the library does."""

    def first_offered(_, offered):
        return next(iter(offered), None)

    with echo_site(tmp_path_factory.mktemp("sockets") / "manifests", select_subprotocol=first_offered) as cppx:
        yield cppx


@pytest.fixture(params=[False, True], ids=["prior knowledge", "alpn"])
def client(sockets, request):
    with sockets.h2(tls=request.param) as client:
        yield client


def test_messages(client):
    websocket = H2WebSocket(client)
    assert websocket.status == 200
    for message in ["hello", "", "\u00e4\u20ac", b"", b"\x00\xff" * 10]:
        websocket.send(message)
        assert websocket.recv() == message


@pytest.mark.parametrize("size", [125, 126, 65535, 65536, 1_000_000])
def test_messages_of_all_sizes(client, size):
    message = random.Random(size).randbytes(size)
    websocket = H2WebSocket(client)
    websocket.send(message)
    assert websocket.recv() == message


def test_many_messages_in_order(client):
    websocket = H2WebSocket(client)
    for number in range(200):
        websocket.send(f"{number}")
    assert [websocket.recv() for _ in range(200)] == [f"{number}" for number in range(200)]


def test_the_backend_closes_with_a_code(client):
    websocket = H2WebSocket(client)
    websocket.send("close me")
    assert (websocket.recv(), websocket.close_code) == (None, 4001)
    client.finish(websocket.stream)


def test_the_client_closes_with_a_code(client):
    websocket = H2WebSocket(client)
    websocket.close(4002, "enough")
    assert (websocket.recv(), websocket.close_code) == (None, 4002)
    client.finish(websocket.stream)


def test_a_subprotocol_is_negotiated_end_to_end(client):
    websocket = H2WebSocket(client, headers=[("sec-websocket-protocol", "chat.v1")])
    assert websocket.stream.headers.one("sec-websocket-protocol") == "chat.v1"
    websocket.send("x")
    assert websocket.recv() == "x"


def test_many_websockets_on_one_connection(client):
    websockets = [H2WebSocket(client, path=f"/{number}") for number in range(20)]
    for turn in range(3):
        for number, websocket in enumerate(websockets):
            websocket.send(f"{turn} {number}")
        for number, websocket in enumerate(websockets):
            assert websocket.recv() == f"{turn} {number}"


def tunnel(exchange):
    """Accepts the upgrade and sends everything back; other requests get an answer."""
    if not exchange.request.headers.has("Upgrade"):
        exchange.reply(body=b"plain")
        return
    exchange.ended = True
    exchange.send(SWITCH + accept_line(exchange) + b"\r\n")
    while data := exchange.wire.read_some():
        exchange.send(data)


def accept_line(exchange):
    """What a server makes of the key that it was sent."""
    return f"Sec-WebSocket-Accept: {accept_key(exchange.request.headers.one('Sec-WebSocket-Key'))}\r\n".encode()


def switched(exchange):
    exchange.send(SWITCH + accept_line(exchange) + b"\r\n")


@pytest.fixture
def h2(site):
    with site.h2() as client:
        client.settings()
        yield client


def open_stream(client, **options):
    stream = client.start_with(handshake_fields(scheme=client.scheme, **options), end=False)
    return client.head(stream)


def test_the_setting_is_announced(h2):
    assert h2.settings().enable_connect_protocol == 1


def test_heads(site, h2):
    site.backend.handler = tunnel
    stream = open_stream(h2, path="/chat?x=1", headers=[("x-a", "1"), ("cookie", "a=b"), ("cookie", "c=d")])
    assert (stream.status, stream.ended) == (200, False)
    names = {name for name, _ in stream.headers}
    assert not names & {"connection", "upgrade", "transfer-encoding", "content-length", "sec-websocket-accept"}
    assert stream.headers.one("x-mine") == "1"
    seen = site.backend.last
    assert (seen.method, seen.target, seen.version) == ("GET", "/chat?x=1", "HTTP/1.1")
    assert seen.headers.one("Connection").lower() == "upgrade"
    assert seen.headers.one("Upgrade").lower() == "websocket"
    assert len(base64.b64decode(seen.headers.one("Sec-WebSocket-Key"), validate=True)) == 16
    assert seen.headers.one("Sec-WebSocket-Version") == "13"
    assert seen.headers.one("Host") == "site.test" and seen.headers.one("Origin") == "https://site.test"
    assert seen.headers.one("X-Forwarded-Proto") == "https"
    assert (seen.headers.one("X-A"), seen.headers.one("Cookie")) == ("1", "a=b; c=d")
    assert not seen.headers.has("Content-Length") and not seen.headers.has("Transfer-Encoding")
    assert not [name for name in seen.headers.names() if name.startswith(":")]


def test_keys_differ(site, h2):
    site.backend.handler = tunnel
    for _ in range(5):
        assert open_stream(h2).status == 200
    assert len({seen.headers.one("Sec-WebSocket-Key") for seen in site.backend.requests}) == 5


def test_bytes_that_come_early_are_not_lost(site, h2):
    def handler(exchange):
        exchange.ended = True
        exchange.send(SWITCH + accept_line(exchange) + b"\r\nearly from backend")
        while data := exchange.wire.read_some():
            exchange.send(data)

    site.backend.handler = handler
    stream = h2.start_with(handshake_fields(), end=False)
    h2.send(stream, b"early from client")
    h2.wait_until(lambda: len(stream.body) == 35, "both")
    assert bytes(stream.body) == b"early from backendearly from client"


def test_requests_go_on_beside_it(site, h2):
    site.backend.handler = tunnel
    stream = open_stream(h2)
    for number in range(10):
        h2.send(stream, b"ping")
        exactly(h2.ask(path="/other"), 200, b"plain")
        h2.wait_until(lambda: len(stream.body) == 4 * (number + 1), "the echo")


def test_a_refusal_of_the_backend_is_passed(site, h2):
    site.backend.handler = lambda exchange: exchange.reply(status=403, body=b"no")
    for _ in range(3):
        stream = open_stream(h2)
        exactly(h2.finish(stream), 403, b"no")


def test_a_refused_websocket_gives_its_stream_back(start_cppx, make_backend):
    """Its client does not end a half that it has never used; the library refuses to open more than the limit."""
    backend = make_backend("main", handler=lambda exchange: exchange.reply(status=403, body=b"no"))
    objects = [*service_of("main", backend), ingress("site", rule("site.test", "main:80"))]
    cppx = start_cppx({"all.yaml": objects}, config={"http2-max-concurrent-streams": "8"})
    with cppx.h2() as client:
        client.settings()
        for _ in range(200):
            exactly(client.finish(open_stream(client)), 403, b"no")
        wait_for(lambda: client.ping() or client.h2.open_outbound_streams == 0, 5, "all streams to be over")
        assert client.goaways == []


@pytest.mark.parametrize("status", [200, 204])
def test_a_backend_that_does_not_switch_is_no_success(site, h2, status):
    """2xx would tell the client that its WebSocket is open."""
    site.backend.handler = lambda exchange: exchange.reply(status=status, body=b"hi" if status == 200 else b"")
    stream = open_stream(h2)
    assert stream.status >= 400
    site.backend.clear()
    exactly(h2.ask(), 200, b"main")


def test_local_replies(site, h2):
    assert open_stream(h2, host="unknown.test").status == 404
    site.backend.handler = lambda exchange: exchange.reset()
    assert open_stream(h2).status == 502
    exactly(h2.ask(path="/healthz", host="unknown.test"))


def test_the_end_of_the_backend_ends_the_stream(site, h2):
    def handler(exchange):
        switched(exchange)
        exchange.send(b"last words")
        exchange.close()

    site.backend.handler = handler
    stream = open_stream(h2)
    exactly(h2.finish(stream), 200, b"last words")


@contextlib.contextmanager
def closed_tunnel(site, say):
    """Of a client that opens no windows by itself, to a backend that closes after `say(exchange)`; with the event of that."""
    closed = threading.Event()

    def handler(exchange):
        switched(exchange)
        say(exchange)
        exchange.close()
        closed.set()

    site.backend.handler = handler
    with site.h2(automatic=False) as client:
        client.settings()
        yield client, open_stream(client), closed


def take_in(client, stream):
    """Opens the windows and waits for what comes next."""
    client.consume(stream)
    client.wait_until(lambda: stream.held or stream.over, "more")


def test_all_that_the_backend_said_before_it_closed_arrives_while_the_client_goes_on_sending(site):
    """What the client sends meets a closed socket, and its reset comes back while much of it is not read yet."""
    size = 400_000

    def say(exchange):
        exchange.send(b"x" * size)
        wait_for(lambda: exchange.wire.unacknowledged() == 0, 20, "all of it to be at cppx")

    with closed_tunnel(site, say) as (client, stream, closed):

        def read_a_little():
            if not closed.is_set() and len(stream.body) < size and not stream.over:
                take_in(client, stream)
            return closed.is_set()

        wait_for(read_a_little, 20, "the backend to close")
        while not stream.over:
            if len(stream.body) < size - size // 8:
                client.send(stream, b"ping")
            take_in(client, stream)
        assert (len(stream.body), stream.ended) == (size, True)


def test_what_a_closed_backend_could_not_get_rid_of_is_missed(site):
    """Its reset is told once, to whoever sends: who reads on would see an orderly end."""

    def say(exchange):
        exchange.wire.sock.settimeout(scaled(0.3))
        with pytest.raises(TimeoutError):
            while True:
                exchange.send(b"x" * 1_000_000)

    with closed_tunnel(site, say) as (client, stream, closed):
        wait_for(closed.is_set, 20, "the backend to close")
        for _ in range(5):
            client.send(stream, b"ping")
            exactly(client.ask(path="/healthz", host="unknown.test"))
        while not stream.over:
            take_in(client, stream)
        assert (stream.ended, stream.reset is not None) == (False, True)


def test_who_speaks_to_a_backend_that_has_closed_is_told(site, h2):
    def handler(exchange):
        switched(exchange)
        exchange.close()

    site.backend.handler = handler
    stream = open_stream(h2)
    h2.wait_until(lambda: stream.ended, "the backend's end")

    def told():
        if stream.reset is None:  # send() takes the end for enough
            h2.h2.send_data(stream.id, b"ping")
            h2.flush()
        exactly(h2.ask(path="/healthz", host="unknown.test"))
        return stream.reset is not None

    wait_for(told, 10, "the end of the stream")


def test_a_tunnel_is_not_refused_in_the_words_of_grpc(h2):
    stream = open_stream(h2, host="unknown.test", headers=[("content-type", "application/grpc")])
    assert stream.status == 404


def test_a_reset_of_the_backend_resets_the_stream(site, h2):
    go_on = threading.Event()

    def handler(exchange):
        switched(exchange)
        assert go_on.wait(20)
        exchange.reset()

    site.backend.handler = handler
    stream = open_stream(h2)
    go_on.set()
    with pytest.raises(Reset):
        h2.finish(stream)
    site.backend.clear()
    exactly(h2.ask(), 200, b"main")


@pytest.mark.parametrize("how", ["reset of the stream", "end of the connection", "reset of the connection"])
def test_the_end_of_the_client_ends_the_backend(site, how):
    gone = threading.Event()

    def handler(exchange):
        switched(exchange)
        exchange.expect_peer_gone()
        gone.set()

    site.backend.handler = handler
    with site.h2() as client:
        client.settings()
        stream = open_stream(client)
        if how == "reset of the stream":
            client.cancel(stream)
        elif how == "end of the connection":
            client.wire.close()
        else:
            client.wire.reset()
        assert gone.wait(scaled(10)), "the backend's side stays open"


def test_one_closed_direction_leaves_the_other_open(site, h2):
    def handler(exchange):
        exchange.ended = True
        switched(exchange)
        exchange.send(b"got " + exchange.wire.read_to_end())
        exchange.close()

    site.backend.handler = handler
    stream = open_stream(h2)
    h2.send(stream, b"all", end=True)
    exactly(h2.finish(stream), 200, b"got all")


def test_a_reader_that_stops_holds_the_sender(site):
    sent = [0]

    def handler(exchange):
        if exchange.request.target == "/other":
            exchange.reply(body=b"plain")
            return
        exchange.ended = True
        switched(exchange)
        for _ in range(256):
            exchange.send(b"x" * 65536)
            sent[0] += 65536
        exchange.close()

    site.backend.handler = handler
    with site.h2(automatic=False) as client:
        client.settings()
        client.h2.increment_flow_control_window(2**24)
        stream = open_stream(client)
        stalls_below(lambda: sent[0], 12 * 1024 * 1024)
        exactly(client.ask(path="/other"), 200, b"plain")
        while not stream.over:
            client.consume(stream)
            client.wait_until(lambda: stream.held or stream.over, "more")
        assert len(stream.body) == 256 * 65536 and stream.ended


def test_an_idle_websocket_is_ended_after_the_read_timeout(start_cppx, make_backend):
    backend = make_backend("main", handler=tunnel)
    objects = [*service_of("main", backend), ingress("site", rule("site.test", "main:80"))]
    cppx = start_cppx({"all.yaml": objects}, config={"proxy-read-timeout": "300ms", "proxy-send-timeout": "300ms"})
    with cppx.h2() as client:
        client.settings()
        stream = open_stream(client)
        assert stream.status == 200
        client.wait_until(lambda: stream.over, "the end", 5)
        exactly(client.ask(), 200, b"plain")
    wait_for(lambda: all(seen.complete for seen in backend.requests), what="the end")


def test_the_backend_of_an_idle_websocket_sees_an_orderly_end(start_cppx, make_backend):
    ends = []

    def handler(exchange):
        exchange.ended = True
        switched(exchange)
        ends.append(how_it_ends(exchange.wire))

    objects = [*service_of("main", make_backend("main", handler=handler)), ingress("site", rule("site.test", "main:80"))]
    limit = milliseconds(scaled(1))
    cppx = start_cppx({"all.yaml": objects}, config={"proxy-read-timeout": limit, "proxy-send-timeout": limit})
    with cppx.h2() as client:
        client.settings()
        stream = open_stream(client)
        client.wait_until(lambda: stream.over, "the end")
        wait_for(lambda: ends, 5, "the end of the backend's side")
    assert ends == ["end"]


def test_a_client_that_reads_slowly_but_steadily_is_not_cut(start_cppx, make_backend):
    """A part of 64 KiB takes longer than the time limit, and some of it goes all the time."""
    size, step, limit = 400_000, 4096, scaled(1)

    def handler(exchange):
        switched(exchange)
        exchange.send(b"x" * size)
        exchange.close()

    backend = make_backend("main", handler=handler)
    objects = [*service_of("main", backend), ingress("site", rule("site.test", "main:80"))]
    cppx = start_cppx({"all.yaml": objects}, config={"proxy-read-timeout": milliseconds(limit)})
    with cppx.h2(automatic=False) as client:
        client.settings()
        client.h2.increment_flow_control_window(size)
        stream = open_stream(client)
        due, held_up = 65535, False
        for _ in range(20):
            begun = time.monotonic()
            client.wait_until(lambda: len(stream.body) >= due or stream.over, "what the window allows")
            if stream.over:
                break
            time.sleep(limit / 10)
            client.h2.increment_flow_control_window(step, stream.id)
            client.flush()
            due += step
            held_up = held_up or time.monotonic() - begun > limit / 2
        assert held_up or not stream.over, stream.reset
        if not stream.over:
            client.h2.increment_flow_control_window(size, stream.id)
            client.flush()
            exactly(client.finish(stream), 200, b"x" * size)


@pytest.mark.parametrize("protocol", ["webtransport", "connect-udp", "h2c", "", "websocket, x"])
def test_other_protocols_are_refused(site, h2, protocol):
    stream = h2.start_with(handshake_fields(protocol=protocol), end=False)
    try:
        assert h2.head(stream).status in (400, 405, 501)
    except Reset as end:
        assert end.code in (1, 7)
    h2.ping()
    site.expect_untouched()


WITHOUT = {"no scheme": ":scheme", "no path": ":path", "no authority": ":authority"}


@pytest.mark.parametrize("name", WITHOUT)
def test_incomplete_heads_are_refused(site, h2, name):
    """RFC 8441 section 4: with :protocol these must be there."""
    fields = [pair for pair in handshake_fields() if pair[0] != WITHOUT[name]]
    stream = h2.start_with(fields, end=False)
    try:
        assert h2.head(stream).status == 400
    except Reset as end:
        assert end.code == 1
    h2.ping()
    site.expect_untouched()
