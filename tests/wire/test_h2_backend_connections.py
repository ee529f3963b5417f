"""How connections to HTTP/2 backends are made, used up and given up, and what becomes of the requests on them."""

import contextlib
import queue
import socket
import threading

import pytest
from h2.settings import SettingCodes
from hyperframe.frame import DataFrame, GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame

from support.cppx import measured_memory
from support.h2 import exactly
from support.h2_backend import EVERY
from support.h2_raw import ends
from support.load import MIB, Peak
from support.manifests import ingress, rule, service_of
from support.raw_backend import RawBackend, next_request
from support.waiting import scaled, wait_for
from support.wire import chunk, chunked

OK = [(":status", "200")]
H2C = "kubernetes.io/h2c"


def objects_for(*backends, name="site", protocol=H2C):
    """`backends` at http://NAME.test."""
    return [*service_of(name, *backends, app_protocol=protocol), ingress(name, rule(f"{name}.test", f"{name}:80"))]


@pytest.fixture
def before(start_cppx):
    """Starts a cppx with one worker before HTTP/2 backends."""

    def start(*backends, **config):
        settings = {name.replace("_", "-"): value for name, value in config.items()}
        options = {"config": settings, "workers": 1, "environment": measured_memory()}
        return start_cppx({"all.yaml": objects_for(*backends)}, **options)

    return start


@pytest.fixture
def make_raw_backend(start_cppx):
    """Starts backends whose connections are in the hands of the test."""
    with contextlib.ExitStack() as stack:

        def make(**options):
            backend = RawBackend(**options)
            stack.callback(backend.stop)
            return backend

        yield make


def test_a_connection_is_closed_after_its_number_of_requests(before, make_h2_backend):
    backend = make_h2_backend()
    cppx = before(backend, upstream_keepalive_requests="1")
    with cppx.h2() as client:
        assert [client.ask().status for _ in range(20)] == [200] * 20
    assert backend.accepted == 20
    wait_for(lambda: backend.open_connections == 0, 3, "connections that are used up to be closed")


def test_a_backend_that_takes_no_streams_gets_one_connection_until_it_does(before, make_h2_backend):
    """Another one would be told the same, and all of them would stay."""
    backend = make_h2_backend(settings={SettingCodes.MAX_CONCURRENT_STREAMS: 0})
    cppx = before(backend)
    with cppx.h2() as client:
        assert [client.ask().status for _ in range(20)] == [502] * 20
        assert (backend.accepted, backend.requests) == (1, [])
        connection = backend.connections[0]
        with connection.changed:
            connection.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 10})
            connection.flush()
        wait_for(lambda: client.ask().status == 200, 3, "the backend to be used")
    assert backend.accepted == 1


@pytest.mark.parametrize("protocol", [H2C, None], ids=["http2", "http1"])
def test_idle_connections_to_one_backend_make_room_for_another(
    start_cppx, make_h2_backend, make_backend, held, protocol
):
    """Where the process may open too few files for both: idle ones of HTTP/2 go as those of HTTP/1.1 do."""
    count = 40
    one_each = {SettingCodes.MAX_CONCURRENT_STREAMS: 1}
    first = make_h2_backend("first", handler=held, settings=one_each)
    if protocol == H2C:
        other = make_h2_backend("other", handler=held, settings=one_each)
    else:
        other = make_backend("other", handler=held)
    objects = [*objects_for(first, name="first"), *objects_for(other, name="other", protocol=protocol)]
    cppx = start_cppx({"all.yaml": objects}, config={"max-worker-open-files": "64"}, workers=1)
    with cppx.h2() as client:
        for backend in (first, other):
            held.go_on.clear()
            streams = [client.start(path="/held", host=f"{backend.name}.test") for _ in range(count)]

            def all_there():
                client.ping()
                return len(backend.requests) == count or any(stream.over for stream in streams)

            wait_for(all_there, 5, f"all requests to be at {backend.name}")
            held.go_on.set()
            assert [client.finish(stream).status for stream in streams] == [200] * count
        wait_for(lambda: first.open_connections < count, 3, "idle ones to go")


def drain_first(backend):
    """Its first connection takes no more streams."""
    connection = backend.connections[0]
    with connection.changed:
        connection.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 0})
        connection.flush()
    return connection


def test_a_connection_that_takes_no_more_streams_does_not_stand_for_the_backend(before, make_h2_backend):
    """Which may have several processes behind one port, and drain one of them."""
    backend = make_h2_backend()
    cppx = before(backend)
    with cppx.h2() as client:
        assert client.ask().status == 200
        drain_first(backend)
        wait_for(lambda: client.ask().status == 200 and backend.accepted == 2, 3, "another connection to be used")


def test_many_requests_at_once_share_the_connection_that_follows_a_drained_one(before, make_h2_backend):
    backend = make_h2_backend()
    cppx = before(backend)
    with cppx.h2() as client:
        assert client.ask().status == 200
        connection = drain_first(backend)
        wait_for(lambda: connection.h2.local_settings.max_concurrent_streams == 0, 3, "the settings to be known")
        streams = [client.start() for _ in range(20)]
        assert [client.finish(stream).status for stream in streams] == [200] * 20
    assert backend.accepted == 2


