"""What one client or backend does on an HTTP/2 connection does not hurt the others on it."""

import contextlib
import threading
import time

import pytest
from h2.settings import SettingCodes
from hyperframe.frame import DataFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame

from support.backend import Backend
from support.client import request
from support.h2 import exactly
from support.h2_raw import PREFACE, REFUSED_STREAM, RawClient
from support.load import MIB
from support.manifests import ingress, rule, service_of
from support.raw_backend import RawBackend, next_request
from support.waiting import scaled, wait_for

# More small frames than one connection may send for nothing.
LATE = 1500
STREAM_WINDOW = 65536
OK = [(":status", "200")]


def objects_for(backend, name="web", protocol="kubernetes.io/h2c"):
    """`backend` at http://NAME.test."""
    return [*service_of(name, backend, app_protocol=protocol), ingress(name, rule(f"{name}.test", f"{name}:80"))]


@pytest.fixture
def h2c(start_cppx, make_h2_backend):
    """Starts a cppx before one HTTP/2 backend at http://web.test."""

    def start(handler, more=(), config=None, **options):
        backend = make_h2_backend("web", handler=handler, **options)
        return start_cppx({"all.yaml": [*objects_for(backend), *more]}, config=config, workers=1), backend

    return start


@pytest.fixture
def go_on(make_h2_backend):
    """What handlers wait for; set at the latest before backends are stopped."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def raw_h2c(start_cppx):
    """The same before a backend whose connections are in the hands of the test."""
    backends = []

    def start(settings):
        backends.append(RawBackend("web", settings))
        return start_cppx({"all.yaml": objects_for(backends[0])}, workers=1), backends[0]

    yield start
    for backend in backends:
        backend.stop()


def seen_by(peer, kind):
    """The streams of the frames of one kind that cppx has sent by the time it has taken in all that was sent to it."""
    peer.expect_alive()
    return [frame.stream_id for frame in peer.frames if isinstance(frame, kind)]


def test_nothing_is_sent_of_a_body_whose_client_has_gone(raw_h2c):
    """It waits for the backend's window, and the backend has answered all the same. What lay in the memory of the
    request may be anybody's when the window opens."""
    cppx, backend = raw_h2c({SettingCodes.INITIAL_WINDOW_SIZE: 1000})
    with cppx.raw_h2() as client:
        fields = client.request_fields(method="POST", host="web.test")
        client.send(client.head(1, fields, end=False), DataFrame(1, b"A" * 12_000, flags=["END_STREAM"]))
        peer = backend.peer()
        number = next_request(peer)
        peer.read_until(lambda frame: isinstance(frame, DataFrame), "what fits the window")
        peer.send(peer.head(number, OK, end=True))
        peer.expect_alive()
    wait_for(lambda: number in seen_by(peer, RstStreamFrame), 3, "RST_STREAM")
    peer.send(WindowUpdateFrame(number, window_increment=50_000))
    assert seen_by(peer, DataFrame) == [number], "more than what had fitted the window"


def test_data_on_its_way_to_a_client_that_cancels_hurts_nobody_else(h2c):
    """A server that streams small messages has sent many of them by the time it hears of the end."""
    sent = threading.Event()

    def handler(exchange):
        exchange.send_head()
        exchange.send(b"first")
        if exchange.request.target == "/stream":
            exchange.expect_reset()
            message = DataFrame(exchange.request.stream, b"x" * 20).serialize()
            exchange.connection.wire.send(message * LATE)
            sent.set()
        else:
            assert sent.wait(scaled(20))
            exchange.send(b" last", end=True)

    cppx, backend = h2c(handler)
    with cppx.h2() as client, cppx.h2() as leaving:
        other = client.head(client.start(path="/other", host="web.test"))
        stream = leaving.start(path="/stream", host="web.test")
        leaving.wait_until(lambda: stream.body == b"first", "the first message")
        leaving.cancel(stream)
        exactly(client.finish(other), 200, b"first last")
    assert backend.accepted == 1 and backend.connections[0].goaways == []


