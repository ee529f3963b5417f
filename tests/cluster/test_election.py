"""Three replicas, of which one leads: what happens when it dies, stands still, or cannot be heard."""

import contextlib
import itertools
import threading
import time

import pytest

from cluster.control_plane import API_PORT
from cluster.history import History
from cluster.objects import deployment, ingress, ingress_class, path, service
from cluster.relay import Relay
from cluster.replicas import NAMESPACE, Replicas
from cluster.traffic import Traffic
from support.takeover import RawSuccessor
from support.waiting import scaled, wait_for

TTL = int(scaled(6))
_ports = itertools.count(23001)


def address_of(number):
    """What the replica with this number writes into the status: it tells who wrote."""
    return f"192.0.2.{number}"


class Maker:
    """Makes one Ingress after the other, so that the leader always has a status to write."""

    def __init__(self, space, host):
        self._space = space
        self._host = host
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.failures = []

    def _run(self):
        target = f"/apis/networking.k8s.io/v1/namespaces/{self._space.name}/ingresses"
        for number in itertools.count():
            if self._stop.wait(0.3):
                return
            rules = {f"{number}.{self._host}": [path("web")]}
            try:
                self._space.cluster.api("POST", target, ingress(f"web-{number}", rules, self._space.class_name))
            except Exception as error:  # noqa: BLE001  the test says what failed
                self.failures.append(repr(error))
                return

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        assert self.failures == []


@pytest.fixture
def web(space, host):
    name = f"elected-{space.name}"
    space.class_name = name
    space.cluster.apply(ingress_class(name, controller=f"example.test/{name}"))
    space.apply(deployment("web", replicas=1), service("web"), ingress("web", {host: [path("web")]}, class_name=name))
    space.wait_for_pods("web", 1)
    yield space
    space.cluster.kubectl("delete", "ingressclass", name)


@pytest.fixture
def trio(web, cluster, kubeconfig):
    """Three replicas. Each reaches the API server by a relay of its own and writes an address of its own."""
    with contextlib.ExitStack() as stack:
        relays = {n: stack.enter_context(Relay(cluster.network, next(_ports), API_PORT)) for n in (1, 2, 3)}
        token = {"token": cluster.account_token()}

        def kubeconfig_of(number):
            server = f"https://127.0.0.1:{relays[number].port}"
            return cluster.control_plane.write_kubeconfig(f"{web.class_name}-{number}", token, server)

        flags = [f"--controller-class=example.test/{web.class_name}", f"--election-ttl={TTL}s"]
        replicas = Replicas(
            cluster,
            3,
            None,
            flags,
            flags_of=lambda number: [f"--publish-status-address={address_of(number)}"],
            kubeconfig_of=kubeconfig_of,
        )
        stack.enter_context(replicas)
        replicas.numbers = {cppx.pod: number for number, cppx in enumerate(replicas.running, 1)}
        replicas.relay_of = lambda cppx: relays[replicas.numbers[cppx.pod]]
        yield replicas


@pytest.fixture
def history(cluster, web):
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
    with History(cluster.control_plane, leases, f"/apis/networking.k8s.io/v1/namespaces/{web.name}/ingresses") as seen:
        yield seen


@pytest.fixture
def traffic(trio, cluster, host):
    """Traffic through all three replicas. A pod that is ready may not be in its EndpointSlice yet."""
    for cppx in trio.running:
        cppx.wait_for_status(host, 200, seconds=30)
    with contextlib.ExitStack() as stack:
        yield {
            cppx.pod: stack.enter_context(Traffic(cluster, cppx.http_port, host)) for cppx in trio.running
        }


