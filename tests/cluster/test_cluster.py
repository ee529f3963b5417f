"""The test cluster itself: without it working, the other tests would prove little."""

import json

import pytest

from cluster.cluster import READY_ANNOTATION
from cluster.network import NODE_ADDRESSES
from cluster.objects import deployment, service
from support.waiting import wait_for
from support.wire import Truncated


def test_nodes_have_addresses_and_pod_ranges(cluster):
    nodes = cluster.api("GET", "/api/v1/nodes")["items"]
    addresses = {
        address["address"]
        for node in nodes
        for address in node["status"]["addresses"]
        if address["type"] == "InternalIP"
    }
    assert addresses == set(NODE_ADDRESSES)
    assert len({node["spec"]["podCIDR"] for node in nodes}) == 3


def test_pods_run_and_answer_at_their_addresses(cluster, space):
    space.apply(deployment("web"), service("web"))
    pods = space.wait_for_pods("web", 3)
    wait_for(lambda: space.endpoints("web") == pods, 10, "the pods in the EndpointSlices", every=0.1)
    for pod in pods:
        seen = json.loads(cluster.ask(8080, "web.test", "/who", pod).text)
        assert seen["pod"] == pod
        assert seen["target"] == "/who"


def test_an_annotation_makes_a_pod_unready(space):
    space.apply(deployment("web", replicas=1), service("web"))
    pods = space.wait_for_pods("web", 1)
    name = space.get("pods", selector="app=web")[0]["metadata"]["name"]
    space.kubectl("annotate", "pod", name, f"{READY_ANNOTATION}=false")
    wait_for(lambda: space.endpoints("web") == set(), 10, "the pod to be unready", every=0.1)
    space.kubectl("annotate", "pod", name, "--overwrite", f"{READY_ANNOTATION}=true")
    wait_for(lambda: space.endpoints("web") == pods, 10, "the pod to be ready again", every=0.1)


def test_a_deleted_pod_terminates_before_it_is_gone(cluster, space):
    space.apply(deployment("web", replicas=1))
    (address,) = space.wait_for_pods("web", 1)
    space.scale("web", 0)

    def terminating():
        return [pod for pod in space.get("pods") if "deletionTimestamp" in pod["metadata"]]

    wait_for(terminating, 10, "the pod to terminate", every=0.05)
    assert cluster.ask(8080, "web.test", address=address).status == 200
    wait_for(lambda: not space.get("pods"), 20, "the pod to be gone", every=0.1)


def test_a_pod_can_stop_answering(cluster, space):
    space.apply(deployment("web", replicas=1))
    (address,) = space.wait_for_pods("web", 1)
    cluster.pod_is_gone(address)
    try:
        with pytest.raises((OSError, Truncated)):
            cluster.ask(8080, "web.test", address=address)
    finally:
        cluster.pod_is_back(address)
    assert cluster.ask(8080, "web.test", address=address).status == 200
