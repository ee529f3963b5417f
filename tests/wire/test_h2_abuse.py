"""Clients that cost a server more than themselves: ended in time, in bounded memory, while others are served."""

import contextlib
import threading
import time

import hpack
import pytest
from hyperframe.frame import DataFrame, GoAwayFrame, PingFrame, RstStreamFrame, SettingsFrame

from support.cppx import measured_memory
from support.h2 import H2Client, exactly
from support.h2_raw import ENHANCE_YOUR_CALM
from support.load import MIB, Peak
from support.manifests import ingress, rule, service_of
from support.waiting import scaled

MEMORY_LIMIT = 12 * MIB
MUCH = b"x" * MIB


@pytest.fixture
def target(start_cppx, make_backend):
    """A cppx whose backend answers, hangs on /hang, and sends much on /big."""

    def handler(exchange):
        if exchange.request.target == "/hang":
            exchange.expect_peer_gone()
        elif exchange.request.target == "/big":
            exchange.reply(body=MUCH)
        else:
            exchange.read_body()
            exchange.reply(body=b"fine")

    backend = make_backend("main", handler=handler)
    objects = [*service_of("main", backend), ingress("site", rule("site.test", "main:80"))]
    config = {"keep-alive-requests": "1000000"}
    cppx = start_cppx({"all.yaml": objects}, config=config, workers=1, environment=measured_memory())
    cppx.get()
    return cppx, backend


@contextlib.contextmanager
def others_served(cppx):
    """Another client asks all the time on the same worker; memory stays within bounds."""
    ended, times, failures = threading.Event(), [], []

    def ask():
        try:
            with H2Client.plain(cppx.http_port) as client:
                while not ended.is_set() or len(times) < 3:
                    begin = time.monotonic()
                    exactly(client.ask(), 200, b"fine")
                    times.append(time.monotonic() - begin)
        except BaseException as error:
            failures.append(error)

    with Peak(cppx) as peak:
        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
    assert not failures, f"another client was not served: {failures[0]!r}"
    assert max(times) < scaled(5), f"another client waited {max(times):.1f} s"
    assert peak.growth < MEMORY_LIMIT, f"{peak.growth / MIB:.1f} MiB"


def flood(client, make, batches, size=100):
    """Sends batches of frames until the server has had enough; gives how many batches went."""
    for number in range(batches):
        try:
            client.send(*(make(number * size + at) for at in range(size)))
        except OSError:
            return number
    return batches


def odd(number):
    return 2 * number + 1


def expect_ended(client):
    """The connection ends, with ENHANCE_YOUR_CALM or any other error, or at once."""
    client.read_to_end()
    codes = [frame.error_code for frame in client.frames if isinstance(frame, GoAwayFrame)]
    assert set(codes) <= {0, 1, 2, 5, 7, 11}, codes


def test_rapid_reset(target):
    """CVE-2023-44487: requests that are taken back at once are not free."""
    cppx, backend = target
    with others_served(cppx), cppx.raw_h2() as client:
        for batch in range(100):
            pairs = []
            for number in range(100):
                stream = odd(batch * 100 + number)
                pairs += [client.head(stream, client.request_fields("/hang")), RstStreamFrame(stream, 8)]
            try:
                client.send(*pairs)
            except OSError:
                break
        expect_ended(client)
    assert len([seen for seen in backend.requests if seen.target == "/hang"]) < 5000


@pytest.mark.parametrize(
    "offence",
    [
        lambda stream: b"\x00\x00\x04\x08\x00" + stream.to_bytes(4, "big") + b"\x00\x00\x00\x00",
        lambda stream: b"\x00\x00\x04\x08\x00" + stream.to_bytes(4, "big") + b"\x7f\xff\xff\xff",
        lambda stream: DataFrame(stream, b"not 3", flags=["END_STREAM"]).serialize(),
    ],
    ids=["window by 0", "window beyond", "content-length"],
)
def test_made_you_reset(target, offence):
    """CVE-2025-8671: the client makes the server reset its streams; that counts as if it had done so itself."""
    cppx, backend = target
    with others_served(cppx), cppx.raw_h2() as client:
        for batch in range(100):
            pairs = []
            for number in range(100):
                stream = odd(batch * 100 + number)
                fields = client.request_fields("/hang", "POST", headers=[("content-length", "3")])
                pairs += [client.head(stream, fields, end=False), offence(stream)]
            try:
                client.send(*pairs)
            except OSError:
                break
        expect_ended(client)
    assert len([seen for seen in backend.requests if seen.target == "/hang"]) < 5000