def writers(history, trio, until=None):
    """(pod that wrote, holder of the Lease then) for each status that a replica wrote, in order, up to a revision."""
    pods = {address_of(number): pod for pod, number in trio.numbers.items()}
    holder, before, found = None, {}, []
    for revision, item in history.versions():
        if until is not None and revision > until:
            break
        if item["kind"] == "Lease" and item["metadata"]["name"] == trio.name:
            holder = item["spec"].get("holderIdentity")
        if item["kind"] != "Ingress":
            continue
        shown = [entry.get("ip") for entry in item["status"]["loadBalancer"].get("ingress", ())]
        if shown and shown != before.get(item["metadata"]["name"]) and shown[0] in pods:
            found.append((pods[shown[0]], holder))
        before[item["metadata"]["name"]] = shown
    return found


def expect_one_writer_at_a_time(history, trio, expected):
    """Each status was written by the holder of the Lease of that moment; the holders were `expected`, in order."""
    last = max(revision for revision, item in history.versions() if item["kind"] == "Ingress")
    # The two watches are not of one pace.
    history.wait_until(last, "Lease")
    found = writers(history, trio, last)
    assert all(pod == holder for pod, holder in found), found
    assert [pod for pod, _ in itertools.groupby(pod for pod, _ in found)] == expected, found


def wait_for_writes(history, trio, pod, count=2, seconds=20):
    """Waits until a replica has written the status (again)."""
    before = sum(1 for writer, _ in writers(history, trio) if writer == pod)
    wait_for(
        lambda: sum(1 for writer, _ in writers(history, trio) if writer == pod) >= before + count,
        seconds,
        f"{pod} to write the status",
        every=0.05,
    )


def successor_of(trio, leader):
    holder = trio.lease()["holderIdentity"]
    return next((cppx for cppx in trio.running if cppx.pod == holder and cppx is not leader), None)


def expect_successor(trio, history, leader):
    """Another one leads: the Lease has run out, seen from one that looks every quarter of its time."""
    successor = wait_for(lambda: successor_of(trio, leader), 2 * TTL / scaled(1), "another leader", every=0.05)
    assert trio.lease()["leaseTransitions"] == 1
    wait_for_writes(history, trio, successor.pod)
    return successor


def test_a_killed_leader_is_followed_by_another(history, trio, traffic, web, host):
    with Maker(web, host):
        leader = trio.wait_for_leader()
        wait_for_writes(history, trio, leader.pod)
        traffic.pop(leader.pod).__exit__()
        trio.kill(leader)
        successor = expect_successor(trio, history, leader)
        for one in traffic.values():
            one.expect_going_on()
    expect_one_writer_at_a_time(history, trio, [leader.pod, successor.pod])


def test_a_leader_that_stood_still_writes_nothing_when_it_goes_on(history, trio, traffic, web, host):
    with Maker(web, host):
        leader = trio.wait_for_leader()
        wait_for_writes(history, trio, leader.pod)
        traffic.pop(leader.pod).__exit__()
        leader.process.pause()
        successor = expect_successor(trio, history, leader)
        leader.process.resume()
        wait_for(lambda: "No longer leading by Lease" in leader.log, 10, "it to notice")
        assert not leader.leads()
        # It has heard of everything meanwhile and had time enough to write, if it would.
        wait_for_writes(history, trio, successor.pod, count=4)
        assert successor.leads()
        for one in traffic.values():
            one.expect_going_on()
    expect_one_writer_at_a_time(history, trio, [leader.pod, successor.pod])


def test_a_leader_that_is_cut_off_stops_before_another_begins(history, trio, traffic, web, host):
    with Maker(web, host):
        leader = trio.wait_for_leader()
        wait_for_writes(history, trio, leader.pod)
        relay = trio.relay_of(leader)
        cut = time.monotonic()
        relay.cut()
        wait_for(lambda: not leader.leads(), TTL / scaled(1), "it to give up", every=0.02)
        # The Lease is still its own then: nobody else leads.
        assert time.monotonic() - cut < TTL
        assert trio.lease()["holderIdentity"] == leader.pod
        successor = expect_successor(trio, history, leader)
        # All three serve, the one that is cut off too.
        for one in traffic.values():
            one.expect_going_on()
        relay.mend()
        wait_for_writes(history, trio, successor.pod, count=4)
        assert not leader.leads()
        for one in traffic.values():
            one.expect_going_on()
    expect_one_writer_at_a_time(history, trio, [leader.pod, successor.pod])


