"""The HTTP/2 part of the test library, client against backend with nothing between: a checker must be able to fail."""

import threading

import grpc
import pytest
from h2.exceptions import ProtocolError
from hyperframe.frame import DataFrame, GoAwayFrame, RstStreamFrame
from websockets.frames import Frame
from websockets.protocol import OPEN, SERVER, Protocol

from support.certificates import make_certificate
from support.grpc_service import GrpcServer, failure, open_stub
from support.h2 import H2Client, Reset, exactly
from support.h2_raw import PROTOCOL_ERROR, RawClient
from support.waiting import wait_for
from support.websocket import H2WebSocket
from support.wire import Truncated


@pytest.fixture
def backend(make_h2_backend):
    return make_h2_backend("itself")


@pytest.fixture
def client(backend):
    with H2Client.plain(backend.port) as client:
        yield client


def test_a_request_is_recorded_as_sent(backend, client):
    stream = client.ask("POST", "/a?b", headers=[("x-a", "1"), ("x-a", "2")], body=b"body", trailers=[("x-t", "3")])
    exactly(stream, 200, b"itself")
    seen = backend.last
    assert seen.pseudo == {":method": "POST", ":scheme": "http", ":authority": "site.test", ":path": "/a?b"}
    assert (seen.headers.all("x-a"), seen.body, seen.complete) == (["1", "2"], b"body", True)
    assert seen.trailers == [("x-t", "3")]


def test_interim_responses_and_trailers_are_told_apart(backend, client):
    def handler(exchange):
        exchange.send_fields([(":status", "103"), ("link", "</a>")])
        exchange.reply(body=b"x", trailers=[("x-end", "1")])

    backend.handler = handler
    stream = client.ask()
    assert (stream.interim, stream.trailers) == ([(103, [("link", "</a>")])], [("x-end", "1")])
    exactly(stream, 200, b"x")


def test_a_reset_is_not_an_end(backend, client):
    def handler(exchange):
        exchange.send_head()
        exchange.send(b"half")
        exchange.reset(2)

    backend.handler = handler
    with pytest.raises(Reset) as end:
        client.ask()
    assert end.value.code == 2


def test_the_end_of_the_connection_is_not_the_end_of_a_response(backend, client):
    def handler(exchange):
        exchange.send_head()
        exchange.send(b"half")
        exchange.close()

    backend.handler = handler
    # What the client answers to a frame may meet the closed connection first.
    with pytest.raises((Truncated, BrokenPipeError, ConnectionResetError)):
        client.ask()


def test_a_wrong_content_length_is_noticed(backend, client):
    backend.handler = lambda exchange: exchange.reply(headers=[("content-length", "5")], body=b"four")
    with pytest.raises(ProtocolError):
        client.ask()


@pytest.mark.parametrize("name", ["X-Upper", "connection", "transfer-encoding", "keep-alive"])
def test_forbidden_response_fields_are_noticed(backend, client, name):
    backend.handler = lambda exchange: exchange.reply(headers=[(name, "x")])
    with pytest.raises(ProtocolError):
        client.ask()


def test_a_window_that_is_not_opened_stops_the_sender(backend):
    sent = []

    def handler(exchange):
        exchange.send_head()
        for _ in range(20):
            exchange.send(b"x" * 10_000)
            sent.append(10_000)
        exchange.send(end=True)

    backend.handler = handler
    with H2Client.plain(backend.port, automatic=False) as client:
        stream = client.start()
        client.wait_until(lambda: len(stream.body) == 65535, "the window to be used up")
        client.ping()
        assert (len(stream.body), len(sent)) == (65535, 6)
        while not stream.ended:
            client.consume(stream)
            client.wait_until(lambda: stream.held or stream.over, "more")
        assert len(stream.body) == 200_000


def test_a_backend_that_does_not_read_stops_the_client(backend, client):
    go_on = threading.Event()

    def handler(exchange):
        assert go_on.wait(20)
        exchange.read_body()
        exchange.reply()

    backend.handler = handler
    stream = client.start("POST", end=False)
    client.send(stream, b"x" * 65535)
    client.ping()
    assert client.window(stream) == 0
    go_on.set()
    client.send(stream, b"x" * 100_000, end=True)
    exactly(client.finish(stream))
    assert len(backend.last.body) == 165_535


def test_streams_go_on_after_goaway(backend, client):
    def handler(exchange):
        exchange.goaway()
        exchange.reply(body=b"late")

    backend.handler = handler
    exactly(client.ask(), 200, b"late")
    assert client.expect_goaway().last_stream_id == 1