@pytest.mark.parametrize("greeting", ["goaway", "http1"])
def test_a_backend_that_takes_no_requests_gets_few_connections_for_one(before, make_backend, greeting):
    """It drains, and says so at once; or it does not speak HTTP/2."""

    def goaway(wire):
        wire.send(SettingsFrame(0).serialize() + GoAwayFrame(0, last_stream_id=0).serialize())
        wire.read_to_end()
        return "done"

    backend = make_backend(on_connect=goaway if greeting == "goaway" else None)
    cppx = before(backend)
    with cppx.h2() as client:
        assert client.ask().status == 502
    assert 1 <= cppx.metric("cppx_upstream_connects_total") <= 3


def test_a_post_that_was_not_sent_yet_is_asked_elsewhere_when_the_connection_ends(before, make_raw_backend):
    """It waits behind an upload that the backend does not read, which cannot have begun it."""
    wide = {SettingCodes.INITIAL_WINDOW_SIZE: 64 * MIB}
    backend = make_raw_backend(settings=wide, receive_buffer=4096)
    cppx = before(backend, proxy_body_size="0")
    with cppx.h2() as uploader, cppx.h2() as client:
        upload, sent = uploader.start("POST", "/upload", end=False), 0
        peer = backend.peer()
        next_request(peer, "/upload")
        peer.grow(64 * MIB)

        # Until it stands still: the backend's window is open, but its socket is full, and so is that of cppx.
        with pytest.raises(AssertionError, match="in vain"):
            while sent < 64 * MIB:
                uploader.wait_until(lambda: uploader.window(upload) > 0, "the window to open", 0.5)
                sent += uploader.window(upload)
                uploader.send(upload, b"x" * uploader.window(upload))
        waiting = client.start("POST", end=False)
        client.send(waiting, b"body", end=True)
        for _ in range(2):
            client.ping()
        peer.wire.reset()
        again = backend.peer()
        again.send(again.head(next_request(again), OK, end=True))
        exactly(client.finish(waiting))
        assert uploader.finish(upload).status == 502, "some of it has been sent"


