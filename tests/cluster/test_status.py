"""What `kubectl get ingress` says about where an Ingress is served."""

import itertools
import json

import pytest

from cluster.objects import deployment, ingress, ingress_class, path, service
from cluster.replicas import Replicas
from support.waiting import wait_for

_numbers = itertools.count(1)
ADDRESS = "192.0.2.10"


def addresses(space, name="web"):
    """What the status of an Ingress has, as text."""
    balancer = space.get("ingress", name)["status"]["loadBalancer"]
    return {item.get("ip") or item.get("hostname") for item in balancer.get("ingress", ())}


def wait_for_addresses(space, expected, name="web", seconds=20):
    wait_for(
        lambda: addresses(space, name) == set(expected),
        seconds,
        f"the status of {name} to be {sorted(expected)} instead of {sorted(addresses(space, name))}",
        every=0.05,
    )


def patch_status(space, kind, name, items):
    body = json.dumps({"status": {"loadBalancer": {"ingress": items}}})
    space.kubectl("patch", kind, name, "--subresource=status", "--type=merge", f"--patch={body}")


@pytest.fixture
def web(space, host):
    """An Ingress with a Service and a pod. `class` of its own, which no other cppx of the run serves."""
    name = f"status-{next(_numbers)}"
    space.class_name = name
    space.cluster.apply(ingress_class(name, controller=f"example.test/{name}"))
    space.apply(
        deployment("web", replicas=1), service("web"), ingress("web", {host: [path("web")]}, class_name=name)
    )
    space.wait_for_pods("web", 1)
    yield space
    space.cluster.kubectl("delete", "ingressclass", name)


@pytest.fixture
def start(web, start_cppx, host):
    """Starts a cppx that serves, and leads, the class of the test's own."""

    def start(*flags):
        own = [f"--controller-class=example.test/{web.class_name}", f"--election-id={web.class_name}"]
        cppx = start_cppx(flags=[*own, *flags])
        cppx.wait_for_status(host, 200)
        return cppx

    return start


def test_kubectl_shows_class_hosts_address_and_ports(web, start, host):
    start(f"--publish-status-address={ADDRESS}")
    wait_for_addresses(web, {ADDRESS})
    title, line = web.kubectl("get", "ingress").splitlines()
    assert title.split() == ["NAME", "CLASS", "HOSTS", "ADDRESS", "PORTS", "AGE"]
    assert line.split()[:5] == ["web", web.class_name, host, ADDRESS, "80"]


def test_names_and_addresses_may_be_given(web, start):
    start("--publish-status-address=edge.test, 192.0.2.11,2001:db8::1")
    wait_for_addresses(web, {"edge.test", "192.0.2.11", "2001:db8::1"})
    kinds = [set(item) for item in web.get("ingress", "web")["status"]["loadBalancer"]["ingress"]]
    assert sorted(kinds, key=sorted) == [{"hostname"}, {"ip"}, {"ip"}]


def test_an_ingress_with_something_wrong_has_a_status_too_and_a_foreign_one_has_none(web, start, host):
    start(f"--publish-status-address={ADDRESS}")
    web.apply(
        ingress("broken", {f"broken.{host}": [path("no-such-service")]}, class_name=web.class_name),
        ingress("foreign", {f"foreign.{host}": [path("web")]}, class_name="nobody"),
        ingress("late", {f"late.{host}": [path("web")]}, class_name=web.class_name),
    )
    wait_for_addresses(web, {ADDRESS}, "broken")
    wait_for_addresses(web, {ADDRESS}, "late")
    assert addresses(web, "foreign") == set()


def test_the_status_follows_a_load_balancer(web, start):
    web.apply(service("front", app="web", type="LoadBalancer"))
    patch_status(web, "service", "front", [{"ip": "192.0.2.20"}])
    cppx = start(f"--publish-service={web.name}/front")
    wait_for_addresses(web, {"192.0.2.20"})
    patch_status(web, "service", "front", [{"ip": "192.0.2.21"}, {"hostname": "lb.test"}])
    wait_for_addresses(web, {"192.0.2.21", "lb.test"}, seconds=10)
    web.delete("service", "front")
    wait_for(lambda: "front of --publish-service does not exist" in cppx.log, 10, "a log line about it")
    assert addresses(web) == {"192.0.2.21", "lb.test"}


