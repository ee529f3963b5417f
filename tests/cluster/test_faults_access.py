"""Rights and tokens that change while cppx runs."""

import os

import pytest

from cluster.objects import deployment, ingress, path, service
from cluster.rights import binding, role, rules
from cluster.traffic import Traffic
from support.waiting import wait_for

ACCOUNT = "changing"


def bound(name=ACCOUNT, to="cppx"):
    """Binds a ClusterRole to the account."""
    item = binding(to, ACCOUNT, "cppx-system", "ClusterRole")
    return {**item, "metadata": {"name": name}}


@pytest.fixture
def token(cluster):
    """The token of a service account without any right."""
    cluster.kubectl("create", "serviceaccount", ACCOUNT, namespace="cppx-system")
    yield cluster.kubectl("create", "token", ACCOUNT, namespace="cppx-system").strip()
    cluster.kubectl("delete", "serviceaccount", ACCOUNT, namespace="cppx-system")


@pytest.fixture
def granted(cluster, token):
    """The same with the rights of rbac.yaml, by a binding that the test may delete."""
    cluster.apply(bound())
    yield token
    cluster.kubectl("delete", "clusterrolebinding", ACCOUNT, "--ignore-not-found")


@pytest.fixture
def web(space, host):
    space.apply(deployment("web", replicas=2), service("web"), ingress("web", {host: [path("web")]}))
    space.wait_for_pods("web", 2)
    return space


def lines_about(cppx, *parts):
    return [line for line in cppx.log.splitlines() if all(part in line for part in parts)]


def test_a_right_that_comes_later_is_taken_up(web, host, cluster, token, proxy, start_cppx):
    cppx = start_cppx(kubeconfig=proxy.kubeconfig(token), ready=False)
    wait_for(lambda: proxy.count("/services?") >= 4, 30, "some attempts")
    assert len(lines_about(cppx, "Services", "forbidden")) == 1, cppx.log
    assert cppx.health("/readyz") == 500
    cluster.apply(bound())
    try:
        wait_for(lambda: cppx.health("/readyz") == 200, 60, "cppx to be ready")
        cppx.wait_for_status(host, 200)
    finally:
        cluster.kubectl("delete", "clusterrolebinding", ACCOUNT)


def test_an_account_that_may_not_read_classes_serves_the_rest(web, host, cluster, token, proxy, start_cppx):
    name = "without-classes"
    rest = [rule for rule in rules() if rule["resources"] != ["ingressclasses"]]
    cluster.apply(role(name, rest, "ClusterRole"), bound(name, to=name))
    old = {"kubernetes.io/ingress.class": "cppx"}
    web.apply(ingress("old", {f"old.{host}": [path("web")]}, class_name=None, annotations=old))
    try:
        cppx = start_cppx(kubeconfig=proxy.kubeconfig(token))
        cppx.wait_for_status(f"old.{host}", 200)
        wait_for(lambda: proxy.count("/ingressclasses?") >= 4, 30, "some attempts")
        assert len(lines_about(cppx, "forbidden")) == 1, cppx.log
        assert lines_about(cppx, "IngressClasses", "forbidden")
    finally:
        cluster.kubectl("delete", "clusterrolebinding,clusterrole", name)


def test_a_right_withdrawn_while_running_takes_no_route_away(web, host, cluster, granted, proxy, start_cppx):
    cppx = start_cppx(kubeconfig=proxy.kubeconfig(granted))
    cppx.wait_for_status(host, 200)
    with Traffic(cluster, cppx.http_port, host) as traffic:
        cluster.kubectl("delete", "clusterrolebinding", ACCOUNT)
        seen = len(proxy.requests)
        # The server lets watches go on that are open: only new ones are refused.
        wait_for(lambda: _again(cppx, proxy), 30, "the withdrawn right to be noticed", every=0.2)
        wait_for(lambda: proxy.count("/services?") >= 8 and len(proxy.requests) >= seen + 30, 60, "some attempts")
        traffic.expect_going_on()
        assert cppx.status(host) == 200
        assert cppx.health("/readyz") == 200
        assert len(lines_about(cppx, "Services", "forbidden")) == 1, cppx.log
        cluster.apply(bound())
        web.apply(ingress("late", {f"late.{host}": [path("web")]}))
        cppx.wait_for_status(f"late.{host}", 200, seconds=60)
        traffic.expect_going_on()


def _again(cppx, proxy):
    """Breaks the watches and says whether they were refused; the authorizer may not know yet."""
    if lines_about(cppx, "Services", "forbidden"):
        return True
    proxy.break_connections()
    return False


def test_a_rotated_token_is_used_by_the_next_request(web, host, cluster, granted, proxy, start_cppx, tmp_path):
    """The old token is worthless by then, as after its account was made anew."""
    link = tmp_path / "token"
    first = tmp_path / "first"
    first.write_text("no-such-token")
    link.symlink_to(first)
    config = cluster.control_plane.write_kubeconfig("rotated", {"tokenFile": str(link)}, server=proxy.url)
    cppx = start_cppx(kubeconfig=config, ready=False)
    wait_for(lambda: lines_about(cppx, "nauthorized"), 20, "the token to be refused")
    second = tmp_path / "second"
    second.write_text(granted)
    (tmp_path / "next").symlink_to(second)
    os.replace(tmp_path / "next", link)
    cppx.wait_until_ready()
    cppx.wait_for_status(host, 200)
