"""Ingresses, Services and pods of a real API server, as clients of cppx see them."""

import json

import pytest

from cluster.cluster import READY_ANNOTATION
from cluster.objects import deployment, ingress, path, service


def seen_by_pod(cppx, host, target="/"):
    response = cppx.get(host, target)
    assert response.status == 200, response.raw_head
    return json.loads(response.text)


def pod_name(space, address):
    return next(
        pod["metadata"]["name"] for pod in space.get("pods") if pod["status"].get("podIP") == address
    )


@pytest.fixture
def web(space, host, cppx):
    """Three pods behind a Service and an Ingress for `host`, being served."""
    space.apply(deployment("web"), service("web"), ingress("web", {host: [path("web")]}))
    cppx.wait_for_pods_behind(host, space.wait_for_pods("web", 3))
    return space


def test_requests_go_round_the_pods_evenly(web, cppx, host):
    counts = cppx.pods_behind(host, requests=300)
    assert len(counts) == 3
    # Each worker goes round on its own: there are two, and each may be at another pod when the count ends.
    assert max(counts.values()) - min(counts.values()) <= 2, counts


def test_new_pods_are_used_and_removed_ones_are_left(web, cppx, host):
    web.scale("web", 5)
    cppx.wait_for_pods_behind(host, web.wait_for_pods("web", 5))
    web.scale("web", 2)
    cppx.wait_for_pods_behind(host, web.wait_for_pods("web", 2))


def test_no_pods_means_503_until_there_are_some_again(web, cppx, host):
    web.scale("web", 0)
    cppx.wait_for_status(host, 503)
    web.scale("web", 1)
    cppx.wait_for_pods_behind(host, web.wait_for_pods("web", 1))


def test_a_deleted_ingress_means_404(web, cppx, host):
    web.delete("ingress", "web")
    cppx.wait_for_status(host, 404)


def test_a_missing_service_means_503_and_disturbs_no_other_host(web, cppx, host):
    web.apply(ingress("broken", {f"broken.{host}": [path("no-such-service")]}))
    cppx.wait_for_status(f"broken.{host}", 503)
    assert len(cppx.pods_behind(host)) == 3
    web.apply(service("no-such-service", app="web"))
    cppx.wait_for_status(f"broken.{host}", 200)


def test_a_deleted_service_means_503_until_it_is_back(web, cppx, host):
    web.delete("service", "web")
    cppx.wait_for_status(host, 503)
    web.apply(service("web"))
    cppx.wait_for_status(host, 200)


def test_a_pod_that_is_not_ready_gets_no_requests(web, cppx, host):
    pods = web.pods("web")
    unready = min(pods)
    name = pod_name(web, unready)
    web.kubectl("annotate", "pod", name, f"{READY_ANNOTATION}=false")
    cppx.wait_for_pods_behind(host, pods - {unready})
    web.kubectl("annotate", "pod", name, "--overwrite", f"{READY_ANNOTATION}=true")
    cppx.wait_for_pods_behind(host, pods)


def test_a_dead_pod_that_is_still_listed_is_no_error_for_clients(web, cppx, cluster, host):
    dead = min(web.pods("web"))
    cluster.pod_is_gone(dead)
    try:
        counts = cppx.pods_behind(host, requests=60)
    finally:
        cluster.pod_is_back(dead)
    assert dead not in counts
    assert len(counts) == 2


def test_paths_of_several_ingresses_share_a_host(space, cppx, host):
    space.apply(
        deployment("front", replicas=1),
        service("front"),
        deployment("api", replicas=1),
        service("api"),
        ingress("front", {host: [path("front")]}),
        ingress("api", {host: [path("api", text="/api"), path("api", text="/only", kind="Exact")]}),
    )
    (front,) = space.wait_for_pods("front", 1)
    (api,) = space.wait_for_pods("api", 1)
    cppx.wait_for_pods_behind(host, {front})
    cppx.wait_for_pods_behind(host, {api}, "/api/users")
    expected = {"/": front, "/apix": front, "/api": api, "/api/": api, "/only": api, "/only/x": front}
    served = {target: seen_by_pod(cppx, host, target)["pod"] for target in expected}
    assert served == expected


def test_a_changed_path_replaces_the_old_one(space, cppx, host):
    space.apply(deployment("web", replicas=1), service("web"))
    space.wait_for_pods("web", 1)
    space.apply(ingress("web", {host: [path("web", text="/old")]}))
    cppx.wait_for_status(host, 200, "/old")
    space.apply(ingress("web", {host: [path("web", text="/new")]}))
    cppx.wait_for_status(host, 200, "/new")
    cppx.wait_for_status(host, 404, "/old")


