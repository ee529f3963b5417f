"""How HTTP/2 connections end: limits of use and time, and the drain after SIGTERM. Streams in progress are finished."""

import ssl
import threading
import time

import pytest
from hyperframe.frame import GoAwayFrame, PingFrame, SettingsFrame

from support.client import Connection, client_context, refused
from support.h2 import Reset, exactly
from support.h2_raw import PREFACE
from support.manifests import ingress, rule, service_of
from support.waiting import milliseconds, scaled, wait_for
from support.wire import Truncated

BOTH = pytest.mark.parametrize("tls", [False, True], ids=["prior knowledge", "alpn"])


@pytest.fixture
def limited(start_cppx, make_backend):
    """Starts a cppx with given ConfigMap values; gives it and its backend."""

    def start(handler=None, **config):
        backend = make_backend("main")
        backend.handler = handler or backend.handler
        objects = [*service_of("main", backend), ingress("site", rule("site.test", "main:80"))]
        settings = {name.replace("_", "-"): value for name, value in config.items()}
        return start_cppx({"all.yaml": objects}, config=settings), backend

    return start


class Held:
    """A backend's handler that answers /held only when told to."""

    def __init__(self, sent_before=b""):
        self.go_on = threading.Event()
        self.sent_before = sent_before

    def __call__(self, exchange):
        exchange.read_body()
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalfhalf"
        if exchange.request.target.startswith("/held"):
            exchange.send(self.sent_before)
            assert self.go_on.wait(scaled(30))
            whole = whole[len(self.sent_before):]
        exchange.send(whole)


@BOTH
def test_keep_alive_requests_ends_in_a_goaway(limited, tls):
    cppx, _ = limited(keep_alive_requests="3")
    with cppx.h2(tls) as client:
        for _ in range(3):
            exactly(client.ask(), 200, b"main")
        last = client.expect_goaway().last_stream_id
        client.expect_closed()
    assert last >= 5


def test_what_comes_after_the_last_request_is_refused_not_lost(limited):
    """Ten requests in one packet: each is answered, or marked as one that was not begun (RFC 9113 section 6.8)."""
    cppx, backend = limited(keep_alive_requests="3")
    with cppx.raw_h2() as client:
        numbers = range(1, 21, 2)
        client.send(*(client.head(number, client.request_fields(f"/{number}")) for number in numbers))
        client.read_to_end()
        goaway = [frame for frame in client.frames if isinstance(frame, GoAwayFrame)][-1]
        assert goaway.error_code == 0
        answered = set(client.heads)
        refused = {frame.stream_id for frame in client.frames if getattr(frame, "error_code", 0) == 7}
        late = {number for number in numbers if number > goaway.last_stream_id}
        assert answered | refused | late == set(numbers)
        assert len(answered) >= 3
        assert {seen.target for seen in backend.requests} == {f"/{number}" for number in answered}


def test_a_held_stream_is_finished_after_the_limit(limited):
    held = Held(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
    cppx, backend = limited(held, keep_alive_requests="2")
    with cppx.h2() as client:
        slow = client.start(path="/held")
        exactly(client.ask(path="/quick"), 200, b"halfhalf")
        client.expect_goaway()
        held.go_on.set()
        exactly(client.finish(slow), 200, b"halfhalf")
        client.expect_closed()


@BOTH
def test_an_idle_connection_is_closed_after_keep_alive(limited, tls):
    limit = scaled(0.2)
    cppx, _ = limited(keep_alive=milliseconds(limit))
    with cppx.h2(tls) as client:
        start = time.monotonic()
        exactly(client.ask(), 200, b"main")
        client.expect_goaway()
        client.expect_closed()
    assert limit <= time.monotonic() - start < scaled(3)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("octets", [1, 10])
def test_a_part_of_a_record_does_not_keep_an_idle_connection(limited, version, octets):
    cppx, _ = limited(keep_alive="200ms")
    context = client_context(alpn=["h2"], minimum=version, maximum=version)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="site.test")
    with Connection(cppx.https_port) as connection:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                connection.send(outgoing.read())
                incoming.write(connection.sock.recv(65536))
        tls.write(PREFACE + SettingsFrame(0).serialize())
        connection.send(outgoing.read())
        tls.write(PingFrame(0).serialize())
        connection.send(outgoing.read()[:octets])
        while connection.sock.recv(65536):
            pass


