"""Upgrade: WebSocket tunnels, with the websockets library as client and backend, and by hand."""

import contextlib
import random
import select
import threading
import time

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.server import serve

from support.client import request
from support.manifests import ingress, rule, service_of
from support.waiting import milliseconds, scaled, wait_for
from support.websocket import open_websocket
from support.websocket_echo import echo, echo_site
from support.wire import how_it_ends

UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "websocket")]
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nX-Mine: 1\r\n\r\n"


@pytest.fixture(scope="module")
def sockets(cppx_binary, tmp_path_factory):
    """A cppx before a WebSocket echo server."""
    with echo_site(tmp_path_factory.mktemp("sockets") / "manifests") as cppx:
        yield cppx


@pytest.fixture(params=[False, True], ids=["ws", "wss"])
def websocket(sockets, request):
    with open_websocket(sockets, request.param) as client:
        yield client


def test_text_and_binary_messages(websocket):
    for message in ["hello", "", "\u00e4\u20ac", b"", b"\x00\xff" * 10]:
        websocket.send(message)
        assert websocket.recv(timeout=scaled(10)) == message


@pytest.mark.parametrize("size", [125, 126, 65535, 65536, 4_000_000])
def test_messages_of_all_sizes(websocket, size):
    message = random.Random(size).randbytes(size)
    websocket.send(message)
    assert websocket.recv(timeout=scaled(20)) == message


def test_ping(websocket):
    assert websocket.ping(b"mark").wait(scaled(10))


def test_the_backend_closes_with_a_code(websocket):
    websocket.send("close me")
    with pytest.raises(ConnectionClosed) as closed:
        websocket.recv(timeout=scaled(10))
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "as asked")


def test_the_client_closes_with_a_code(websocket):
    websocket.close(4002, "enough")
    assert websocket.close_code == 4002


def test_many_tunnels_at_once(sockets):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(open_websocket(sockets, tls=number % 2 == 0)) for number in range(20)]
        for turn in range(5):
            for number, client in enumerate(clients):
                client.send(f"{turn} {number}")
            for number, client in enumerate(clients):
                assert client.recv(timeout=scaled(10)) == f"{turn} {number}"


def test_a_subprotocol_is_negotiated_end_to_end(start_cppx):
    with serve(echo, "127.0.0.1", 0, subprotocols=["chat.v2", "chat.v1"]) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        objects = [*service_of("echo", server.socket.getsockname()[:2]), ingress("echo", rule("site.test", "echo:80"))]
        cppx = start_cppx({"all.yaml": objects})
        with open_websocket(cppx, tls=False, subprotocols=["chat.v1"]) as client:
            assert client.subprotocol == "chat.v1"
        server.shutdown()
        thread.join()


def test_a_refused_upgrade_is_an_ordinary_answer(site):
    site.backend.handler = lambda exchange: exchange.reply(status=403, body=b"no")
    with pytest.raises(InvalidStatus) as refused, open_websocket(site.cppx, tls=False):
        pass
    assert refused.value.response.status_code == 403
    with site.connect() as connection:
        for _ in range(3):
            response = connection.ask(request(headers=UPGRADE))
            assert (response.status, response.body) == (403, b"no")


