"""An API server without streaming lists: what it offers on top of an etcd that cannot report progress."""

import pytest

from cluster.cluster import Cluster
from cluster.ingress_process import Ingress
from cluster.network import Network
from cluster.objects import deployment, ingress, ingress_class, path, service
from cluster.programs import old_etcd


@pytest.fixture(scope="module")
def old_cluster(possible, tmp_path_factory):
    etcd = old_etcd()
    if etcd is None:
        pytest.skip("no etcd before 3.4.25 on this machine (Debian 12's etcd-server is one)")
    folder = tmp_path_factory.mktemp("old-cluster")
    with Cluster(folder, etcd, Network("old")) as cluster:
        cluster.apply(ingress_class("cppx"))
        yield cluster
        cluster.check()


def test_cppx_serves_and_follows_changes_without_streaming_lists(old_cluster, host):
    with old_cluster.space() as space, Ingress(old_cluster, old_cluster.account_kubeconfig()) as cppx:
        space.apply(deployment("web"), service("web"), ingress("web", {host: [path("web")]}))
        cppx.wait_for_pods_behind(host, space.wait_for_pods("web", 3))
        assert cppx.log.count("no streaming lists") == 1
        old_cluster.control_plane.api_server.kill()
        old_cluster.control_plane.start_api_server()
        space.scale("web", 4)
        cppx.wait_for_pods_behind(host, space.wait_for_pods("web", 4), seconds=30)
        space.delete("ingress", "web")
        cppx.wait_for_status(host, 404)


def test_cppx_starts_on_what_is_there_already(old_cluster, host):
    with old_cluster.space() as space:
        space.apply(deployment("web", replicas=2), service("web"), ingress("web", {host: [path("web")]}))
        pods = space.wait_for_pods("web", 2)
        with Ingress(old_cluster, old_cluster.account_kubeconfig()) as cppx:
            cppx.wait_for_pods_behind(host, pods)
