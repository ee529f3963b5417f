"""What a gRPC client is told when cppx itself answers, and when its server goes away: a status, never a clean end."""

import itertools
import threading
import time

import grpc
import pytest

from support.backend import Backend, black_hole, refused_port
from support.cppx import Cppx
from support.grpc_service import GrpcServer, failure, open_stub
from support.h2 import Reset
from support.manifests import endpoint_slice, ingress, rule, service, service_of
from support.waiting import scaled, wait_for

PROTOCOL = {"nginx.ingress.kubernetes.io/backend-protocol": "GRPC"}
CALL = "/cppx.test.Echo/Echo"
EMPTY_MESSAGE = b"\x00\x00\x00\x00\x00"
GRPC = [("content-type", "application/grpc"), ("te", "trailers")]


def routes(*backends, host="grpc.test", name="web"):
    return [*service_of(name, *backends), ingress(name, rule(host, f"{name}:80"), annotations=PROTOCOL)]


@pytest.fixture(scope="module")
def errors(cppx_binary, tmp_path_factory):
    """A cppx with a host for each error that it makes itself."""
    holder, closed = refused_port("127.0.0.9")
    with black_hole() as hole, Backend("silent", on_connect=lambda wire: wire.read_to_end() and "done") as silent:
        objects = [
            *routes(("127.0.0.9", closed), host="refused.test", name="refused"),
            *routes(hole, host="hole.test", name="hole"),
            *routes(silent, host="silent.test", name="silent"),
            ingress("missing", rule("missing.test", "no-such-service:80"), annotations=PROTOCOL),
        ]
        config = {"proxy-connect-timeout": "150ms", "proxy-next-upstream-tries": "1", "proxy-body-size": "1k"}
        with Cppx(tmp_path_factory.mktemp("errors") / "manifests", {"all.yaml": objects}, config=config) as cppx:
            yield cppx
    holder.close()


# host: (grpc-status, HTTP status of the same error without gRPC)
MADE_HERE = {
    "unknown.test": (12, 404),
    "missing.test": (14, 503),
    "refused.test": (14, 502),
    "hole.test": (14, 504),
    "silent.test": (14, 504),
}


@pytest.mark.parametrize("content_type", ["application/grpc", "application/grpc+proto", "application/grpc+json"])
@pytest.mark.parametrize("host", MADE_HERE)
def test_an_error_made_by_the_proxy_is_trailers_only(errors, host, content_type):
    with errors.h2() as client:
        headers = [("content-type", content_type), ("te", "trailers")]
        stream = client.ask("POST", CALL, host, headers, body=EMPTY_MESSAGE)
        assert (stream.status, bytes(stream.body), stream.trailers) == (200, b"", None)
        assert stream.headers.one("grpc-status") == str(MADE_HERE[host][0])
        assert stream.headers.one("grpc-message")
        assert stream.headers.one("content-type") == content_type or stream.headers.one("content-type") == "application/grpc"
        assert not stream.headers.has("content-length") or stream.headers.one("content-length") == "0"
        plain = client.ask("POST", CALL, host, [("content-type", "text/plain")], body=b"x")
        assert plain.status == MADE_HERE[host][1] and not plain.headers.has("grpc-status")


@pytest.mark.parametrize("host", MADE_HERE)
def test_a_client_of_grpc_sees_the_status(errors, host):
    with open_stub(errors.http_port, host) as stub:
        error = failure(lambda: stub.echo(b"x", timeout=scaled(10)))
    assert error.code().value[0] == MADE_HERE[host][0]
    assert error.details()


def test_a_message_over_the_limit_is_resource_exhausted(start_cppx):
    with GrpcServer() as server:
        cppx = start_cppx({"all.yaml": routes((server.address, server.port))}, config={"proxy-body-size": "1k"})
        with open_stub(cppx.http_port, "grpc.test") as stub:
            assert stub.echo(b"x" * 500, timeout=scaled(10)) == b"x" * 500
            error = failure(lambda: stub.echo(b"x" * 5000, timeout=scaled(10)))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_no_answer_in_time_is_unavailable(start_cppx, make_h2_backend):
    backend = make_h2_backend("silent", handler=lambda exchange: exchange.expect_reset())
    config = {"proxy-read-timeout": "200ms", "proxy-next-upstream-tries": "1"}
    cppx = start_cppx({"all.yaml": routes(backend)}, config=config)
    with open_stub(cppx.http_port, "grpc.test") as stub:
        assert failure(lambda: stub.echo(b"x", timeout=scaled(10))).code() == grpc.StatusCode.UNAVAILABLE


def message(data):
    return b"\x00" + len(data).to_bytes(4, "big") + data


def after(action, sent=b""):
    """A backend's handler: a gRPC answer that is broken off by `action` after some bytes."""

    def handler(exchange):
        exchange.read_body()
        exchange.send_head(headers=[("content-type", "application/grpc")])
        exchange.send(sent)
        action(exchange)

    return handler


