"""What an API server and the way to it can do wrong: no request fails, no route is lost, nothing is made up."""

import contextlib
import time

import pytest

from cluster.api_proxy import failure
from cluster.objects import deployment, ingress, path, service
from cluster.traffic import Traffic
from support.waiting import scaled, wait_for

KINDS = ("ingresses", "services", "endpointslices", "secrets", "configmaps", "ingressclasses")


@pytest.fixture
def web(space, host, proxied):
    space.apply(deployment("web", replicas=2), service("web"), ingress("web", {host: [path("web")]}))
    proxied.wait_for_pods_behind(host, space.wait_for_pods("web", 2))
    return space


@contextlib.contextmanager
def traffic_through(web, cppx, host):
    """Traffic during the block; at the end none failed, and what changed after the fault is served."""
    with Traffic(web.cluster, cppx.http_port, host) as traffic:
        yield traffic
        web.apply(ingress("after", {f"after.{host}": [path("web")]}))
        cppx.wait_for_status(f"after.{host}", 200, seconds=60)
        traffic.expect_going_on()
    assert cppx.health("/readyz") == 200


def watched(proxy, since):
    """The kinds whose watch was opened after the `since`-th request."""
    targets = [target for _, target in proxy.requests[since:] if "watch=1" in target]
    return {kind for kind in KINDS if any(f"/{kind}?" in target for target in targets)}


def test_a_server_that_is_gone_and_at_once_back(web, host, proxy, proxied):
    with traffic_through(web, proxied, host):
        for _ in range(5):
            seen = len(proxy.requests)
            proxy.stop()
            proxy.start()
            wait_for(lambda since=seen: watched(proxy, since) == set(KINDS), 20, "all watches to be open again")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_server_that_is_gone_for_long(web, host, proxy, proxied):
    """Two minutes: the pauses between attempts have long reached their limit."""
    with traffic_through(web, proxied, host) as traffic:
        proxy.stop()
        started = time.monotonic()
        web.apply(ingress("meanwhile", {f"meanwhile.{host}": [path("web")]}))
        while time.monotonic() - started < 120:
            traffic.expect_going_on()
            assert proxied.health("/readyz") == 200
        proxy.start()
        proxied.wait_for_status(f"meanwhile.{host}", 200, seconds=60)


def test_a_watch_is_resumed_and_nothing_listed_again(web, host, proxy, proxied):
    seen = len(proxy.requests)
    with traffic_through(web, proxied, host):
        proxy.break_connections()
        wait_for(lambda: watched(proxy, seen) == set(KINDS), 20, "all watches to be open again")
    targets = [target for _, target in proxy.requests[seen:]]
    assert all("watch=1" in target and "sendInitialEvents" not in target for target in targets), targets


def test_a_watch_that_is_cut_within_an_object(web, host, proxy, proxied):
    with traffic_through(web, proxied, host):
        for kind in ("ingresses", "endpointslices", "services"):
            cut = proxy.cut_next(f"/{kind}?")
            name = f"cut-{kind}"
            web.apply(ingress(name, {f"{name}.{host}": [path(name)]}), service(name, app="web"))
            assert cut.wait(scaled(20)), f"no watch of {kind} was cut"
            proxied.wait_for_status(f"{name}.{host}", 200, seconds=20)


@pytest.mark.parametrize(
    "status, reason, headers",
    [
        (500, "Internal Server Error", ()),
        (429, "Too Many Requests", (("Retry-After", "1"),)),
        (503, "Service Unavailable", (("Retry-After", "1"),)),
    ],
)
def test_a_server_that_answers_errors(web, host, proxy, proxied, status, reason, headers):
    with traffic_through(web, proxied, host) as traffic:
        seen = len(proxy.requests)
        proxy.answer[""] = failure(status, reason, "not now", headers)
        proxy.break_connections()
        wait_for(lambda: len(proxy.requests) >= seen + 2 * len(KINDS), 30, "more attempts")
        traffic.expect_going_on()
        web.apply(ingress("meanwhile", {f"meanwhile.{host}": [path("web")]}))
        proxy.answer.clear()
        proxied.wait_for_status(f"meanwhile.{host}", 200, seconds=60)
    assert proxied.log.count("not now") <= 4 * len(KINDS)


def test_a_server_that_answers_410(web, host, proxy, proxied):
    """What was deleted while nobody could tell is gone after the list that follows."""
    web.apply(ingress("gone", {f"gone.{host}": [path("web")]}))
    proxied.wait_for_status(f"gone.{host}", 200)
    with traffic_through(web, proxied, host) as traffic:
        # A watch from some version on; lists go through, also those that are streamed.
        proxy.answer["&resourceVersion="] = proxy.answer["?resourceVersion="] = failure(410, "Gone", "too old")
        seen = len(proxy.requests)
        proxy.break_connections()
        web.delete("ingress", "gone")
        wait_for(
            lambda: all(any(f"/{kind}?" in target for _, target in proxy.requests[seen:]) for kind in KINDS),
            20,
            "all kinds to be asked for",
        )
        proxied.wait_for_status(f"gone.{host}", 404, seconds=30)
        traffic.expect_going_on()
        proxy.answer.clear()


def test_a_slow_server(web, host, cluster, proxy, start_cppx):
    """A few kilobytes a second are enough to start by and to follow changes."""
    proxy.bytes_per_second = 20_000
    slow = start_cppx(kubeconfig=proxy.kubeconfig(cluster.account_token()), ready=False)
    wait_for(lambda: slow.health("/readyz") == 200, 60, "cppx to be ready", every=0.1)
    with traffic_through(web, slow, host):
        pass


def test_a_compacted_etcd(web, host, cluster, proxy, proxied):
    web.apply(ingress("gone", {f"gone.{host}": [path("web")]}))
    proxied.wait_for_status(f"gone.{host}", 200)
    with traffic_through(web, proxied, host):
        proxy.stop()
        web.delete("ingress", "gone")
        cluster.control_plane.compact()
        proxy.start()
        proxied.wait_for_status(f"gone.{host}", 404, seconds=60)
