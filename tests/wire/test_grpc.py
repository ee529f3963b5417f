"""gRPC end to end: a client of grpcio, cppx, a server of grpcio."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from support.certificates import make_certificate
from support.cppx import Cppx
from support.grpc_service import GrpcServer, failure, open_stub
from support.manifests import ingress, rule, service_of, tls_secret
from support.waiting import scaled, wait_for

PROTOCOL = "nginx.ingress.kubernetes.io/backend-protocol"
MIB = 1024 * 1024
# host: (annotation, appProtocol); the pods of grpcs.test speak TLS.
HOSTS = {"grpc.test": ("GRPC", None), "grpcs.test": ("GRPCS", None), "app.test": (None, "kubernetes.io/h2c")}


class Site:
    def __init__(self, cppx, certificate, plain, secure):
        self.cppx, self.certificate, self.plain, self.secure = cppx, certificate, plain, secure

    def service(self, host):
        return (self.secure if host == "grpcs.test" else self.plain).service

    def open(self, host, tls):
        port = self.cppx.https_port if tls else self.cppx.http_port
        return open_stub(port, host, self.certificate if tls else None)


@pytest.fixture(scope="module")
def grpc_site(cppx_binary, tmp_path_factory):
    certificate = make_certificate(*HOSTS)
    with GrpcServer("plain") as plain, GrpcServer("secure", make_certificate("pod.test")) as secure:
        objects = [tls_secret("pair", certificate)]
        for host, (annotation, protocol) in HOSTS.items():
            name = host.split(".")[0]
            server = secure if host == "grpcs.test" else plain
            objects += service_of(name, (server.address, server.port), app_protocol=protocol)
            notes = {PROTOCOL: annotation} if annotation else {}
            notes["nginx.ingress.kubernetes.io/ssl-redirect"] = "false"
            objects.append(ingress(name, rule(host, f"{name}:80"), annotations=notes, tls=[("pair", host)]))
        folder = tmp_path_factory.mktemp("grpc") / "manifests"
        with Cppx(folder, {"all.yaml": objects}, config={"proxy-body-size": "0"}) as cppx:
            yield Site(cppx, certificate, plain, secure)


@pytest.fixture(params=[(host, tls) for host in HOSTS for tls in (False, True)], ids=lambda pair: f"{pair[0]} {'tls' if pair[1] else 'plain'}")
def everywhere(grpc_site, request):
    """A stub over each way: (stub, service)."""
    host, tls = request.param
    with grpc_site.open(host, tls) as stub:
        yield stub, grpc_site.service(host)


@pytest.fixture
def stub(grpc_site):
    with grpc_site.open("grpc.test", True) as stub:
        yield stub


def test_every_kind_of_call(everywhere):
    stub, _ = everywhere
    limit = scaled(10)
    assert stub.echo(b"hello", timeout=limit) == b"hello"
    assert stub.echo(b"", timeout=limit) == b""
    assert [message[:8] for message in stub.expand(b"20 100", timeout=limit)] == [b"%08d" % number for number in range(20)]
    assert stub.collect(iter([b"a", b"b", b"c"]), timeout=limit) == b"a|b|c"
    assert list(stub.chat(iter([b"1", b"2"]), timeout=limit)) == [b"1", b"2"]
    error = failure(lambda: stub.fail(b"NOT_FOUND no such thing", timeout=limit))
    assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "no such thing")


@pytest.mark.parametrize("size", [1, 16_384, 65_535, 65_536, 4 * MIB])
def test_messages_of_all_sizes(everywhere, size):
    stub, _ = everywhere
    message = bytes(range(256)) * (size // 256 + 1)
    assert stub.echo(message[:size], timeout=scaled(20)) == message[:size]


def test_metadata_of_both_directions(stub, grpc_site):
    mine = [("x-echo", "caf\u00e9".encode("latin-1").decode("ascii", "ignore")), ("x-mine-bin", b"\x00\xff\r\n"), ("x-two", "1")]
    response, call = stub.echo.with_call(b"x", metadata=mine, timeout=scaled(10))
    assert response == b"x"
    initial = {pair.key: pair.value for pair in call.initial_metadata()}
    assert (initial["x-backend"], initial["x-echo"]) == ("plain", "caf")
    trailing = {pair.key: pair.value for pair in call.trailing_metadata()}
    assert (trailing["x-end"], trailing["x-end-bin"]) == ("plain", b"\x00\xff\n")
    method, metadata, _ = grpc_site.plain.service.calls[-1]
    assert (method, metadata["x-mine-bin"], metadata["x-two"]) == ("Echo", b"\x00\xff\r\n", "1")
    assert metadata["x-forwarded-proto"] == "https" and metadata["x-forwarded-for"] == "127.0.0.1"


@pytest.mark.parametrize("code", [code.name for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_status_of_the_server_is_passed(stub, code):
    """Trailers only: the whole answer is one HEADERS frame."""
    error = failure(lambda: stub.fail(f"{code} what's wrong: \u00e4 100%".encode(), timeout=scaled(10)))
    assert (error.code().name, error.details()) == (code, "what's wrong: \u00e4 100%")
    assert ("x-why", "on purpose") in [tuple(pair) for pair in error.trailing_metadata()]


def test_a_status_after_messages(everywhere):
    stub, _ = everywhere
    got = []
    error = failure(lambda: got.extend(stub.fail_late(b"ABORTED in the middle", timeout=scaled(10))) or list(got))
    assert (got, error.code(), error.details()) == ([b"first"], grpc.StatusCode.ABORTED, "in the middle")


def test_a_method_that_the_server_does_not_have(stub):
    assert failure(lambda: stub.missing(b"", timeout=scaled(10))).code() == grpc.StatusCode.UNIMPLEMENTED


def test_messages_go_both_ways_one_by_one(everywhere):
    """A conversation: each message is answered before the next one is said."""
    stub, _ = everywhere
    say, said = threading.Semaphore(0), []

    def messages():
        for number in range(20):
            assert say.acquire(timeout=scaled(10))
            yield b"message %d" % number

    answers = stub.chat(messages(), timeout=scaled(20))
    for _ in range(20):
        say.release()
        said.append(next(answers))
    assert said == [b"message %d" % number for number in range(20)]
    assert list(answers) == []


def test_many_messages_of_a_client(stub):
    assert stub.collect((b"%d" % number for number in range(500)), timeout=scaled(20)).count(b"|") == 499


def test_a_long_stream_is_whole_and_in_order(stub):
    numbers = [int(message[:8]) for message in stub.expand(b"300 20000", timeout=scaled(20))]
    assert numbers == list(range(300))


def test_many_calls_at_once_over_one_channel(everywhere):
    stub, _ = everywhere

    def call(number):
        message = b"%d " % number * (number % 50 * 100 + 1)
        return stub.echo(message, timeout=scaled(30)) == message

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(call, range(200)))


def test_the_deadline_reaches_the_server(stub, grpc_site):
    stub.echo(b"x", timeout=30)
    assert 20 < grpc_site.plain.service.calls[-1][2] <= 30
    stub.echo(b"x")
    assert (grpc_site.plain.service.calls[-1][2] or 10**9) > 10**6


def test_a_deadline_that_passes(everywhere):
    stub, service = everywhere
    stub.echo(b"", timeout=scaled(10))  # connected
    start = time.monotonic()
    call = stub.hold(b"x", timeout=scaled(1))
    assert next(call) == b"x"
    error = failure(lambda: call)
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert scaled(0.9) < time.monotonic() - start < scaled(6)
    assert service.cancelled.acquire(timeout=scaled(10)), "the server goes on"


def test_a_cancelled_call_is_cancelled_at_the_server(everywhere):
    stub, service = everywhere
    call = stub.hold(b"x")
    assert next(call) == b"x"
    call.cancel()
    assert service.cancelled.acquire(timeout=scaled(10)), "the server goes on"
    assert stub.echo(b"after", timeout=scaled(10)) == b"after"


def test_a_channel_that_closes_cancels_its_calls(grpc_site):
    with grpc_site.open("grpc.test", True) as stub:
        calls = [stub.hold(b"x") for _ in range(5)]
        assert [next(call) for call in calls] == [b"x"] * 5
    for _ in calls:
        assert grpc_site.plain.service.cancelled.acquire(timeout=scaled(10)), "the server goes on"


def test_a_held_call_does_not_hold_up_others(stub, grpc_site):
    call = stub.hold(b"x")
    assert next(call) == b"x"
    for _ in range(20):
        assert stub.echo(b"quick", timeout=scaled(5)) == b"quick"
    grpc_site.plain.service.release.set()
    assert list(call) == [b"released"]
    grpc_site.plain.service.release.clear()


def test_an_idle_channel_can_be_used_again(stub):
    assert stub.echo(b"1", timeout=scaled(10)) == b"1"
    states = []
    stub.channel.subscribe(states.append)
    wait_for(lambda: states, what="the channel's state")
    assert stub.echo(b"2", timeout=scaled(10)) == b"2"
    assert grpc.ChannelConnectivity.TRANSIENT_FAILURE not in states
