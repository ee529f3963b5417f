"""Endpoints that fail get no requests for a while; they come back by one probe."""

import contextlib
import threading
import time

import pytest

from support.backend import Backend, answer, refused_port
from support.client import request
from support.manifests import ingress, rule, service_of
from support.waiting import scaled, wait_for

# Ejection for good, as far as a test goes, and for a moment.
LONG = {"upstream-ejection-time": "1h", "upstream-ejection-longest": "1h"}
SHORT = {"upstream-ejection-time": "100ms", "upstream-ejection-longest": "100ms", "upstream-ejection-return": "0"}


def site_with(*backends, annotations=None):
    route = ingress("web", rule("site.test", "web:80"), annotations=annotations)
    return {"all.yaml": [*service_of("web", *backends), route]}


class Flaky:
    """A handler that ends the connection as long as it is told so, and counts."""

    def __init__(self, how="reset"):
        self.how = how
        self.bad = True
        self.failed = 0

    def __call__(self, exchange):
        exchange.read_body()
        if not self.bad:
            answer(exchange)
            return
        self.failed += 1
        getattr(exchange, self.how)()


@pytest.mark.parametrize("how", ["reset", "close"])
def test_an_endpoint_that_fails_three_times_in_a_row_is_left_alone(start_cppx, make_backend, how):
    flaky = Flaky(how)
    bad, goods = make_backend("bad", handler=flaky), [make_backend("one"), make_backend("two")]
    cppx = start_cppx(site_with(bad, *goods), config=LONG)
    assert [cppx.get().status for _ in range(60)] == [200] * 60
    assert flaky.failed == 3, "counted over all workers"
    # A request that must not be sent twice is safe now, too.
    assert [cppx.ask(request("POST", body=b"x")).status for _ in range(20)] == [200] * 20
    assert flaky.failed == 3


def test_health_is_shared_by_all_routes_and_outlives_snapshots(start_cppx, make_backend):
    flaky = Flaky()
    bad, good = make_backend("bad", handler=flaky), make_backend("good")
    objects = [
        *service_of("web", bad, good),
        *service_of("same", bad, good),
        ingress("web", rule("site.test", "web:80")),
        ingress("same", rule("same.test", "same:80")),
    ]
    cppx = start_cppx({"all.yaml": objects}, config=LONG)
    assert [cppx.get().status for _ in range(40)] == [200] * 40
    assert flaky.failed == 3
    assert [cppx.get("same.test").status for _ in range(20)] == [200] * 20
    cppx.apply("all.yaml", [*objects, *service_of("more", good), ingress("more", rule("more.test", "more:80"))])
    assert [cppx.get().status for _ in range(20)] == [200] * 20
    assert flaky.failed == 3


def test_an_ejected_endpoint_is_probed_by_one_request_and_comes_back(start_cppx, make_backend):
    flaky = Flaky()
    bad, good = make_backend("bad", handler=flaky), make_backend("good")
    cppx = start_cppx(site_with(bad, good), config=SHORT)
    wait_for(lambda: cppx.get().status == 200 and flaky.failed >= 5, 20, "two probes")
    flaky.bad = False
    wait_for(lambda: cppx.get().text == "bad", 20, "its return")
    assert len({cppx.get().text for _ in range(20)}) == 2


def with_one_that_is_out(start_cppx, make_backend, gate):
    """A cppx, an endpoint that is ejected and would answer the probe once the gate is open, and a good one."""
    flaky = Flaky()
    bad, good = make_backend("bad", handler=flaky), make_backend("good")
    cppx = start_cppx(site_with(bad, good), config=SHORT, workers=1)
    wait_for(lambda: cppx.get().status == 200 and flaky.failed >= 3, 20, "the ejection")

    probed = threading.Lock()

    def held(exchange):
        if probed.acquire(blocking=False):
            assert gate.wait(scaled(30))
        answer(exchange)

    bad.handler = held
    return cppx, bad, good


def test_a_probe_is_one_request_not_all(start_cppx, make_backend):
    """While nobody knows how the probe fares, everybody else goes elsewhere."""
    gate = threading.Event()
    cppx, bad, good = with_one_that_is_out(start_cppx, make_backend, gate)
    before, sent = len(bad.requests), 0.0
    with cppx.connect() as probe:

        def probing():
            nonlocal sent
            if len(bad.requests) == before:
                sent = time.monotonic()
                probe.send(request())
                wait_for(lambda: len(bad.requests) > before or good.requests, 5, "the request to be sent")
                if len(bad.requests) == before:
                    probe.read_response()
                    good.requests.clear()
            return len(bad.requests) > before

        good.requests.clear()
        wait_for(probing, 20, "a probe")
        others = [(cppx.get().text, time.monotonic()) for _ in range(10)]
        gate.set()
        assert probe.read_response().text == "bad"
    # After a second its connection is proof enough.
    assert {text for text, at in others if at < sent + 1} == {"good"}
    assert {cppx.get().text for _ in range(10)} == {"bad", "good"}