def test_an_upload_that_is_answered_early_hurts_no_other_stream(h2c, go_on):
    """What the client had sent of it before it could read the answer comes in frames as small as it likes."""

    def handler(exchange):
        assert go_on.wait(scaled(20))
        exchange.reply(body=b"slow")

    cppx, backend = h2c(handler)
    with cppx.raw_h2() as client:
        client.send(client.head(1, client.request_fields(host="web.test")))
        client.send(client.head(3, client.request_fields(method="POST", host="nobody.test"), end=False))
        assert client.status_of(3) == 404
        client.send(*[DataFrame(3, b"x" * 20)] * LATE)
        client.expect_alive()
        backend.wait_for_requests(1)
        go_on.set()
        assert client.status_of(1) == 200


def test_heads_on_their_way_for_cancelled_calls_hurt_nobody_else(raw_h2c):
    """Many calls reach their deadline, which the backend knows of as well as their clients."""
    clients, calls = 12, 120
    cppx, backend = raw_h2c({SettingCodes.MAX_CONCURRENT_STREAMS: 4000})
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(cppx.h2())
        other = client.start(path="/other", host="web.test")
        peer = backend.peer()
        number = next_request(peer, "/other")
        cancelling = [stack.enter_context(cppx.raw_h2()) for _ in range(clients)]
        numbers = [1 + 2 * call for call in range(calls)]
        for each in cancelling:
            fields = each.request_fields(method="POST", path="/call", host="web.test")
            each.send(*[each.head(each_number, fields) for each_number in numbers])
        streams = [next_request(peer, "/call") for _ in range(clients * calls)]
        for each in cancelling:
            each.send(*[RstStreamFrame(each_number, error_code=8) for each_number in numbers])
        for _ in streams:
            peer.read_until(lambda frame: isinstance(frame, RstStreamFrame), "the end of a call")
        ends = [peer.head(stream, [*OK, ("grpc-status", "4")]) for stream in streams]
        peer.send(*ends, peer.head(number, OK, end=False), DataFrame(number, b"last", flags=["END_STREAM"]))
        exactly(client.finish(other), 200, b"last")
    assert backend.accepted == 1


def statuses(client):
    """Of all responses so far, by stream."""
    return {number: int(dict(blocks[0])[b":status"]) for number, blocks in client.heads.items()}


def test_uploads_beyond_the_limit_are_refused_and_no_others(h2c, go_on):
    """In the first flight of a client, which cannot know the limit, and has sent bodies with the heads."""

    def handler(exchange):
        assert go_on.wait(scaled(20))
        exchange.reply(body=exchange.read_body())

    cppx, _ = h2c(handler, config={"http2-max-concurrent-streams": "4"})
    with cppx.raw_h2() as client:
        fields = client.request_fields(method="POST", host="web.test")
        numbers = [1 + 2 * upload for upload in range(8)]
        client.send(*(
            frame for number in numbers
            for frame in (client.head(number, fields, end=False), DataFrame(number, b"body", flags=["END_STREAM"]))
        ))  # fmt: skip
        resets = [client.read_until(lambda frame: isinstance(frame, RstStreamFrame), "a refusal") for _ in range(4)]
        assert sorted((reset.stream_id, reset.error_code) for reset in resets) == [
            (number, REFUSED_STREAM) for number in numbers[4:]
        ]
        go_on.set()
        client.read_until(lambda _: len(client.heads) == 4, "the answers")
        assert statuses(client) == dict.fromkeys(numbers[:4], 200)
        client.send(client.head(17, client.request_fields(host="web.test")))
        assert client.status_of(17) == 200


def test_data_of_many_uploads_that_were_answered_early_ends_nothing(h2c):
    """Fewer than a client may have under way; their DATA was sent before it read that they are too long."""
    config = {"http2-max-concurrent-streams": "512", "proxy-body-size": "1k"}
    cppx, _ = h2c(lambda exchange: exchange.reply(), config=config)
    with cppx.raw_h2() as client:
        fields = client.request_fields(method="POST", host="web.test", headers=[("content-length", "5000")])
        numbers = [1 + 2 * upload for upload in range(300)]
        client.send(*[client.head(number, fields, end=False) for number in numbers])
        client.read_until(lambda _: len(client.heads) == len(numbers), "the answers")
        assert statuses(client) == dict.fromkeys(numbers, 413)
        client.expect_alive()
        client.send(*[DataFrame(number, b"x" * 100) for number in numbers])
        client.send(client.head(601, client.request_fields(host="web.test")))
        assert client.status_of(601) == 200