@pytest.mark.parametrize("size", [0, 1, 16000], ids=["empty", "one byte", "large"])
def test_continuation_flood(target, size):
    """CVE-2024-27316 and others: a head that never ends."""
    cppx, backend = target
    literal = b"\x00\x01a\x7f" if size else b""
    part = (literal + b"x" * size)[:size]
    frame = len(part).to_bytes(3, "big") + b"\x09\x00\x00\x00\x00\x01" + part
    with others_served(cppx), cppx.raw_h2() as client:
        client.send(client.head(1, client.request_fields("/never"), end_headers=False))
        flood(client, lambda _: frame, 1000 if size < 2 else 50)
        expect_ended(client)
    assert "/never" not in [seen.target for seen in backend.requests]


FLOODS = {
    "SETTINGS": lambda _: SettingsFrame(0, {4: 65535}).serialize(),
    "empty SETTINGS": lambda _: SettingsFrame(0).serialize(),
    "PING": lambda number: PingFrame(0, number.to_bytes(8, "big")).serialize(),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_of_what_must_be_answered_by_a_client_that_does_not_read(target, name):
    """CVE-2019-9512 and CVE-2019-9515: answers are not piled up."""
    cppx, _ = target
    with others_served(cppx), cppx.raw_h2(polite=False, receive_buffer=4096) as client:
        client.wire.sock.settimeout(scaled(5))
        with contextlib.suppress(TimeoutError):
            if flood(client, FLOODS[name], 3000) < 3000:
                return
        # It may as well stop to read: then the client cannot send any more, and nothing grows.


EMPTY = {
    "DATA": lambda _: DataFrame(1, b"").serialize(),
    "padded DATA": lambda _: b"\x00\x00\x01\x00\x08\x00\x00\x00\x01\x00",
}


@pytest.mark.parametrize("name", EMPTY)
def test_a_flood_of_frames_that_carry_nothing(target, name):
    """CVE-2019-9518: frames that cost work and bring nothing end the connection."""
    cppx, _ = target
    with others_served(cppx), cppx.raw_h2() as client:
        client.send(client.head(1, client.request_fields("/hang", "POST"), end=False))
        flood(client, EMPTY[name], 1000)
        expect_ended(client)


@pytest.mark.parametrize("many", [False, True], ids=["one field", "cookies"])
def test_hpack_bomb(target, many):
    """A few bytes that stand for very much: one table entry of 4000 bytes, named thousands of times."""
    cppx, backend = target
    encoder = hpack.Encoder()
    name = b"cookie" if many else b"x-bomb"
    with others_served(cppx), cppx.raw_h2() as client:
        client.encoder = encoder
        first = client.block([*client.request_fields("/bomb"), (name.decode(), "v" * 3900)])
        client.send(client.head(1, block=first))
        for stream in range(3, 43, 2):
            try:
                client.send(client.head(stream, block=client.block(client.request_fields("/bomb")) + b"\xbe" * 16000))
            except OSError:
                break
        while (frame := client.read()) is not None:
            if isinstance(frame, (RstStreamFrame, GoAwayFrame)) or len(client.heads) > 19:
                break
        for stream, blocks in client.heads.items():
            assert stream == 1 or dict(blocks[0])[b":status"] == b"431"
    assert len([seen for seen in backend.requests if seen.target == "/bomb"]) <= 1


def test_many_streams_with_tiny_windows(target):
    """Large responses for a client that takes a byte of each: what is held for them is bounded."""
    cppx, _ = target
    with others_served(cppx), cppx.raw_h2(settings={4: 1}) as client:
        client.send(*(client.head(odd(number), client.request_fields("/big")) for number in range(50)))
        got = set()
        while len(got) < 50:
            frame = client.read_until(lambda frame: isinstance(frame, DataFrame), "a byte of each")
            assert len(frame.data) <= 1
            got.add(frame.stream_id)
        for number in range(50):
            client.grow(1, odd(number))
        client.expect_alive()


def test_many_connections_with_closed_windows(target):
    cppx, _ = target
    with contextlib.ExitStack() as stack, others_served(cppx):
        for _ in range(20):
            client = stack.enter_context(cppx.raw_h2(settings={4: 0}))
            client.send(*(client.head(odd(number), client.request_fields("/big")) for number in range(10)))
            assert client.status_of(1) == 200


def test_windows_opened_byte_by_byte_on_one_stream(target):
    """CVE-2019-9511: the server goes on, or has had enough; it is not kept busy."""
    cppx, _ = target
    with others_served(cppx), cppx.raw_h2(settings={4: 0}) as client:
        client.send(client.head(1, client.request_fields("/big")))
        assert client.status_of(1) == 200
        for _ in range(50):
            client.send(b"\x00\x00\x04\x08\x00\x00\x00\x00\x01\x00\x00\x00\x01" * 20)
        client.send(PingFrame(0, b"go on?!?"))
        end = client.read_until(lambda frame: isinstance(frame, (PingFrame, GoAwayFrame)), "an answer")
        assert isinstance(end, PingFrame) or end.error_code == ENHANCE_YOUR_CALM
    with cppx.h2() as client:
        exactly(client.ask(), 200, b"fine")