def test_a_probe_that_is_answered_late_does_not_keep_its_endpoint_out(start_cppx, make_backend):
    """Long polls: the connection that was made for it, and stays, is enough."""
    gate = threading.Event()
    cppx, bad, good = with_one_that_is_out(start_cppx, make_backend, gate)
    before = len(bad.requests)
    with contextlib.ExitStack() as stack:
        clients = []

        def shared():
            clients.append(stack.enter_context(cppx.connect()))
            clients[-1].send(request())
            # One every five seconds would be a probe.
            return len(bad.requests) > before + 10

        wait_for(shared, 4, "requests besides the probe", every=0.02)
        gate.set()
        assert {client.read_response().status for client in clients} == {200}


def test_a_new_pod_at_the_address_of_one_that_failed_is_used_at_once(start_cppx, make_backend):
    flaky = Flaky()
    place, goods = make_backend("place", handler=flaky), [make_backend("one"), make_backend("two")]
    cppx = start_cppx(site_with(place, *goods), config=LONG)
    assert [cppx.get().status for _ in range(40)] == [200] * 40
    assert flaky.failed == 3
    cppx.apply("all.yaml", site_with(*goods)["all.yaml"])
    assert {cppx.get().text for _ in range(20)} == {"one", "two"}
    flaky.bad = False
    cppx.apply("all.yaml", site_with(place, *goods)["all.yaml"])
    assert {cppx.get().text for _ in range(20)} == {"place", "one", "two"}
    # It is no better than others, whichever worker met it last.
    flaky.bad = True
    assert [cppx.get().status for _ in range(40)] == [200] * 40
    before = flaky.failed
    assert [cppx.get().status for _ in range(20)] == [200] * 20
    assert flaky.failed == before


def test_never_more_than_half_are_left_out(start_cppx, make_backend):
    """With two of three failing the judgement is not trusted: all get requests, and retries do what they can."""
    flaky = Flaky()
    bads = [make_backend("bad one", handler=flaky), make_backend("bad two", handler=flaky)]
    good = make_backend("good")
    cppx = start_cppx(site_with(*bads, good), config=LONG, workers=1)
    assert [cppx.get().status for _ in range(40)] == [200] * 40
    assert flaky.failed > 10


@pytest.mark.parametrize(
    "annotations",
    [{}, {"nginx.ingress.kubernetes.io/upstream-hash-by": "$request_uri"}],
    ids=["round robin", "hash"],
)
def test_ejections_end_also_while_all_are_used(start_cppx, make_backend, annotations):
    """Two of three are well again: requests that go there anyway show it, and then the third can be left alone."""
    pair, third = Flaky(), Flaky()
    third.bad = False
    backends = [make_backend(name, handler=pair) for name in ("one", "two")] + [make_backend("three", handler=third)]
    config = {
        "upstream-ejection-time": "1s",
        "upstream-ejection-longest": "1s",
        "upstream-ejection-return": "0",
        "retry-budget-least": "1000",
    }
    cppx = start_cppx(site_with(*backends, annotations=annotations), config=config, workers=1)

    def failed_of_sixty():
        before = third.failed
        assert [cppx.get(target=f"/{number}").status for number in range(60)] == [200] * 60
        return third.failed - before

    assert failed_of_sixty() == 0
    assert cppx.metric("cppx_upstream_ejections_total") >= 2
    pair.bad, third.bad = False, True
    # One a second is a probe; without an end of the two ejections it goes on with some twenty.
    wait_for(lambda: failed_of_sixty() <= 3, 3, "the third to be left alone")


def test_a_single_endpoint_is_never_left_out(start_cppx, make_backend):
    flaky = Flaky()
    bad = make_backend("bad", handler=flaky)
    cppx = start_cppx(site_with(bad), config={**LONG, "proxy-next-upstream-tries": "1"})
    assert [cppx.get().status for _ in range(10)] == [502] * 10
    flaky.bad = False
    assert [cppx.get().status for _ in range(5)] == [200] * 5


def test_refused_connections_count_and_a_backend_that_starts_is_found(start_cppx, make_backend):
    holder, port = refused_port("127.0.0.12")
    good = make_backend("good")
    cppx = start_cppx(site_with(("127.0.0.12", port), good), config=SHORT)
    assert [cppx.get().text for _ in range(20)] == ["good"] * 20
    holder.close()
    with Backend("late", address="127.0.0.12", port=port):
        wait_for(lambda: cppx.get().text == "late", 20, "the late one")


def test_error_statuses_and_slowness_do_not_eject(start_cppx, make_backend):
    """Clients can bring these about at will: no reason to take an endpoint from everybody."""
    bad = make_backend("bad", handler=lambda exchange: exchange.reply(status=500))
    slow = make_backend("slow", handler=lambda exchange: exchange.expect_peer_gone())
    # The one that is not slow has to keep to it too.
    config = {**LONG, "proxy-read-timeout": f"{int(scaled(400))}ms", "proxy-next-upstream-tries": "1"}
    cppx = start_cppx(site_with(bad, slow), config=config, workers=1)
    assert sorted(cppx.get().status for _ in range(8)) == [500] * 4 + [504] * 4


def test_ejection_can_be_switched_off(start_cppx, make_backend):
    flaky = Flaky()
    bad, good = make_backend("bad", handler=flaky), make_backend("good")
    cppx = start_cppx(site_with(bad, good), config={**LONG, "upstream-ejection-failures": "0"}, workers=1)
    assert [cppx.get().status for _ in range(20)] == [200] * 20
    assert flaky.failed >= 10