def test_a_stream_in_progress_is_not_idle(limited):
    held = Held()
    cppx, _ = limited(held, keep_alive=milliseconds(scaled(0.1)))
    with cppx.h2() as client:
        stream = client.start(path="/held")
        timer = threading.Timer(scaled(0.6), held.go_on.set)
        timer.start()
        exactly(client.finish(stream), 200, b"halfhalf")
        timer.join()
        client.expect_goaway()
        client.expect_closed()


def test_pings_do_not_keep_an_idle_connection(limited):
    cppx, _ = limited(keep_alive="300ms")
    with cppx.h2() as client:
        start = time.monotonic()
        with pytest.raises((Truncated, OSError)):
            while time.monotonic() - start < scaled(5):
                client.ping()
                time.sleep(0.05)
    assert time.monotonic() - start < scaled(3)


def test_keep_alive_0_ends_after_the_first_request(limited):
    cppx, _ = limited(keep_alive="0")
    with cppx.h2() as client:
        exactly(client.ask(), 200, b"main")
        client.expect_goaway()
        client.expect_closed()


@pytest.mark.parametrize("part", ["nothing", "half a preface", "only a preface", "half a head", "half a frame"])
def test_a_head_that_does_not_end_in_time_ends_the_connection(limited, part):
    limit = scaled(0.2)
    cppx, backend = limited(client_header_timeout=milliseconds(limit), keep_alive=milliseconds(scaled(0.3)))
    whole = part not in ("nothing", "half a preface")
    start = time.monotonic()
    with cppx.raw_h2(tls=True, begin=whole, polite=False) as client:
        if part == "half a preface":
            client.wire.send(b"PRI * HTTP/2")
        if part == "half a head":
            client.send(client.head(1, end_headers=False))
        if part == "half a frame":
            client.wire.send(client.head(1).serialize()[:-3])
        client.read_to_end(5)
    assert limit <= time.monotonic() - start < scaled(4)
    assert backend.requests == []


@BOTH
@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf"], ids=["no head", "half a body"])
def test_sigterm_finishes_what_is_in_progress(limited, tls, part):
    held = Held(part)
    cppx, backend = limited(held)
    with cppx.h2(tls) as client:
        streams = [client.start(path=f"/held/{number}") for number in range(5)]
        upload = client.start("POST", "/held/upload", end=False)
        client.send(upload, b"half")
        backend.wait_for_requests(6)
        cppx.terminate()
        goaway = client.expect_goaway()
        assert goaway.last_stream_id >= upload.id
        wait_for(lambda: refused(cppx.http_port) and refused(cppx.https_port), 5, "the listeners to close")
        assert cppx.process.poll() is None, "ended before the requests in progress"
        client.send(upload, b"half", end=True)
        held.go_on.set()
        for stream in [*streams, upload]:
            exactly(client.finish(stream), 200, b"halfhalf")
        client.expect_closed()
    assert cppx.process.wait(scaled(10)) == 0
    assert [seen.body for seen in backend.requests if seen.method == "POST"] == [b"halfhalf"]


def test_new_streams_during_the_drain_are_answered_or_refused(limited):
    held = Held()
    cppx, backend = limited(held)
    with cppx.h2() as client:
        first = client.start(path="/held/first")
        backend.wait_for_requests(1)
        cppx.terminate()
        client.expect_goaway()
        late = client.start(path="/held/late")
        held.go_on.set()
        exactly(client.finish(first), 200, b"halfhalf")
        try:
            exactly(client.finish(late), 200, b"halfhalf")
        except Reset as end:
            assert end.code == 7
        except Truncated:
            assert client.goaways[-1].last_stream_id < late.id
    assert cppx.process.wait(scaled(10)) == 0
    targets = [seen.target for seen in backend.requests]
    assert ("/held/late" in targets) == (late.status == 200)


def test_idle_connections_do_not_hold_the_end_up(limited):
    cppx, _ = limited()
    clients = [cppx.h2(tls=number % 2 == 0) for number in range(20)]
    for client in clients[::3]:
        exactly(client.ask(), 200, b"main")
    for client in clients:
        client.ping()
    cppx.terminate()
    assert cppx.process.wait(scaled(5)) == 0
    for client in clients:
        client.expect_closed()
        assert client.goaways and client.goaways[-1].error_code == 0
        client.close()