def test_ports_by_name_and_by_number(space, cppx, host):
    ports = [("http", 80, 8080), ("second", 81, 80)]
    space.apply(
        deployment("web", replicas=1),
        service("web", ports=ports),
        ingress(
            "web",
            {
                host: [
                    path("web", port="http", text="/by-name"),
                    path("web", port=81, text="/by-number"),
                    path("web", port=82, text="/no-such-number"),
                    path("web", port="nothing", text="/no-such-name"),
                ]
            },
        ),
    )
    space.wait_for_pods("web", 1)
    cppx.wait_for_status(host, 200, "/by-name")
    assert seen_by_pod(cppx, host, "/by-name")["port"] == 8080
    assert seen_by_pod(cppx, host, "/by-number")["port"] == 80
    assert cppx.status(host, "/no-such-number") == 503
    assert cppx.status(host, "/no-such-name") == 503


def test_a_named_target_port_may_differ_between_pods(space, cppx, host):
    """Two Deployments call different port numbers "web"; each pod is reached at its own."""
    blue = deployment("blue", replicas=1, ports=[("web", 8080)])
    green = deployment("green", replicas=1, ports=[("web", 80)])
    for part in (blue, green):
        part["spec"]["template"]["metadata"]["labels"]["group"] = "both"
    both = service("both", ports=[("http", 80, "web")])
    both["spec"]["selector"] = {"group": "both"}
    space.apply(blue, green, both, ingress("both", {host: [path("both")]}))
    (blue_pod,) = space.wait_for_pods("blue", 1)
    (green_pod,) = space.wait_for_pods("green", 1)
    cppx.wait_for_pods_behind(host, {blue_pod, green_pod})
    ports = {seen["pod"]: seen["port"] for seen in (seen_by_pod(cppx, host) for _ in range(12))}
    assert ports == {blue_pod: 8080, green_pod: 80}


def test_a_headless_service_is_served_by_its_pods(space, cppx, host):
    ports = [("http", 8080, 8080)]
    space.apply(
        deployment("web", replicas=2),
        service("web", ports=ports, clusterIP="None"),
        ingress("web", {host: [path("web", port=8080)]}),
    )
    cppx.wait_for_pods_behind(host, space.wait_for_pods("web", 2))


def test_a_service_without_selector_is_served_by_its_own_slice(space, cppx, host):
    bare = service("outside")
    del bare["spec"]["selector"]
    piece = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "outside-1", "labels": {"kubernetes.io/service-name": "outside"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [{"addresses": ["10.244.255.7"]}, {"addresses": ["10.244.255.8"]}],
    }
    space.apply(bare, piece, ingress("outside", {host: [path("outside")]}))
    cppx.wait_for_pods_behind(host, {"10.244.255.7", "10.244.255.8"})


def test_hand_made_endpoints_are_served(space, cppx, host):
    bare = service("outside")
    del bare["spec"]["selector"]
    endpoints = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": "outside"},
        "subsets": [{"addresses": [{"ip": "10.244.255.9"}], "ports": [{"name": "http", "port": 8080}]}],
    }
    space.apply(bare, endpoints, ingress("outside", {host: [path("outside")]}))
    cppx.wait_for_pods_behind(host, {"10.244.255.9"})


def test_an_external_name_is_resolved_and_followed(space, cppx, host, name_server):
    outside = service("outside", ports=[("http", 8080, 8080)])
    outside["spec"] = {"type": "ExternalName", "externalName": "backend.outside.test", "ports": [
        {"name": "http", "port": 8080, "targetPort": 8080},
    ]}
    name_server.set("backend.outside.test", "10.244.250.1")
    space.apply(outside, ingress("outside", {host: [path("outside", port=8080)]}))
    cppx.wait_for_pods_behind(host, {"10.244.250.1"})
    name_server.set("backend.outside.test", "10.244.250.2", "10.244.250.3")
    cppx.wait_for_pods_behind(host, {"10.244.250.2", "10.244.250.3"}, seconds=30)
    outside["spec"]["externalName"] = "other.outside.test"
    name_server.set("other.outside.test", "10.244.250.4")
    space.apply(outside)
    cppx.wait_for_pods_behind(host, {"10.244.250.4"}, seconds=30)


def test_a_host_with_a_wildcard_takes_one_label(web, cppx, host):
    web.apply(ingress("wild", {f"*.{host}": [path("web")]}))
    cppx.wait_for_status(f"any.{host}", 200)
    assert cppx.status(f"two.labels.{host}") == 404


def test_the_pod_sees_who_asked_and_how(web, cppx, host):
    seen = seen_by_pod(cppx, host, "/some/path?with=query")
    headers = {name.lower(): value for name, value in seen["headers"]}
    assert seen["target"] == "/some/path?with=query"
    assert headers["host"] == host
    assert headers["x-real-ip"] == headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert len(headers["x-request-id"]) == 32