BREAKS = {
    "closed": after(lambda exchange: exchange.close()),
    "closed after a message": after(lambda exchange: exchange.close(), message(b"one")),
    "closed in a message": after(lambda exchange: exchange.close(), message(b"one")[:-1]),
    "reset": after(lambda exchange: exchange.reset(2), message(b"one")),
    "reset without an error": after(lambda exchange: exchange.reset(0), message(b"one")),
    "goaway and closed": after(lambda exchange: (exchange.goaway(0), exchange.close()), message(b"one")),
    "no trailers": after(lambda exchange: exchange.send(end=True), message(b"one")),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_server_that_breaks_off_is_an_error_at_the_client(start_cppx, make_h2_backend, name):
    backend = make_h2_backend("broken", handler=BREAKS[name])
    cppx = start_cppx({"all.yaml": routes(backend)})
    with open_stub(cppx.http_port, "grpc.test") as stub:
        error = failure(lambda: stub.echo(b"x", timeout=scaled(10)))
        assert error.code() not in (grpc.StatusCode.OK, grpc.StatusCode.DEADLINE_EXCEEDED)
        assert failure(lambda: stub.expand(b"1 1", timeout=scaled(10))).code() != grpc.StatusCode.DEADLINE_EXCEEDED
    if name != "no trailers":
        with cppx.h2() as client, pytest.raises(Reset):
            client.ask("POST", CALL, "grpc.test", GRPC, body=EMPTY_MESSAGE)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_an_http_error_of_the_server_is_passed_as_it_is(start_cppx, make_h2_backend, status):
    """Clients map these themselves, by the same table."""
    backend = make_h2_backend("http", handler=lambda exchange: (exchange.read_body(), exchange.reply(status, body=b"no")))
    cppx = start_cppx({"all.yaml": routes(backend)})
    with cppx.h2() as client:
        stream = client.ask("POST", CALL, "grpc.test", GRPC, body=EMPTY_MESSAGE)
    assert (stream.status, bytes(stream.body)) == (status, b"no")


def test_trailers_only_of_the_server_is_passed_as_it_is(start_cppx, make_h2_backend):
    end = [("content-type", "application/grpc"), ("grpc-status", "5"), ("grpc-message", "na%C3%AFve%0A")]
    backend = make_h2_backend("only", handler=lambda exchange: (exchange.read_body(), exchange.send_head(200, end, end=True)))
    cppx = start_cppx({"all.yaml": routes(backend)})
    with cppx.h2() as client:
        stream = client.ask("POST", CALL, "grpc.test", GRPC, body=EMPTY_MESSAGE)
        assert (stream.status, bytes(stream.body), stream.trailers) == (200, b"", None)
        assert [pair for pair in stream.headers if pair in end] == end
    assert backend.last.headers.one("te") == "trailers"
    assert backend.last.headers.one("content-type") == "application/grpc"


class Load:
    """Calls one after the other in some threads until told to end; failures are kept."""

    def __init__(self, cppx, threads=4):
        self.done, self.failures, self.counts = threading.Event(), [], [0] * threads
        self.names = set()
        self.threads = [threading.Thread(target=self._run, args=(cppx, number)) for number in range(threads)]

    def _run(self, cppx, number):
        with open_stub(cppx.http_port, "grpc.test") as stub:
            while not self.done.is_set():
                try:
                    _, call = stub.echo.with_call(b"x" * 100, timeout=scaled(10))
                    self.names |= {pair.value for pair in call.initial_metadata() if pair.key == "x-backend"}
                    self.counts[number] += 1
                except grpc.RpcError as error:
                    # What grpcio's server itself answers to a call that comes while it stops, before its GOAWAY is
                    # out: a client of its own gets the same.
                    if (error.code(), error.details()) == (grpc.StatusCode.CANCELLED, "CANCELLED"):
                        continue
                    self.failures.append((error.code().name, error.details()))
                    time.sleep(0.05)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.more(5)
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join()

    def more(self, count):
        """Waits until every thread has made some more calls."""
        goals = [have + count for have in self.counts]
        wait_for(lambda: self.failures or all(map(int.__ge__, self.counts, goals)), 20, "more calls")
        assert not self.failures, self.failures[:3]


def test_servers_that_end_gracefully_fail_no_call(start_cppx):
    """Rolling: a new server, then the old one ends with GOAWAY while its address is still known for a while."""
    servers = [GrpcServer("0")]
    try:
        cppx = start_cppx({"all.yaml": routes(*servers)}, workers=2)
        with Load(cppx) as load, open_stub(cppx.http_port, "grpc.test") as stub:
            for number in range(1, 4):
                old = servers[-1]
                held = stub.hold(b"held")
                assert next(held) == b"held"
                servers.append(GrpcServer(str(number)))
                cppx.apply("all.yaml", routes(old, servers[-1]))
                load.more(5)
                ending = threading.Thread(target=old.stop, args=(scaled(10),))
                ending.start()
                assert list(held) == [b"released"]
                load.more(10)
                cppx.apply("all.yaml", routes(servers[-1]))
                ending.join()
                load.more(5)
        assert load.names == {"0", "1", "2", "3"}
        assert not load.failures
    finally:
        for server in servers:
            server.stop()


def test_endpoints_that_change_all_the_time_fail_no_call(start_cppx):
    with GrpcServer("a") as a, GrpcServer("b") as b, GrpcServer("c") as c:
        sets = itertools.cycle([[a, b], [b], [b, c], [c], [c, a], [a], [a, b, c]])

        def objects():
            slices = [endpoint_slice("web", [s.address], s.port, suffix=str(at)) for at, s in enumerate(next(sets))]
            return [service("web"), *slices, ingress("web", rule("grpc.test", "web:80"), annotations=PROTOCOL)]

        cppx = start_cppx({"all.yaml": objects()})
        with Load(cppx) as load:
            for turn in itertools.count(1):
                cppx.write("all.yaml", objects())
                load.more(2)
                # Quick changes are taken together: one of these sets may never have been served.
                if turn >= 21 and load.names == {"a", "b", "c"}:
                    break
                assert turn < 500, load.names
        assert not load.failures