@pytest.mark.parametrize("farewell", [[], [GoAwayFrame(0, last_stream_id=EVERY)]], ids=["nothing", "goaway"])
def test_a_post_that_the_backend_cannot_have_read_is_asked_elsewhere(before, make_raw_backend, farewell):
    """It lies in the socket of cppx, behind an upload that fills the backend's, when the backend ends its side."""
    backend = make_raw_backend(settings={SettingCodes.INITIAL_WINDOW_SIZE: MIB}, receive_buffer=4096)
    cppx = before(backend)
    with cppx.h2() as uploader, cppx.raw_h2() as client:
        upload = uploader.start("POST", "/upload", end=False)
        peer = backend.peer()
        next_request(peer, "/upload")
        peer.grow(MIB)
        uploader.send(upload, b"x" * (MIB // 8))
        send_together(client, b"body", end=True)
        for _ in range(2):
            client.expect_alive()
        peer.send(*farewell)
        peer.wire.sock.shutdown(socket.SHUT_WR)
        again = backend.peer()
        again.send(again.head(next_request(again), OK, end=True))
        assert client.status_of(1) == 200
        assert uploader.finish(upload).status == 502, "some of it has come"
        # What cppx had written its kernel still delivers: the request was on its way there too.
        peer.wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MIB)
        next_request(peer)


def test_a_post_that_came_is_not_asked_again_when_the_connection_ends(before, make_raw_backend):
    backend = make_raw_backend()
    cppx = before(backend)
    with cppx.h2() as client:
        stream = client.start("POST")
        peer = backend.peer()
        next_request(peer)
        peer.wire.sock.shutdown(socket.SHUT_WR)
        assert client.finish(stream).status == 502
    with pytest.raises(queue.Empty):
        backend.peer(0.5)


def refuses_the_first():
    """A handler that refuses the first stream before anything of its body came, and sends back the bodies of others."""
    seen = []

    def handler(exchange):
        seen.append(exchange)
        if len(seen) == 1:
            exchange.reset(7)
        else:
            exchange.reply(body=exchange.read_body())

    return handler


def test_a_refused_stream_is_tried_again_with_the_body_that_comes_later(before, make_h2_backend):
    backend = make_h2_backend(handler=refuses_the_first())
    cppx = before(backend)
    with cppx.h2() as client:
        stream = client.start("POST", end=False)
        backend.wait_for_requests(2, 3)
        client.send(stream, b"body", end=True)
        exactly(client.finish(stream), 200, b"body")
    assert len(backend.requests) == 2


@pytest.mark.parametrize(
    ("field", "body"),
    [("Content-Length: 4", b"body"), ("Transfer-Encoding: chunked", chunked(b"bo", b"dy"))],
    ids=["content-length", "chunked"],
)
def test_a_refused_stream_of_a_client_of_http_11_is_tried_again_with_the_body_that_comes_later(
    before, make_h2_backend, field, body
):
    backend = make_h2_backend(handler=refuses_the_first())
    cppx = before(backend)
    with cppx.connect() as connection:
        connection.send(f"POST / HTTP/1.1\r\nHost: site.test\r\n{field}\r\n\r\n".encode())
        backend.wait_for_requests(2, 3)
        connection.send(body)
        response = connection.read_response()
        assert (response.status, response.body) == (200, b"body")
        assert connection.ask(b"GET / HTTP/1.1\r\nHost: site.test\r\n\r\n").status == 200
    assert len(backend.requests) == 3


def send_together(client, body, end=False, headers=()):
    """A POST on stream 1, in one write: cppx finds the body when it begins with the head."""
    fields = client.request_fields(method="POST", headers=headers)
    client.send(client.head(1, fields, end=False), DataFrame(1, body, flags=["END_STREAM"] if end else []))


def read_data(client, data):
    client.read_until(lambda frame: isinstance(frame, DataFrame) and frame.data == data, f"DATA of {data}", 3)


def refuses(exchange):
    """Answers without reading; the window stays as it is until the client has its answer, and after it."""
    exchange.reply(413, body=b"too much")
    exchange.expect_reset()


@pytest.mark.parametrize("whole", [True, False], ids=["all is there", "the rest is to come"])
@pytest.mark.parametrize("client", ["http1", "http1 chunked", "http2"])
def test_an_answer_does_not_wait_for_the_window_of_the_body(before, make_h2_backend, client, whole):
    narrow = {SettingCodes.INITIAL_WINDOW_SIZE: 1000}
    cppx = before(make_h2_backend(handler=refuses, settings=narrow))
    body = b"x" * 5000
    if client == "http2":
        with cppx.raw_h2() as connection:
            send_together(connection, body, end=whole)
            read_data(connection, b"too much")
            assert dict(connection.heads[1][0])[b":status"] == b"413"
        return
    with cppx.connect(timeout=3) as connection:
        if client == "http1":
            head, data = f"Content-Length: {len(body) if whole else 6000}", body
        else:
            head, data = "Transfer-Encoding: chunked", chunked(body) if whole else chunk(body)
        connection.send(f"POST / HTTP/1.1\r\nHost: site.test\r\n{head}\r\n\r\n".encode() + data)
        response = connection.read_response()
        assert (response.status, response.body) == (413, b"too much")


def test_messages_go_both_ways_while_the_first_one_waits_for_the_window(before, make_h2_backend):
    """A server that reads on when its client has understood its first answer."""
    seen = threading.Event()

    def handler(exchange):
        pieces = exchange.body_pieces()
        size = len(next(pieces))
        exchange.send_head(headers=[("content-type", "application/grpc")])
        exchange.send(b"first")
        assert seen.wait(scaled(20))
        size += sum(map(len, pieces))
        exchange.send(b" and %d" % size)
        exchange.send_fields([("grpc-status", "0")], end=True)

    cppx = before(make_h2_backend(handler=handler, settings={SettingCodes.INITIAL_WINDOW_SIZE: 1000}))
    try:
        with cppx.raw_h2() as client:
            send_together(client, b"x" * 5000, headers=[("content-type", "application/grpc"), ("te", "trailers")])
            read_data(client, b"first")
            seen.set()
            client.send(DataFrame(1, b"x" * 100, flags=["END_STREAM"]))
            read_data(client, b" and 5100")
            client.read_until(lambda frame: isinstance(frame, HeadersFrame), "the trailers")
            assert client.heads[1][1] == [(b"grpc-status", b"0")]
    finally:
        seen.set()


def test_interim_heads_that_nobody_waits_for_are_not_kept(before, make_raw_backend):
    """While a body waits for the backend's window."""
    backend = make_raw_backend(settings={SettingCodes.INITIAL_WINDOW_SIZE: 100})
    cppx = before(backend)
    with cppx.raw_h2() as client:
        send_together(client, b"x" * 1000, end=True)
        peer = backend.peer()
        number = next_request(peer)
        # The first one fills the table of HPACK, from where the others take it.
        early = [(":status", "103"), ("link", "x" * 3000)]
        first, other = peer.head(number, early, end=False), peer.head(number, early, end=False).serialize()
        assert len(other) < 20
        with Peak(cppx) as peak, contextlib.suppress(OSError, AssertionError):  # It may end the connection.
            peer.send(first, *[other] * 20_000)
            peer.expect_alive()
        assert peak.growth < 12 * MIB
        end = client.read_until(lambda frame: frame.stream_id == 1 and ends(frame), "the end of the request")
        assert isinstance(end, RstStreamFrame) or dict(client.heads[1][-1])[b":status"] == b"502"
        client.expect_alive()