def test_a_leader_that_ends_gives_the_lease_up(history, trio, traffic, web, host):
    with Maker(web, host):
        leader = trio.wait_for_leader()
        wait_for_writes(history, trio, leader.pod)
        traffic.pop(leader.pod).__exit__()
        trio.stop(leader)

        def given_up():
            leases = (item for _, item in history.versions() if item["kind"] == "Lease" and item["metadata"]["name"] == trio.name)
            return [lease["spec"]["leaseDurationSeconds"] for lease in leases if not lease["spec"].get("holderIdentity")]

        assert wait_for(given_up, 20, "the Lease to be given up") == [1]
        successor = trio.wait_for_leader(other_than=leader, seconds=TTL)
        wait_for_writes(history, trio, successor.pod)
        for one in traffic.values():
            one.expect_going_on()
    expect_one_writer_at_a_time(history, trio, [leader.pod, successor.pod])


def taking_turns(web, place):
    """Flags of processes that lead by a Lease of their own, and hand over at `place`."""
    flags = [f"--controller-class=example.test/{web.class_name}", f"--election-id={web.class_name}"]
    return [*flags, f"--election-ttl={TTL}s", f"--publish-status-address={address_of(1)}", f"--takeover={place}"]


@pytest.mark.parametrize("followed", [True, False], ids=["followed", "alone"])
def test_the_status_stays_when_it_ends_while_a_successor_has_the_sockets(web, host, start_cppx, tmp_path, followed):
    """As nginx is replaced: SIGUSR2, and SIGTERM to the old one soon after. That the new one serves only later is no reason
    to take the names away."""
    first = start_cppx(flags=taking_turns(web, tmp_path / "socket"))
    first.wait_for_status(host, 200)
    wait_for(lambda: shown_addresses(web, "web") == [address_of(1)], 20, "the status", every=0.05)
    with contextlib.ExitStack() as stack:
        if followed:
            successor = RawSuccessor(tmp_path / "socket")
            stack.callback(successor.socket.close)
            for _, sock in successor.sockets():
                stack.callback(sock.close)
        assert first.process.stop() == 0
        first.forget()
        assert shown_addresses(web, "web") == ([address_of(1)] if followed else [])


def test_a_successor_that_takes_the_sockets_over_leads_in_its_turn(web, host, cluster, start_cppx, tmp_path):
    """The same pod, another process: no status is taken away, and one process after the other writes."""
    flags = taking_turns(web, tmp_path / "socket")
    first = start_cppx(flags=flags, environment={"POD_NAME": "one"})
    first.wait_for_status(host, 200)
    wait_for(first.leads, 20, "the first one to lead")
    wait_for(lambda: shown_addresses(web, "web") == [address_of(1)], 20, "the status", every=0.05)
    ingresses = f"/apis/networking.k8s.io/v1/namespaces/{web.name}/ingresses"
    with Maker(web, host), History(cluster.control_plane, ingresses) as history, Traffic(cluster, first.http_port, host) as traffic:
        second = first.successor()
        start_cppx.adopt(second)
        wait_for(lambda: first.process.running() is False, 30, "the first one to end")
        assert first.process.stop() == 0
        first.forget()
        wait_for(second.leads, 20, "the second one to lead")
        web.apply(ingress("late", {f"late.{host}": [path("web")]}, class_name=web.class_name))
        wait_for(lambda: shown_addresses(web, "late") == [address_of(1)], 20, "a status by the second one", every=0.05)
        traffic.expect_going_on()
    written = set()
    for _, item in history.versions():
        shown = item["status"]["loadBalancer"].get("ingress", ())
        assert shown or item["metadata"]["name"] not in written, "a status was taken away"
        if shown:
            written.add(item["metadata"]["name"])
    assert "late" in written


def shown_addresses(space, name):
    return [entry["ip"] for entry in space.get("ingress", name)["status"]["loadBalancer"].get("ingress", ())]