@pytest.mark.parametrize("kind", ["NodePort", "ClusterIP", "ExternalName"])
def test_other_services_in_front(web, start, kind):
    specs = {
        "NodePort": ({"type": "NodePort", "externalIPs": ["192.0.2.30"]}, {"192.0.2.30"}),
        "ClusterIP": ({}, None),
        "ExternalName": ({"type": "ExternalName", "externalName": "edge.test"}, {"edge.test"}),
    }
    spec, expected = specs[kind]
    web.apply(service("front", app="web", **spec))
    start(f"--publish-service={web.name}/front")
    wait_for_addresses(web, expected or {web.get("service", "front")["spec"]["clusterIP"]})


def test_what_somebody_else_changes_is_put_back(web, start, host):
    cppx = start(f"--publish-status-address={ADDRESS}")
    wait_for_addresses(web, {ADDRESS})
    written = cppx.metric("cppx_ingress_status_writes_total")
    patch_status(web, "ingress", "web", [{"ip": "192.0.2.99"}])
    wait_for_addresses(web, {ADDRESS})
    patch_status(web, "ingress", "web", [])
    wait_for_addresses(web, {ADDRESS})
    assert cppx.metric("cppx_ingress_status_writes_total") == written + 2
    # It is kept while the Ingress itself changes.
    web.apply(ingress("web", {f"new.{host}": [path("web")]}, class_name=web.class_name))
    cppx.wait_for_status(f"new.{host}", 200)
    assert addresses(web) == {ADDRESS}


def test_switched_off(web, start):
    cppx = start(f"--publish-status-address={ADDRESS}", "--update-status=false")
    wait_for(cppx.leads, 20, "it to lead")
    web.apply(deployment("web", replicas=1), ingress("late", {"late.test": [path("web")]}, class_name=web.class_name))
    # The Event of the same Ingress is there.
    wait_for(lambda: cppx.metric("cppx_events_sent_total") >= 1, 20, "an Event", every=0.05)
    assert addresses(web) == addresses(web, "late") == set()
    assert cppx.metric("cppx_ingress_status_writes_total") == 0


def test_without_an_election_nobody_writes(web, start):
    cppx = start(f"--publish-status-address={ADDRESS}", "--disable-leader-election")
    web.apply(ingress("late", {"late.test": [path("web")]}, class_name=web.class_name))
    wait_for(lambda: cppx.metric("cppx_events_sent_total") >= 1, 20, "an Event", every=0.05)
    assert addresses(web) == set()
    lease = web.cluster.kubectl("get", "lease", web.class_name, "--ignore-not-found", namespace="cppx-system")
    assert lease == ""


@pytest.fixture
def replicas(web, cluster, kubeconfig):
    with Replicas(cluster, 2, kubeconfig, [f"--controller-class=example.test/{web.class_name}"]) as replicas:
        yield replicas


def test_the_nodes_of_the_pods_and_the_end_of_the_last_one(web, replicas):
    """No flag says where: it is the nodes on which pods with the labels of our own run."""
    nodes = set(replicas.pods().values())
    wait_for_addresses(web, nodes)
    leader = replicas.wait_for_leader()
    other = next(cppx for cppx in replicas.running if cppx is not leader)
    replicas.stop(leader)
    # The pod of the one that ended is still there, and another replica runs.
    assert addresses(web) == nodes
    assert replicas.wait_for_leader() is other
    replicas.remove_pod_of(leader)
    replicas.stop(other)
    assert addresses(web) == set()


def test_the_last_one_takes_the_status_along(web, start):
    cppx = start(f"--publish-status-address={ADDRESS}")
    wait_for_addresses(web, {ADDRESS})
    cppx.process.stop()
    assert addresses(web) == set()
    lease = json.loads(
        web.cluster.kubectl("get", "lease", web.class_name, "--output=json", namespace="cppx-system")
    )
    assert lease["spec"].get("holderIdentity", "") == ""
    cppx.process.start()
    wait_for_addresses(web, {ADDRESS})


def test_the_last_one_may_be_told_to_leave_it(web, start):
    cppx = start(f"--publish-status-address={ADDRESS}", "--update-status-on-shutdown=false")
    wait_for_addresses(web, {ADDRESS})
    cppx.process.stop()
    assert addresses(web) == {ADDRESS}
    cppx.process.start()
    cppx.wait_until_ready()
