"""Near its memory limit cppx begins nothing new, finishes what it has begun, and recovers; it never grows past it."""

import contextlib
import socket
import ssl
import struct
import subprocess

import pytest
from hyperframe.frame import DataFrame

from support.backend import Held, black_hole
from support.certificates import make_certificate
from support.client import Connection, client_context, request
from support.cppx import built_with_thread_sanitizer, has_undefined_sanitizer, measured_memory
from support.load import MIB, Peak
from support.manifests import ingress, rule, service_of, tls_secret
from support.waiting import SLOW, scaled, wait_for
from support.wire import Truncated

ROOM = 48 * MIB
# So many uploads, as begin_upload() begins them, are more than that.
ENOUGH = 1500
# Between two looks at the memory, and for what Python sees late; and for what a sanitizer keeps.
SLACK = (12 if SLOW == 1 else 24) * MIB
# Of the limit: the default one is 80 % of the cgroup's, so more than this ends the process.
FATAL = 1.25
CONNECTIONS = "nginx_ingress_controller_nginx_process_connections{"
H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
# The first bytes of a ClientHello of 512 bytes.
HELLO_BEGUN = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


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
            ingress("secure", rule("secure.test", "web:80"), tls=[("secure", "secure.test")]),
            tls_secret("secure", make_certificate("secure.test")),
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


def begin_upload(cppx, stack):
    """A request whose body lies in memory until its connection is closed."""
    connection = stack.enter_context(cppx.connect())
    connection.send(request("POST", "/held", host="away.test", body=b"x" * 48 * 1024))
    return connection


def fill(cppx, stack):
    """Begins uploads, each on a connection of its own, until memory is short. Returns the connections."""
    begun = []
    before = cppx.log.count("memory is short")

    def is_short():
        return cppx.log.count("memory is short") > before

    while not is_short() and len(begun) < ENOUGH:
        begun.append(begin_upload(cppx, stack))
    # The worker takes no more of them by then, but it is another thread that tells.
    wait_for(is_short, 20, f"{len(begun)} bodies to leave a trace")
    return begun


def serves_again(cppx):
    """Those that the kernel had queued meanwhile are taken first, before they are found closed: that may be too much once
    more, or several times."""
    wait_for(lambda: is_answered(cppx), 30, "a request to be answered again")


def test_requests_in_progress_are_finished_and_new_ones_refused(limited):
    with contextlib.ExitStack() as stack, Peak(limited) as peak:
        busy = stack.enter_context(limited.h2())  # one that is not idle, or it would have to go
        busy.start(path="/held")
        begun = []
        # On connections of their own: a body that has not been taken yet lies in memory.
        while not limited.log.count("memory is short"):
            assert len(begun) < 4000, "so many bodies leave no trace"
            begun.append(begin_upload(limited, stack))
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
        serves_again(limited)
    assert peak.most < limited.limit


def test_what_is_in_progress_gets_its_answer(limited):
    """Short of memory from the side: those who wait for a backend are heard out."""
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(limited.connect()) for _ in range(50)]
        for connection in waiting:
            connection.send(request("POST", "/held", body=b"x" * 1000))
        fill(limited, stack)
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
            # The thread that has clients cut keeps pace.
            assert limited.health("/livez") == 200
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


def test_what_is_kept_for_later_makes_room_before_anybody_is_refused(limited):
    """A crowd has been there and has gone: what it took is kept for the next one, and is room for others all the same."""
    if has_undefined_sanitizer():
        pytest.skip("with AddressSanitizer around each block of it the crowd is too much by itself")

    def all_have_gone():
        wait_for(lambda: limited.metric(CONNECTIONS) < 10, 20, "the crowd to have gone")

    with contextlib.ExitStack() as stack:
        fill(limited, stack)
        most = limited.metric(CONNECTIONS)  # the others wait in the kernel's queue
    serves_again(limited)
    all_have_gone()
    shortages = limited.log.count("memory is short")
    with contextlib.ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(limited.connect()).send(request(host="away.test"))
        wait_for(lambda: limited.metric(CONNECTIONS) >= 1000, 20, "the crowd to be there")
    all_have_gone()
    # It may have been enough for that by itself.
    wait_for(lambda: limited.memory_bytes() < 0.8 * limited.limit, 10, "what is kept to go back")
    with contextlib.ExitStack() as stack:
        uploads = int(0.65 * most)
        for _ in range(uploads):
            begin_upload(limited, stack)
        is_short = lambda: limited.log.count("memory is short") > shortages
        wait_for(lambda: is_short() or limited.metric(CONNECTIONS) >= uploads, 20, "the uploads to be there")
        assert not is_short()


