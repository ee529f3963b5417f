"""A new cppx takes the listening sockets of the one that runs, and no request fails."""

import contextlib
import os
import pathlib
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

from support.certificates import make_certificate
from support.client import Connection, refused, request
from support.cppx import Cppx
from support.manifests import ingress, rule, service_of, tls_secret
from support.takeover import RawSuccessor
from support.waiting import scaled, wait_for


def site(backend):
    annotations = {"nginx.ingress.kubernetes.io/ssl-redirect": "false"}
    return {
        "all.yaml": [
            *service_of("web", backend),
            ingress("web", rule("site.test", "web:80"), tls=[("cert", "site.test")], annotations=annotations),
            tls_secret("cert", make_certificate("site.test")),
        ]
    }


def hold_port():
    """A socket whose port nobody is given by chance while it is open, and who names it may listen at."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


class Loads:
    """Clients that ask all the time: on connections kept as long as they may be, and on new ones."""

    def __init__(self, cppx):
        self.answers = 0
        self.failures = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(self._keep_alive, connect))
            for connect in (cppx.connect, cppx.connect, lambda: cppx.connect_tls("site.test"))
        ]
        self._threads.append(threading.Thread(target=self._run, args=(self._one_each, cppx.connect)))
        self._threads.append(
            threading.Thread(target=self._run, args=(self._ready, lambda: Connection(cppx.health_port)))
        )

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        self.wait_for_more()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, count=200):
        goal = self.answers + count
        wait_for(lambda: self.failures or self.answers >= goal, 20, f"{goal} answers")

    def _run(self, load, connect):
        try:
            while not self._stop.is_set():
                load(connect)
        except Exception as error:  # every kind is a failed request
            self.failures.append(repr(error))

    def _count(self, response):
        if response.status != 200:
            self.failures.append(f"{response.status} {response.text}")
        self.answers += 1
        return "close" not in response.headers.all("Connection")

    def _keep_alive(self, connect):
        with connect() as connection:
            while self._count(connection.ask(request())) and not self._stop.is_set():
                pass

    def _one_each(self, connect):
        with connect() as connection:
            self._count(connection.ask(request(headers=[("Connection", "close")])))

    def _ready(self, connect):
        with connect() as connection:
            self._count(connection.ask(request(target="/readyz", headers=[("Connection", "close")])))
        time.sleep(0.01)


def started_by_signal(cppx):
    """Sends SIGUSR2; returns the process that takes over."""
    cppx.process.send_signal(signal.SIGUSR2)
    line = cppx.wait_for_log(r"process \d+ is to take over")
    return int(line.split("process ")[1].split()[0])


def end_process(pid):
    """Ends a process that is no child of this one."""
    os.kill(pid, signal.SIGTERM)

    def ended():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    wait_for(ended, 10, f"process {pid} to end")


def test_a_successor_started_by_signal(start_cppx, make_backend):
    cppx = start_cppx(site(make_backend()))
    with Loads(cppx) as loads:
        pid = started_by_signal(cppx)
        try:
            assert cppx.process.wait(scaled(20)) == 0
            loads.wait_for_more()
        finally:
            loads.stop()
            end_process(pid)
    assert loads.failures == []
    cppx.check_log()


@pytest.mark.parametrize("workers", [(2, 1), (1, 3), (2, 2)], ids=str)
def test_a_successor_that_asks(start_cppx, make_backend, tmp_path, workers):
    path = tmp_path / "takeover.sock"
    flag = f"--takeover={path}"
    cppx = start_cppx(site(make_backend()), flags=[flag], workers=workers[0])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with Loads(cppx) as loads:
        with Cppx(cppx.folder, {}, flags=[flag], workers=workers[1]) as successor:
            assert (successor.http_port, successor.https_port) == (cppx.http_port, cppx.https_port)
            assert successor.health_port == cppx.health_port
            assert cppx.process.wait(scaled(20)) == 0
            loads.wait_for_more()
            # And so on: the successor can be asked as well.
            with Cppx(cppx.folder, {}, flags=[flag], workers=workers[0]):
                assert successor.process.wait(scaled(20)) == 0
                loads.wait_for_more()
                loads.stop()
    assert loads.failures == []


def test_requests_in_flight_are_finished_by_the_predecessor(start_cppx, make_backend, held, tmp_path):
    backend = make_backend(handler=held)
    flag = f"--takeover={tmp_path}/takeover.sock"
    cppx = start_cppx(site(backend), flags=[flag])
    with cppx.connect() as busy, cppx.connect() as idle, cppx.h2(tls=True) as h2, Connection(cppx.health_port) as probe:
        # Connections are accepted in their order: once a later one is answered, the probe is the predecessor's.
        assert cppx.health("/readyz") == 200
        assert idle.ask(request()).status == 200
        busy.send(request(target="/held"))
        stream = h2.start(path="/held")
        backend.wait_for_requests(3)
        with Cppx(cppx.folder, {}, flags=[flag]) as successor:
            cppx.wait_for_log("a successor serves")
            assert successor.get().status == 200
            assert cppx.process.poll() is None, "ended before the requests in flight"
            # Nobody who kept a connection finds it closed: its next answer says that it ends.
            last = idle.ask(request())
            assert (last.status, last.headers.one("Connection")) == (200, "close")
            # A health check that was accepted and asks only now asks about an address that goes on.
            told = probe.ask(request(target="/readyz"))
            assert (told.status, told.headers.one("Connection")) == (200, "close")
            held.go_on.set()
            assert busy.read_response().status == 200
            h2.finish(stream)
            assert stream.status == 200
            assert cppx.process.wait(scaled(20)) == 0


@pytest.fixture
def launch_waiting(make_backend, tmp_path):
    """Starts a successor that has the sockets and cannot serve: its API server does not answer."""
    api = make_backend("api", handler=lambda exchange: exchange.expect_peer_gone())
    started = []

    def launch(flags, workers):
        source = f"--apiserver-host=http://{api.address}:{api.port}"
        started.append(Cppx(tmp_path / "nothing", {}, flags=flags, workers=workers, source=source))
        started[-1].launch()
        api.wait_for_requests(1)
        return started[-1]

    yield launch
    for successor in started:
        successor.stop()


def test_a_successor_that_cannot_serve_yet_gets_no_connections(start_cppx, make_backend, launch_waiting, tmp_path):
    """Not even on those sockets that its predecessor, with fewer workers, does not have."""
    flag = f"--takeover={tmp_path}/takeover.sock"
    cppx = start_cppx(site(make_backend()), flags=[flag], workers=1)
    successor = launch_waiting([flag], workers=3)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(cppx.connect(timeout=3)) for _ in range(20)]
        for client in clients[::2]:
            assert client.ask(request()).status == 200
        successor.stop()
        for client in clients:
            assert client.ask(request()).status == 200


def test_a_successor_that_ends_before_it_served_leaves_those_who_wait(
    start_cppx, make_backend, held, launch_waiting, tmp_path
):
    """Clients for whom the predecessor has no room lie in a queue that both can take from."""
    flag = f"--takeover={tmp_path}/takeover.sock"
    backend = make_backend(handler=held)
    cppx = start_cppx(site(backend), flags=[flag], workers=1, config={"max-worker-connections": "3"})
    successor = launch_waiting([flag], workers=1)
    with contextlib.ExitStack() as stack:
        busy = [stack.enter_context(cppx.connect()) for _ in range(3)]
        for client in busy:
            client.send(request(target="/held"))
        backend.wait_for_requests(3)
        waiting = [stack.enter_context(cppx.connect()) for _ in range(10)]
        for client in waiting:
            client.send(request())
        wait_for(lambda: cppx.metric("cppx_accept_paused_total") >= 1, 5, "the limit to be met")
        successor.stop()
        held.go_on.set()
        for client in busy + waiting:
            assert client.read_response().status == 200


def test_a_successor_that_is_to_end_makes_way_for_the_next(start_cppx, make_backend, launch_waiting, tmp_path):
    flag = f"--takeover={tmp_path}/takeover.sock"
    cppx = start_cppx(site(make_backend()), flags=[flag], workers=1)
    hanging = launch_waiting([flag, "--shutdown-grace-period=60"], workers=1)
    hanging.terminate()
    hanging.wait_for_log("SIGTERM")
    successor = start_cppx(site(make_backend()), flags=[flag], workers=1)
    assert cppx.wait_for_end() == 0
    assert successor.get().status == 200
    assert hanging.process.poll() is None, "it has ended: nothing is shown"


def test_a_process_that_drains_is_nobodys_predecessor(start_cppx, make_backend, held, tmp_path):
    """It does not listen any more: the next one, with the same ports, starts as if there were none."""
    flag = f"--takeover={tmp_path}/takeover.sock"
    backend = make_backend(handler=held)
    cppx = start_cppx(site(backend), flags=[flag])
    with cppx.connect() as busy:
        busy.send(request(target="/held"))
        backend.wait_for_requests(1)
        cppx.terminate()
        wait_for(lambda: refused(cppx.http_port) and refused(cppx.https_port), 5, "the listeners to close")
        ports = (cppx.http_port, cppx.https_port, cppx.health_port)
        with Cppx(cppx.folder, {}, flags=[flag], ports=ports) as following:
            assert following.get().status == 200
            assert cppx.process.poll() is None, "ended before the request in flight"
            held.go_on.set()
            assert busy.read_response().status == 200
            assert cppx.process.wait(scaled(10)) == 0
            assert following.get().status == 200


@pytest.fixture
def offering(start_cppx, make_backend, tmp_path):
    cppx = start_cppx(site(make_backend()), flags=[f"--takeover={tmp_path}/takeover.sock"])
    cppx.takeover_path = tmp_path / "takeover.sock"
    return cppx


def test_a_successor_that_fails_changes_nothing(offering):
    successor = RawSuccessor(offering.takeover_path)
    received = successor.sockets()
    assert sorted(name for name, _ in received) == ["health", "http", "http", "https", "https"]
    ports = {sock.getsockname()[1] for _, sock in received}
    assert ports == {offering.http_port, offering.https_port, offering.health_port}
    for _, sock in received:
        sock.close()
    successor.socket.close()
    offering.wait_for_log("ended before it served")
    assert offering.get().status == 200
    assert offering.health("/readyz") == 200
    # The next one is welcome.
    again = RawSuccessor(offering.takeover_path)
    assert len(again.sockets()) == 5


@pytest.mark.parametrize("message", [{"want": 1}, {"want": None}, {"want": ["sockets"]}, {"serving": True}, {}])
def test_a_message_that_means_nothing_changes_nothing(offering, message):
    stranger = RawSuccessor(offering.takeover_path)
    stranger.say(**message)
    assert stranger.socket.recv(4096) == b"", "an answer to nonsense"
    assert offering.get().status == 200
    assert len(RawSuccessor(offering.takeover_path).sockets()) == 5


# Each has a socket for http and one for https: more messages than lie in a Unix socket that nobody reads.
MANY_WORKERS = 200


def test_a_successor_of_many_workers(start_cppx, make_backend):
    cppx = start_cppx(site(make_backend()), workers=MANY_WORKERS)
    pid = started_by_signal(cppx)
    try:
        assert cppx.process.wait(scaled(20)) == 0
        assert cppx.get().status == 200
    finally:
        end_process(pid)


def test_a_successor_that_does_not_take_the_sockets(start_cppx, make_backend, tmp_path):
    """It is told in the log, and the next one gets them all."""
    path = tmp_path / "takeover.sock"
    cppx = start_cppx(site(make_backend()), flags=[f"--takeover={path}"], workers=MANY_WORKERS)
    successor = RawSuccessor(path)
    successor.say(want="sockets")
    cppx.wait_for_log("warning", "could not be given to a successor: .*takes too long", seconds=10)
    assert cppx.get().status == 200
    assert cppx.health("/readyz") == 200
    successor.socket.close()
    received = RawSuccessor(path).sockets()
    assert len(received) == 2 * MANY_WORKERS + 1
    for _, sock in received:
        sock.close()


def askers(path):
    """How many connections there are to the Unix socket at `path`, taken or not."""
    return sum(str(path) in line for line in pathlib.Path("/proc/net/unix").read_text().splitlines()) - 1


def test_of_two_successors_at_once_one_serves_and_the_other_ends(offering):
    pair = [Cppx(offering.folder, {}, flags=[f"--takeover={offering.takeover_path}"]) for _ in range(2)]
    with contextlib.ExitStack() as stack:
        stack.callback(offering.process.send_signal, signal.SIGCONT)
        offering.process.send_signal(signal.SIGSTOP)
        for successor in pair:
            successor.launch()
            stack.callback(successor.stop)
        wait_for(lambda: askers(offering.takeover_path) == 2, 5, "both to ask")
        offering.process.send_signal(signal.SIGCONT)
        assert offering.process.wait(scaled(10)) == 0
        wait_for(lambda: any(each.process.poll() is not None for each in pair), 5, "one of them to end")
        pair.sort(key=lambda successor: successor.process.poll() is None)
        late, serving = pair
        assert late.wait_for_end() != 0
        assert any(line.startswith("cppx: ") or " error " in line for line in late.log_lines), late.log
        assert offering.get().status == 200, "nobody serves where the predecessor did"
        assert serving.process.poll() is None


@pytest.mark.parametrize(
    "message", [b"", b"nothing", b"[]", b'{"serving":true}', b'{"want":"keys"}', b"x" * 5000], ids=repr
)
def test_who_asks_wrongly_gets_nothing(offering, message):
    successor = RawSuccessor(offering.takeover_path)
    successor.socket.send(message)
    try:
        assert successor.socket.recv(4096) == b""
    except ConnectionError:
        pass
    assert offering.get().status == 200
    assert offering.process.poll() is None


def test_who_does_not_take_those_who_ask_is_not_waited_for(offering):
    """One clear line: a supervisor tries again, and a signal would not be heard meanwhile."""
    with contextlib.ExitStack() as stack:
        stack.callback(offering.process.send_signal, signal.SIGCONT)
        offering.process.send_signal(signal.SIGSTOP)
        with pytest.raises(BlockingIOError):
            while True:
                asking = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
                asking.setblocking(False)
                asking.connect(str(offering.takeover_path))
        late = Cppx(offering.folder, {}, flags=[f"--takeover={offering.takeover_path}"])
        late.launch()
        assert late.wait_for_end() == 2
        assert late.log_lines == ["cppx: cannot take over from the cppx that runs: it does not take those who ask\n"]
    assert offering.get().status == 200


def test_nobody_waits_at_the_path_of_one_that_has_handed_over(start_cppx, make_backend, held, tmp_path):
    """Its successor listens there as a rule; where it cannot, the next one finds nobody rather than one who never answers."""
    path = tmp_path / "takeover.sock"
    backend = make_backend(handler=held)
    cppx = start_cppx(site(backend), flags=[f"--takeover={path}"])
    with cppx.connect() as busy:
        busy.send(request(target="/held"))
        backend.wait_for_requests(1)
        successor = RawSuccessor(path)
        taken = successor.sockets()
        successor.say(serving=True)
        cppx.wait_for_log("a successor serves")
        with pytest.raises(ConnectionRefusedError):
            RawSuccessor(path)
        held.go_on.set()
        assert busy.read_response().status == 200
    assert cppx.process.wait(scaled(20)) == 0
    for _, sock in taken:
        sock.close()


@pytest.mark.parametrize("told", ["before", "after"])
def test_with_a_successor_nobody_waits_for_the_grace_period(start_cppx, make_backend, tmp_path, told):
    """It is for those who still send clients here; to them this address goes on."""
    flag = f"--takeover={tmp_path}/takeover.sock"
    cppx = start_cppx(site(make_backend()), flags=[flag, "--shutdown-grace-period=600"])
    with cppx.connect() as idle:
        assert idle.ask(request()).status == 200
        if told == "before":
            cppx.terminate()
            cppx.wait_for_log("SIGTERM: not ready any more")
        with Cppx(cppx.folder, {}, flags=[flag]) as successor:
            cppx.wait_for_log("a successor serves")
            if told == "after":
                assert cppx.process.poll() is None
                cppx.terminate()
                idle.expect_closed()
            else:
                assert idle.ask(request()).headers.one("Connection") == "close"
            assert cppx.process.wait(scaled(20)) == 0
            assert successor.get().status == 200


def test_a_successor_with_other_ports_opens_its_own(offering):
    """Sockets that do not fit are closed, and the predecessor ends all the same."""
    flags = [f"--takeover={offering.takeover_path}"]
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(hold_port()).getsockname()[1] for _ in range(3)]
        successor = stack.enter_context(Cppx(offering.folder, {}, flags=flags, ports=ports))
        assert offering.process.wait(scaled(20)) == 0
        assert (successor.http_port, successor.https_port, successor.health_port) == tuple(ports)
        assert refused(offering.http_port)
        assert successor.get().status == 200


def test_who_waits_at_a_port_that_the_successor_does_not_want_is_served(offering):
    successor = RawSuccessor(offering.takeover_path)
    for _, sock in successor.sockets():
        sock.close()
    with contextlib.ExitStack() as stack:
        stack.callback(offering.process.send_signal, signal.SIGCONT)
        # What comes meanwhile lies in the queues when the predecessor hears that it is to go.
        offering.process.send_signal(signal.SIGSTOP)
        successor.say(serving=True)
        clients = [stack.enter_context(offering.connect()) for _ in range(300)]
        for client in clients:
            client.send(request())
        offering.process.send_signal(signal.SIGCONT)
        for client in clients:
            assert client.read_response().status == 200
    assert offering.process.wait(scaled(20)) == 0


def test_a_place_that_cannot_be_listened_at(cppx_binary, tmp_path):
    """One clear line, and the end."""
    (tmp_path / "manifests").mkdir()
    ended = subprocess.run(
        [cppx_binary, f"--manifests={tmp_path}/manifests", "--http-port=0", "--https-port=0", "--healthz-port=0",
         "--bind-address=127.0.0.1", f"--takeover={tmp_path}/no/such/folder.sock"],
        capture_output=True, text=True, timeout=scaled(20), stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "cannot listen at" in ended.stderr and "No such file or directory" in ended.stderr
