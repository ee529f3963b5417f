"""The API server goes away and comes back: traffic goes on, and no change is lost."""

import contextlib

import pytest

from cluster.ingress_process import Ingress
from cluster.objects import deployment, ingress, path, service
from cluster.traffic import Traffic


@pytest.fixture
def web(space, host, cppx):
    space.apply(deployment("web"), service("web"), ingress("web", {host: [path("web")]}))
    cppx.wait_for_pods_behind(host, space.wait_for_pods("web", 3))
    return space


@contextlib.contextmanager
def paused(process):
    process.pause()
    try:
        yield
    finally:
        process.resume()


def test_a_stopped_api_server_stops_no_traffic(web, cppx, cluster, host):
    with Traffic(cluster, cppx.http_port, host) as traffic:
        with paused(cluster.control_plane.api_server):
            traffic.expect_going_on()
            assert cppx.health("/readyz") == 200
        web.scale("web", 4)
        cppx.wait_for_pods_behind(host, web.wait_for_pods("web", 4), seconds=30)
        traffic.expect_going_on()


def test_a_killed_api_server_stops_no_traffic_and_changes_are_picked_up(web, cppx, cluster, host):
    api_server = cluster.control_plane.api_server
    with Traffic(cluster, cppx.http_port, host) as traffic:
        api_server.kill()
        try:
            traffic.expect_going_on()
            assert cppx.health("/readyz") == 200
        finally:
            cluster.control_plane.start_api_server()
        traffic.expect_going_on()
        web.apply(ingress("late", {f"late.{host}": [path("web")]}))
        cppx.wait_for_status(f"late.{host}", 200, seconds=30)
        web.scale("web", 5)
        cppx.wait_for_pods_behind(host, web.wait_for_pods("web", 5), seconds=30)
        web.delete("ingress", "late")
        cppx.wait_for_status(f"late.{host}", 404, seconds=30)
        traffic.expect_going_on()


def test_changes_made_while_cppx_could_not_see_them_are_picked_up(web, cppx, cluster, host):
    """cppx itself stands still while objects come and go; its watches then catch up."""
    gone, new = f"gone.{host}", f"new.{host}"
    web.apply(ingress("gone", {gone: [path("web")]}))
    cppx.wait_for_status(gone, 200)
    with paused(cppx.process):
        web.delete("ingress", "gone")
        web.apply(ingress("new", {new: [path("web")]}))
        web.scale("web", 1)
        pods = web.wait_for_pods("web", 1)
    cppx.wait_for_status(new, 200)
    cppx.wait_for_status(gone, 404)
    cppx.wait_for_pods_behind(host, pods)


def test_an_expired_resource_version_leads_to_a_new_list(web, cppx, cluster, host):
    """Objects change while cppx is cut off, and nobody can tell it what happened since it last listened."""
    control_plane = cluster.control_plane

    def restart():
        control_plane.api_server.kill()
        control_plane.start_api_server()

    web.apply(ingress("gone", {f"gone.{host}": [path("web")]}))
    cppx.wait_for_status(f"gone.{host}", 200)
    before = len(cppx.log)
    with paused(cppx.process):
        restart()
        web.delete("ingress", "gone")
        for number in range(20):
            web.apply(ingress("new", {f"new-{number}.{host}": [path("web")]}))
        control_plane.compact()
        restart()
    cppx.wait_for_status(f"new-19.{host}", 200, seconds=30)
    cppx.wait_for_status(f"gone.{host}", 404, seconds=30)
    cppx.wait_for_status(f"new-0.{host}", 404)
    assert "The watch of Ingresses is too far behind, listing again" in cppx.log[before:]


def test_cppx_waits_for_an_api_server_that_is_not_there_yet(web, cluster, kubeconfig, host):
    api_server = cluster.control_plane.api_server
    api_server.kill()
    cppx = Ingress(cluster, kubeconfig)
    try:
        cppx.start(ready=False)
        assert cppx.health("/healthz") == 200
        assert cppx.health("/readyz") == 500
    finally:
        cluster.control_plane.start_api_server()
    try:
        cppx.wait_until_ready()
        assert cppx.status(host) == 200
    finally:
        cppx.stop()
