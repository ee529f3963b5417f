"""--watch-namespace and --watch-namespace-selector: which namespaces are served, and with which rights."""

import pytest

from cluster.objects import deployment, ingress, path, service
from cluster.rights import grant, make_account
from cluster.traffic import Traffic
from support.waiting import wait_for

OLD_CLASS = {"kubernetes.io/ingress.class": "cppx"}


@pytest.fixture
def other(cluster):
    with cluster.space() as space:
        yield space


def put_web(space, host, **options):
    space.apply(deployment("web", replicas=1), service("web"), ingress("web", {host: [path("web")]}, **options))
    space.wait_for_endpoints("web", 1)


def label(cluster, space, text):
    cluster.kubectl("label", "namespace", space.name, text, "--overwrite")


def test_several_namespaces_by_name(space, other, host, start_cppx, cluster):
    with cluster.space() as third:
        for number, each in enumerate((space, other, third), 1):
            put_web(each, f"n{number}.{host}")
        names = [f"--watch-namespace={space.name},", f"--watch-namespace={other.name}"]
        cppx = start_cppx(flags=names)
        cppx.wait_for_status(f"n1.{host}", 200)
        cppx.wait_for_status(f"n2.{host}", 200)
        assert cppx.status(f"n3.{host}") == 404


def test_namespaces_that_begin_and_cease_to_match(space, other, host, start_cppx, cluster):
    put_web(space, f"a.{host}")
    put_web(other, f"b.{host}")
    label(cluster, space, "served=yes")
    cppx = start_cppx(flags=["--watch-namespace-selector=served in (yes, maybe)"])
    cppx.wait_for_status(f"a.{host}", 200)
    assert cppx.status(f"b.{host}") == 404
    with Traffic(cluster, cppx.http_port, f"a.{host}") as traffic:
        for _ in range(3):
            label(cluster, other, "served=maybe")
            cppx.wait_for_status(f"b.{host}", 200)
            # Not the first that is heard of it: nothing is served before it is complete.
            label(cluster, other, "served=no")
            cppx.wait_for_status(f"b.{host}", 404)
        traffic.expect_going_on()
        label(cluster, other, "served-")
    assert cppx.status(f"b.{host}") == 404
    assert "forbidden" not in cppx.log.lower()


def test_a_namespace_that_begins_to_match_is_served_at_once_in_whole(space, other, host, start_cppx, cluster):
    """Its routes come after its endpoints: no client ever sees 503."""
    put_web(other, f"b.{host}")
    cppx = start_cppx(flags=["--watch-namespace-selector=served=yes"])
    seen = set()
    label(cluster, other, "served=yes")

    def served():
        seen.add(cppx.status(f"b.{host}"))
        return 200 in seen

    wait_for(served, 20, "the namespace to be served", every=0)
    assert seen <= {404, 200}


def test_a_namespace_that_is_deleted_is_no_longer_served(host, start_cppx, cluster):
    with cluster.space() as gone:
        put_web(gone, host)
        label(cluster, gone, "served=yes")
        cppx = start_cppx(flags=["--watch-namespace-selector=served=yes"])
        cppx.wait_for_status(host, 200)
    cppx.wait_for_status(host, 404, seconds=30)


def test_roles_in_the_namespaces_are_enough(space, other, host, proxy, start_cppx):
    """No cluster-wide right at all; one namespace has none yet either. Each is said once, the rest works."""
    put_web(space, f"a.{host}", class_name=None, annotations=OLD_CLASS)
    put_web(other, f"b.{host}", class_name=None, annotations=OLD_CLASS)
    token = make_account(space, "narrow")
    grant(space, "narrow", space.name)
    names = f"--watch-namespace={space.name},{other.name}"
    cppx = start_cppx(
        kubeconfig=proxy.kubeconfig(token),
        flags=[names, "--publish-status-address=192.0.2.77"],
        environment={"POD_NAMESPACE": space.name},
    )
    cppx.wait_for_status(f"a.{host}", 200)
    assert cppx.status(f"b.{host}") == 404
    wait_for(lambda: proxy.count("/ingressclasses?") >= 4, 30, "some attempts")
    lines = [line for line in cppx.log.splitlines() if "forbidden" in line]
    assert sum("IngressClasses" in line for line in lines) == 1, lines
    for kind in ("Services", "EndpointSlices", "Secrets", "ConfigMaps"):
        assert sum(f"list of {kind} in namespace {other.name}" in line for line in lines) == 1, lines
    assert len(lines) == 5, lines
    grant(other, "narrow", space.name)
    cppx.wait_for_status(f"b.{host}", 200, seconds=60)
    assert cppx.status(f"a.{host}") == 200