def test_a_cancelled_request_is_seen(backend, client):
    codes = []
    backend.handler = lambda exchange: codes.append(exchange.expect_reset())
    stream = client.start()
    backend.wait_for_requests(1)
    client.cancel(stream, 8)
    wait_for(lambda: codes, what="the reset")
    assert codes == [8]


def test_a_failing_handler_fails_the_test(backend, client):
    def handler(exchange):
        raise AssertionError("on purpose")

    backend.handler = handler
    client.start()
    wait_for(lambda: backend.errors, what="the error")
    with pytest.raises(AssertionError, match="on purpose"):
        backend.stop()
    backend.errors.clear()


def test_a_tls_backend_records_server_names(make_h2_backend):
    backend = make_h2_backend("tls", certificate=make_certificate("a.test"))
    with H2Client.tls(backend.port, "a.test") as client:
        exactly(client.ask(), 200, b"tls")
    assert backend.offered == ["a.test"]


def test_the_raw_client_sends_what_no_library_would(backend):
    with RawClient.plain(backend.port) as client:
        client.send(client.head(1, end=False))
        client.expect_alive()
        assert backend.wait_for_requests(1)
        client.send(DataFrame(1, b"x", flags=["END_STREAM"]))
        assert client.status_of(1) == 200
    with RawClient.plain(backend.port) as client:
        client.send(b"\x00\x00\x01\x04\x00\x00\x00\x00\x00x")
        with pytest.raises(AssertionError, match="GOAWAY"):
            client.expect_refused(may_close=False)
    wait_for(lambda: backend.errors, what="the complaint of the backend")
    backend.errors.clear()


def test_the_raw_client_tells_resets_from_ends(backend):
    backend.handler = lambda exchange: exchange.reset(5)
    with RawClient.plain(backend.port) as client:
        client.send(client.head(1))
        client.expect_reset(1, 5)
        client.send(client.head(3))
        with pytest.raises(AssertionError, match="RST_STREAM with 5"):
            client.expect_reset(3, PROTOCOL_ERROR)
        backend.clear()
        client.send(client.head(5))
        with pytest.raises(AssertionError, match="no RST_STREAM"):
            client.expect_reset(5, PROTOCOL_ERROR)


def test_an_open_connection_is_not_taken_for_closed(backend):
    with RawClient.plain(backend.port) as client:
        client.send(client.head(1))
        with pytest.raises(AssertionError, match="stays open"):
            client.expect_refused(PROTOCOL_ERROR, seconds=0.3)
    assert not any(isinstance(frame, (GoAwayFrame, RstStreamFrame)) for frame in client.frames)


def test_grpc_client_and_service_without_a_proxy():
    certificate = make_certificate("grpc.test")
    for pair in (None, certificate):
        with GrpcServer("direct", pair) as server, open_stub(server.port, "grpc.test", pair) as stub:
            assert stub.echo(b"hello", timeout=10) == b"hello"
            assert stub.collect(iter([b"a", b"b"]), timeout=10) == b"a|b"
            assert [len(message) for message in stub.expand(b"3 100", timeout=10)] == [100] * 3
            assert list(stub.chat(iter([b"1", b"2"]), timeout=10)) == [b"1", b"2"]
            error = failure(lambda stub=stub: stub.fail(b"NOT_FOUND no such thing", timeout=10))
            assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "no such thing")


def test_a_call_that_ends_well_is_no_failure():
    with GrpcServer() as server, open_stub(server.port, "grpc.test") as stub:
        with pytest.raises(AssertionError, match="ended well"):
            failure(lambda: stub.echo(b"hello", timeout=10))


def test_a_websocket_over_a_stream(backend):
    """Frames of the client's side go out masked and come back as the messages they were."""

    def handler(exchange):
        exchange.send_head(200)
        for piece in exchange.body_pieces():
            frames = Protocol(SERVER, state=OPEN)
            frames.receive_data(piece)
            for frame in frames.events_received():
                exchange.send(Frame(frame.opcode, frame.data).serialize(mask=False))
        exchange.send(end=True)

    backend.handler = handler
    backend.settings = {8: 1}
    with H2Client.plain(backend.port) as client:
        websocket = H2WebSocket(client)
        assert backend.last.pseudo[":protocol"] == "websocket"
        for sent in ("text", b"bytes", ""):
            websocket.send(sent)
            assert websocket.recv() == sent
        websocket.close(4003)
        assert (websocket.recv(), websocket.close_code) == (None, 4003)