def switch(*fields):
    return b"".join([b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n", *fields, b"\r\n"])


def tunnel(exchange):
    """Accepts the upgrade and sends everything back."""
    exchange.ended = True
    exchange.send(switch(b"Upgrade: %s\r\n" % exchange.request.headers.one("Upgrade").encode(), b"X-Mine: 1\r\n"))
    while data := exchange.wire.read_some():
        exchange.send(data)


def test_heads_of_an_upgrade(site):
    site.backend.handler = tunnel
    with site.connect() as connection:
        connection.send(request(target="/chat", headers=[*UPGRADE, ("Sec-WebSocket-Key", "abc"), ("X-A", "1")]))
        response = connection.read_response_head()
        assert response.status == 101
        assert response.headers.one("Upgrade") == "websocket"
        assert response.headers.one("Connection").lower() == "upgrade"
        assert response.headers.one("X-Mine") == "1"
        assert not response.headers.has("Content-Length") and not response.headers.has("Transfer-Encoding")
        seen = site.backend.last.headers
        assert seen.one("Connection").lower() == "upgrade"
        assert seen.one("Upgrade") == "websocket"
        assert seen.one("Sec-WebSocket-Key") == "abc"
        assert seen.one("X-Forwarded-Proto") == "http"


@pytest.mark.parametrize("protocol", ["websocket", "WebSocket", "SPDY/3.1", "anything"])
def test_any_protocol_is_tunnelled(site, protocol):
    site.backend.handler = tunnel
    with site.connect() as connection:
        connection.send(request(headers=[("Connection", "keep-alive, Upgrade"), ("Upgrade", protocol)]))
        assert connection.read_response_head().status == 101
        connection.send(b"raw \x00 bytes")
        assert connection.read_exact(11) == b"raw \x00 bytes"
    assert site.backend.last.headers.one("Upgrade") == protocol


@pytest.mark.parametrize(
    ("asked", "chosen", "status"),
    [
        ("websocket", [b"Upgrade: WebSocket\r\n"], 101),
        ("tls/1.3, websocket", [b"Upgrade: websocket\r\n"], 101),
        ("a, b, c", [b"Upgrade: c, a\r\n"], 101),
        ("websocket", [], 502),
        ("websocket", [b"Upgrade:\r\n"], 502),
        ("websocket", [b"Upgrade: other\r\n"], 502),
        ("websocket", [b"Upgrade: websocket, h2c\r\n"], 502),
    ],
)
def test_a_backend_switches_to_what_was_asked_for(site, asked, chosen, status):
    """RFC 9110 7.8."""
    def handler(exchange):
        exchange.ended = True
        exchange.send(switch(*chosen))
        exchange.expect_peer_gone()

    site.backend.handler = handler
    with site.connect() as connection:
        connection.send(request(headers=[("Connection", "upgrade"), ("Upgrade", asked)]))
        assert connection.read_response_head().status == status


@pytest.mark.parametrize("protocol", ["websocket", "SPDY/3.1"])
def test_a_missing_key_is_the_backends_to_refuse(site, protocol):
    site.backend.handler = tunnel
    with site.connect() as connection:
        connection.send(request(headers=[("Connection", "upgrade"), ("Upgrade", protocol)]))
        assert connection.read_response_head().status == 101
    assert not site.backend.last.headers.has("Sec-WebSocket-Key")


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_bytes_sent_together_with_the_heads_are_not_lost(site, tls):
    def handler(exchange):
        exchange.ended = True
        exchange.send(SWITCH + b"early from backend")
        while data := exchange.wire.read_some():
            exchange.send(data)

    site.backend.handler = handler
    with site.connect_tls("site.test") if tls else site.connect() as connection:
        connection.send(request(headers=UPGRADE))
        assert connection.read_response_head().status == 101
        assert connection.read_exact(18) == b"early from backend"
        connection.send(b"and back")
        assert connection.read_exact(8) == b"and back"


def test_bytes_after_a_refused_upgrade_are_the_next_request(site):
    site.backend.handler = lambda exchange: exchange.reply(status=400)
    with site.connect() as connection:
        connection.send(request(target="/1", headers=UPGRADE) + request(target="/2"))
        assert [connection.read_response().status for _ in range(2)] == [400, 400]
    assert [seen.target for seen in site.backend.requests] == ["/1", "/2"]


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_the_end_of_the_backend_ends_the_client(site, tls):
    def handler(exchange):
        exchange.send(SWITCH + b"last words")
        exchange.close()

    site.backend.handler = handler
    with site.connect_tls("site.test") if tls else site.connect() as connection:
        connection.send(request(headers=UPGRADE))
        assert connection.read_response_head().status == 101
        assert connection.read_exact(10) == b"last words"
        connection.expect_closed()


def test_all_that_the_backend_said_before_it_closed_arrives_while_the_client_goes_on_sending(site):
    """What the client sends meets a closed socket, and its reset comes back while much of it is not read yet."""
    size, closed = 8_000_000, threading.Event()

    def handler(exchange):
        exchange.send(SWITCH + b"x" * size)
        wait_for(lambda: exchange.wire.unacknowledged() == 0, 20, "all of it to be at cppx")
        exchange.close()
        closed.set()

    site.backend.handler = handler
    with site.connect(receive_buffer=65536) as connection:
        connection.send(request(headers=UPGRADE))
        assert connection.read_response_head().status == 101
        received = len(connection.read_some())

        def read_a_little():
            nonlocal received
            received += len(connection.read_some()) if received < size else 0
            return closed.is_set()

        wait_for(read_a_little, 20, "the backend to close")
        while data := connection.read_some():
            received += len(data)
            if received < size // 2:
                connection.send(b"ping")
    assert received == size


@pytest.mark.parametrize("how", ["close", "reset"])
def test_the_end_of_the_client_ends_the_backend(site, how):
    gone = threading.Event()

    def handler(exchange):
        exchange.send(SWITCH)
        exchange.expect_peer_gone()
        gone.set()

    site.backend.handler = handler
    connection = site.connect()
    connection.send(request(headers=UPGRADE))
    assert connection.read_response_head().status == 101
    getattr(connection, how)()
    assert gone.wait(scaled(10)), "the backend's side of the tunnel stays open"


def test_one_closed_direction_leaves_the_other_open(site):
    def handler(exchange):
        exchange.ended = True
        exchange.send(SWITCH)
        data = exchange.wire.read_to_end()
        exchange.send(b"got " + data)
        exchange.close()

    site.backend.handler = handler
    with site.connect() as connection:
        connection.send(request(headers=UPGRADE))
        assert connection.read_response_head().status == 101
        connection.send(b"all")
        connection.finish_sending()
        assert connection.read_to_end() == b"got all"


def test_a_reset_after_the_closed_direction_ends_the_backend(site):
    """One that does not answer the client's end, and is told in the only way that is left."""
    half, gone = threading.Event(), threading.Event()

    def handler(exchange):
        exchange.ended = True
        exchange.send(SWITCH)
        exchange.wire.read_to_end()
        half.set()
        watched = select.poll()
        watched.register(exchange.wire.sock, 0)  # a reset is told unasked
        if watched.poll(scaled(5) * 1000):
            gone.set()

    site.backend.handler = handler
    connection = site.connect()
    connection.send(request(headers=UPGRADE))
    assert connection.read_response_head().status == 101
    connection.finish_sending()
    assert half.wait(scaled(5)), "the backend is not told that the client has closed its direction"
    connection.reset()
    assert gone.wait(scaled(6)), "the backend's side of the tunnel stays open"


@pytest.fixture
def impatient(start_cppx, make_backend):
    backend = make_backend("main", handler=tunnel)
    objects = [*service_of("main", backend), ingress("site", rule("site.test", "main:80"))]
    return start_cppx({"all.yaml": objects}, config={"proxy-read-timeout": "300ms", "proxy-send-timeout": "300ms"})


def test_an_idle_tunnel_is_ended_after_the_read_timeout(impatient):
    with impatient.connect() as connection:
        start = time.monotonic()
        connection.send(request(headers=UPGRADE))
        assert connection.read_response_head().status == 101
        connection.expect_closed()
    assert 0.2 < time.monotonic() - start < scaled(3)


def test_the_backend_of_an_idle_tunnel_sees_an_orderly_end(start_cppx, make_backend):
    ends = []

    def handler(exchange):
        exchange.ended = True
        exchange.send(SWITCH)
        ends.append(how_it_ends(exchange.wire))

    objects = [*service_of("main", make_backend("main", handler=handler)), ingress("site", rule("site.test", "main:80"))]
    limit = milliseconds(scaled(1))
    cppx = start_cppx({"all.yaml": objects}, config={"proxy-read-timeout": limit, "proxy-send-timeout": limit})
    with cppx.connect() as connection:
        connection.send(request(headers=UPGRADE))
        assert connection.read_response_head().status == 101
        connection.expect_closed()
    wait_for(lambda: ends, 5, "the end of the backend's side")
    assert ends == ["end"]


def test_traffic_keeps_a_tunnel(start_cppx, make_backend):
    backend = make_backend("main", handler=tunnel)
    objects = [*service_of("main", backend), ingress("site", rule("site.test", "main:80"))]
    limit = scaled(1)
    config = {"proxy-read-timeout": milliseconds(limit), "keep-alive": milliseconds(limit)}
    cppx = start_cppx({"all.yaml": objects}, config=config)
    with cppx.connect() as connection:
        connection.send(request(headers=UPGRADE))
        assert connection.read_response_head().status == 101
        for _ in range(15):
            connection.send(b"tick")
            assert connection.read_exact(4) == b"tick"
            time.sleep(limit / 10)


def test_a_reader_that_stops_holds_the_sender_in_a_tunnel(site):
    sent = [0]

    def handler(exchange):
        exchange.ended = True
        exchange.send(SWITCH)
        for _ in range(1024):
            exchange.send(b"x" * 65536)
            sent[0] += 65536
        exchange.close()

    site.backend.handler = handler
    with site.connect(receive_buffer=16384) as connection:
        connection.send(request(headers=UPGRADE))
        assert connection.read_response_head().status == 101
        last = [-1, 0]

        def still():
            last[1] = last[1] + 1 if sent[0] == last[0] and sent[0] > 0 else 0
            last[0] = sent[0]
            return last[1] >= 20

        wait_for(still, 20, "the backend to stop", every=0.02)
        assert sent[0] < 32 * 1024 * 1024
        assert len(connection.read_to_end()) == 64 * 1024 * 1024


def test_a_request_with_a_body_is_upgraded_whole_or_an_ordinary_request(site):
    """The proxy may ignore an Upgrade (RFC 9110 section 7.8): then the backend does not see it."""

    def handler(exchange):
        body = exchange.read_body()
        if exchange.request.headers.has("Upgrade"):
            exchange.send(SWITCH + body)
            exchange.close()
        else:
            exchange.reply(body=body)

    site.backend.handler = handler
    with site.connect() as connection:
        connection.send(request("POST", headers=[*UPGRADE, ("Connection", "close")], body=b"body"))
        response = connection.read_response_head()
        assert response.status == (101 if site.backend.last.headers.has("Upgrade") else 200)
        assert connection.read_to_end() == b"body"


def test_http_10_cannot_upgrade(site):
    response = site.ask(request(version="1.0", headers=UPGRADE))
    assert response.status == 200
    assert not site.backend.last.headers.has("Upgrade")
