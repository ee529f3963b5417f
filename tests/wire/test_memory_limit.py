"""Near its memory limit cppx begins nothing new, finishes what it has begun, and recovers; it never grows past it."""

import contextlib
import subprocess

import pytest
from hyperframe.frame import DataFrame

from support.backend import Held, black_hole
from support.client import Connection, request
from support.cppx import built_with_thread_sanitizer, measured_memory
from support.load import MIB, Peak
from support.manifests import ingress, rule, service_of
from support.waiting import SLOW, scaled, wait_for
from support.wire import Truncated

ROOM = 48 * MIB
# Between two looks at the memory, and for what Python sees late; and for what a sanitizer keeps.
SLACK = (12 if SLOW == 1 else 24) * MIB


def is_answered(cppx):
    try:
        with Connection(cppx.http_port, timeout=2.0) as connection:
            return connection.ask(request()).status == 200
    except (OSError, Truncated):
        return False


@pytest.fixture
def limited(start_cppx, make_backend):
    """A cppx with a limit of ROOM over what it needs at rest. /held waits; at away.test nobody ever takes a connection."""
    if built_with_thread_sanitizer():
        pytest.skip("what ThreadSanitizer keeps for itself only grows, and cannot be told from the program's memory")
    held = Held()
    with contextlib.ExitStack() as stack:
        hole = stack.enter_context(black_hole())
        objects = [
            *service_of("web", make_backend(handler=held)),
            *service_of("away", hole),
            ingress("web", rule("site.test", "web:80"), rule("away.test", "away:80")),
        ]
        config = {"proxy-connect-timeout": "60"}
        options = {"config": config, "workers": 1, "environment": measured_memory()}
        at_rest = start_cppx({"all.yaml": objects}, **options)
        assert at_rest.get().status == 200
        limit = at_rest.memory_bytes() + ROOM
        at_rest.stop()
        cppx = start_cppx({"all.yaml": objects}, flags=[f"--memory-limit={limit}"], **options)
        cppx.held, cppx.limit = held, limit
        stack.callback(held.go_on.set)
        yield cppx


def test_requests_in_progress_are_finished_and_new_ones_refused(limited):
    body = b"x" * 48 * 1024
    with contextlib.ExitStack() as stack, Peak(limited) as peak:
        busy = stack.enter_context(limited.h2())  # one that is not idle, or it would have to go
        busy.start(path="/held")
        begun = []
        # On connections of their own: a body that has not been taken yet lies in memory.
        while not limited.log.count("memory is short"):
            assert len(begun) < 4000, "so many bodies leave no trace"
            connection = stack.enter_context(limited.connect())
            connection.send(request("POST", "/held", host="away.test", body=body))
            begun.append(connection)
            # No faster than cppx looks at its memory: what comes all at once is cut again, see below.
            assert busy.ask(path="/healthz", host="unknown.test").status == 200
        # The log is told by one thread, the workers by another.
        wait_for(lambda: busy.ask().status == 503, 10, "a new request to be refused")
        assert busy.ask(path="/healthz", host="unknown.test").status == 200
        assert limited.metric("cppx_requests_short_of_memory_total") >= 1
        assert limited.metric("cppx_connections_cut_for_memory_total") == 0
        for connection in begun:
            connection.close()
        limited.wait_for_log("memory is not short any more", seconds=20)
        # Those that the kernel had queued meanwhile are taken first, bodies and all, before they are found closed: that may
        # be too much once more, or several times.
        wait_for(lambda: is_answered(limited), 30, "a request to be answered again")
    assert peak.most < limited.limit


def test_what_is_in_progress_gets_its_answer(limited):
    """Short of memory from the side: those who wait for a backend are heard out."""
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(limited.connect()) for _ in range(50)]
        for connection in waiting:
            connection.send(request("POST", "/held", body=b"x" * 1000))
        fill = []
        while not limited.log.count("memory is short"):
            assert len(fill) < 4000
            fill.append(stack.enter_context(limited.connect()))
            fill[-1].send(request("POST", host="away.test", body=b"x" * 48 * 1024))
        limited.held.go_on.set()
        for connection in waiting:
            assert connection.read_response().status == 200


def test_when_what_is_in_progress_grows_the_last_ones_are_cut(limited):
    """Streams that were taken in time, and then send as much as they may."""
    streams = range(1, 33, 2)
    with contextlib.ExitStack() as stack, Peak(limited) as peak:
        oldest = stack.enter_context(limited.connect())
        oldest.send(request("POST", "/held", body=b"x"))
        clients = [stack.enter_context(limited.raw_h2()) for _ in range(100)]
        for client in clients:
            for number in streams:
                fields = client.request_fields("/", "POST", "away.test")
                client.send(client.head(number, fields, end=False))
            client.expect_alive()
        for client in clients:
            with contextlib.suppress(OSError, AssertionError):  # of those that are cut
                for number in streams:
                    for _ in range(4):
                        client.send(DataFrame(number, b"x" * 15 * 1024))
                client.expect_alive()
        assert peak.most > limited.limit - ROOM / 2
        wait_for(lambda: limited.metric("cppx_connections_cut_for_memory_total") > 0, 10, "connections to be cut")
        limited.held.go_on.set()
        assert oldest.read_response().status == 200
        clients[0].expect_alive()
    limited.wait_for_log("memory is not short any more", seconds=20)
    assert limited.get().status == 200
    assert peak.most < limited.limit + SLACK


@pytest.mark.parametrize("text", ["much", "-1", "1.5.2G", "10 apples"])
def test_a_limit_that_is_none(cppx_binary, text):
    """One clear line."""
    ended = subprocess.run(
        [cppx_binary, f"--memory-limit={text}"],
        capture_output=True, text=True, timeout=scaled(10), stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "--memory-limit" in ended.stderr and ended.stderr.count("\n") == 1