def test_a_short_time_to_send_of_one_ingress_does_not_end_the_upload_of_another(start_cppx, make_h2_backend):
    """They share the connections to one Service, and the backend reads nothing for a while."""
    short = scaled(0.3)

    def handler(exchange):
        if exchange.request.target == "/upload":
            with exchange.connection.changed:  # Without it nothing is read from the connection.
                time.sleep(4 * short)
        exchange.reply(body=b"%d" % len(exchange.read_body()))

    wide = {SettingCodes.INITIAL_WINDOW_SIZE: 16 * MIB}
    backend = make_h2_backend("web", handler=handler, settings=wide)
    timeout = {"nginx.ingress.kubernetes.io/proxy-send-timeout": f"{int(short * 1000)}ms"}
    objects = [
        *objects_for(backend),
        ingress("long", rule("long.test", "web:80")),
        ingress("short", rule("short.test", "web:80"), annotations=timeout),
    ]
    cppx = start_cppx({"all.yaml": objects}, config={"proxy-body-size": "0"}, workers=1)
    with cppx.h2() as client:
        exactly(client.ask(host="short.test"), 200, b"0")
        with backend.connections[0].changed:
            backend.connections[0].acknowledge(16 * MIB)
        client.ping()
        stream = client.start("POST", "/upload", host="long.test", end=False)
        client.send(stream, b"x" * 8 * MIB, end=True)
        exactly(client.finish(stream), 200, b"%d" % (8 * MIB))
    assert backend.accepted == 1


def test_a_short_time_to_connect_of_one_ingress_is_not_that_of_another(start_cppx, make_backend, go_on):
    """They wait for one connection, on which the backend does not say anything yet."""

    def late(wire):
        assert go_on.wait(scaled(20))
        assert wire.read_exact(len(PREFACE)) == PREFACE
        peer = RawClient(wire, begin=False)
        peer.send(SettingsFrame(0))
        peer.send(peer.head(next_request(peer, "/long"), OK))
        wire.read_to_end()
        return "done"

    backend = make_backend("web", on_connect=late)
    prefix = "nginx.ingress.kubernetes.io/"
    common = {f"{prefix}proxy-next-upstream": "off"}
    objects = [
        *objects_for(backend),
        ingress("long", rule("long.test", "web:80"), annotations={f"{prefix}proxy-connect-timeout": "60s", **common}),
        ingress("short", rule("short.test", "web:80"), annotations={f"{prefix}proxy-connect-timeout": "300ms", **common}),
    ]
    cppx = start_cppx({"all.yaml": objects}, workers=1)
    with cppx.h2() as waiting, cppx.connect(timeout=4) as connection:
        stream = waiting.start(path="/long", host="long.test")
        wait_for(lambda: backend.accepted == 1, 5, "the connection")
        start = time.monotonic()
        assert connection.ask(request(host="short.test")).status == 504
        assert time.monotonic() - start > 0.25
        waiting.ping()
        assert not stream.over
        go_on.set()
        exactly(waiting.finish(stream))
    assert backend.accepted == 1


def test_uploads_that_a_backend_does_not_read_do_not_hold_up_those_to_another(h2c):
    """All that a client may send of them lies in cppx: its window for the connection has to have room for more."""
    with Backend("good") as good:
        cppx, backend = h2c(
            lambda exchange: exchange.expect_reset(),
            more=objects_for(good, "good", protocol=None),
            settings={SettingCodes.INITIAL_WINDOW_SIZE: 0},
        )
        with cppx.h2() as client:
            for _ in range(2 * MIB // STREAM_WINDOW):
                stuck = client.start("POST", host="web.test", end=False)
                client.send(stuck, b"x" * STREAM_WINDOW)
            exactly(client.ask("POST", host="good.test", body=b"x" * 4 * STREAM_WINDOW), 200, b"good")
            backend.wait_for_requests(2 * MIB // STREAM_WINDOW)