def test_tls_sessions_make_room(limited):
    """They would stay for ten minutes, and for ever when no handshake comes that OpenSSL looks at them for."""
    context = client_context(maximum=ssl.TLSVersion.TLSv1_2)
    last = request(host="secure.test", headers=[("Connection", "close")])

    def served(session=None):
        """The session of a connection that got its answer, and whether it was `session`; None while memory is short."""
        with contextlib.suppress(OSError, Truncated):
            with limited.connect_tls("secure.test", context=context, session=session) as connection:
                tls = connection.sock
                made = tls.session, tls.session_reused
                return made if connection.ask(last).status == 200 else None
        return None

    made = [served()[0] for _ in range(300)]
    some = [made[i] for i in (0, 150, 299)]
    assert [served(session)[1] for session in some] == [True] * 3
    with contextlib.ExitStack() as stack:
        fill(limited, stack)
    limited.wait_for_log("memory is not short any more", seconds=20)
    serves_again(limited)
    for session in some:
        _, reused = wait_for(lambda session=session: served(session), 20, "TLS to be served again")
        assert not reused


@pytest.mark.parametrize("kind", ["head", "tls"])
def test_who_does_not_go_on_with_what_he_has_begun_makes_room_soon(limited, all_files, kind):
    """Half a head and half a handshake may take a minute otherwise, in which nobody is let in."""
    port, data = (limited.https_port, HELLO_BEGUN) if kind == "tls" else (limited.http_port, b"GET / HTTP/1.1\r\nX: ")
    with contextlib.ExitStack() as stack:
        for _ in range(min(6000, all_files - 500)):
            client = stack.enter_context(socket.socket())
            client.settimeout(scaled(1))
            try:
                client.connect(("127.0.0.1", port))
            except OSError:  # the kernel's queue is full
                break
            with contextlib.suppress(OSError):
                client.sendall(data)
            if limited.log.count("memory is short"):
                break
        limited.wait_for_log("memory is short", seconds=20)
        # All of them are there still.
        limited.wait_for_log("memory is not short any more", seconds=10)
    serves_again(limited)


def test_a_shortage_that_lasts_is_no_readiness(limited):
    """Whoever asks where to send new clients hears it, and who asks whether the program lives does not: a restart would cut
    what is in progress."""
    with contextlib.ExitStack() as stack:
        fill(limited, stack)
        # These wait in the kernel's queue, and take the room that there may be once more.
        for _ in range(300):
            begin_upload(limited, stack)
        wait_for(lambda: limited.health("/readyz") == 500, 30, "a shortage to be told", every=0.05)
        assert limited.health("/healthz") == 200
        assert limited.health("/livez") == 200
    wait_for(lambda: limited.health("/readyz") == 200, 30, "it to be ready again", every=0.05)
    serves_again(limited)


@pytest.mark.parametrize(("kind", "count"), [("h2", 8000), ("tls", 4000)])
def test_a_burst_of_connections_is_noticed_in_time(limited, all_files, kind, count):
    """What they take is OpenSSL's and nghttp2's, and no buffer. Without a limit it would be far more than is allowed here."""
    port, data = (limited.https_port, HELLO_BEGUN) if kind == "tls" else (limited.http_port, H2_PREFACE)
    opened = []

    def speak(client):
        with contextlib.suppress(OSError):  # cppx may have closed it
            client.sendall(data)

    try:
        for _ in range(min(count, all_files - 500)):
            client = socket.socket()
            opened.append(client)
            client.settimeout(1)
            try:
                client.connect(("127.0.0.1", port))
            except OSError:  # the kernel's queue is full
                break
            if kind == "tls":
                speak(client)
        # All that have been let in while they took next to nothing.
        if kind == "h2":
            for client in opened:
                speak(client)
        limited.wait_for_log("memory is short", seconds=20)
    finally:
        for client in opened:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
    serves_again(limited)
    peak = limited.peak_memory_bytes()
    assert peak < limited.limit * FATAL, f"{peak / MIB:.1f} MiB, {limited.limit / MIB:.1f} are the limit"


@pytest.mark.parametrize("text", ["much", "-1", "1.5.2G", "10 apples"])
def test_a_limit_that_is_none(cppx_binary, text):
    """One clear line."""
    ended = subprocess.run(
        [cppx_binary, f"--memory-limit={text}"],
        capture_output=True, text=True, timeout=scaled(10), stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "--memory-limit" in ended.stderr and ended.stderr.count("\n") == 1
