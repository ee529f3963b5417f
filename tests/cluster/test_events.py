"""What `kubectl describe` shows of what cppx has to say about an object."""

import itertools
import json

import pytest

from cluster.objects import deployment, ingress, ingress_class, path, service
from support.waiting import wait_for

_numbers = itertools.count(1)


@pytest.fixture
def web(space, host):
    name = f"events-{next(_numbers)}"
    space.class_name = name
    space.cluster.apply(ingress_class(name, controller=f"example.test/{name}"))
    space.apply(deployment("web", replicas=1), service("web"))
    space.wait_for_pods("web", 1)
    yield space
    space.cluster.kubectl("delete", "ingressclass", name)


@pytest.fixture
def cppx(web, start_cppx):
    """A cppx that leads, and that has a class of the test's own."""
    own = [f"--controller-class=example.test/{web.class_name}", f"--election-id={web.class_name}"]
    cppx = start_cppx(flags=own)
    wait_for(cppx.leads, 20, "it to lead", every=0.05)
    return cppx


def events(space, kind, name):
    """reason → (type, message, count) of the events on an object."""
    found = json.loads(space.kubectl("get", "events", "--output=json"))["items"]
    return {
        event["reason"]: (event["type"], event["message"], event["count"])
        for event in found
        if event["source"].get("component") == "cppx"
        and (event["involvedObject"]["kind"], event["involvedObject"]["name"]) == (kind, name)
    }


def wait_for_event(space, kind, name, reason, count=1):
    return wait_for(
        lambda: (found := events(space, kind, name).get(reason)) and found[2] >= count and found,
        20,
        f"event {reason} on {kind} {name}, seen: {events(space, kind, name)}",
        every=0.05,
    )


def test_a_new_ingress_and_each_change_of_it_is_scheduled(web, cppx, host):
    rules = {host: [path("web")]}
    web.apply(ingress("web", rules, class_name=web.class_name))
    assert wait_for_event(web, "Ingress", "web", "Sync") == ("Normal", "Scheduled for sync", 1)
    web.apply(ingress("web", {**rules, f"new.{host}": [path("web")]}, class_name=web.class_name))
    cppx.wait_for_status(f"new.{host}", 200)
    assert wait_for_event(web, "Ingress", "web", "Sync", count=2)[2] == 2
    shown = web.kubectl("describe", "ingress", "web")
    assert "Scheduled for sync" in shown and "cppx" in shown


def test_what_is_wrong_is_told_on_the_object_that_it_is_about(web, cppx, host):
    web.apply(
        service("idle", app="nobody"),
        ingress(
            "web",
            {host: [path("no-such-service"), path("idle", text="/idle")]},
            class_name=web.class_name,
            tls=[("no-such-secret", host)],
        ),
    )
    kind, message, _ = wait_for_event(web, "Ingress", "web", "ServiceNotFound")
    assert kind == "Warning" and "no-such-service" in message
    kind, message, _ = wait_for_event(web, "Ingress", "web", "SecretNotFound")
    assert kind == "Warning" and "no-such-secret" in message
    assert wait_for_event(web, "Service", "idle", "NoEndpoints")[0] == "Warning"
    # Not even a word about namespaces of other tests that are being deleted, where nobody may make events.
    assert "Events:" not in cppx.log


def test_an_ingress_of_another_controller_is_not_spoken_about(web, cppx, host):
    other = f"other-{web.class_name}"
    web.cluster.apply(ingress_class(other, controller=f"example.test/{other}"))
    try:
        web.apply(ingress("foreign", {host: [path("no-such-service")]}, class_name=other))
        web.apply(ingress("web", {f"own.{host}": [path("no-such-service")]}, class_name=web.class_name))
        wait_for_event(web, "Ingress", "web", "ServiceNotFound")
        assert events(web, "Ingress", "foreign") == {}
    finally:
        web.cluster.kubectl("delete", "ingressclass", other)


def test_sync_events_can_be_switched_off(web, start_cppx, host):
    own = [f"--controller-class=example.test/{web.class_name}", f"--election-id={web.class_name}"]
    cppx = start_cppx(flags=[*own, "--disable-sync-events"])
    wait_for(cppx.leads, 20, "it to lead", every=0.05)
    web.apply(ingress("web", {host: [path("no-such-service")]}, class_name=web.class_name))
    wait_for_event(web, "Ingress", "web", "ServiceNotFound")
    assert "Sync" not in events(web, "Ingress", "web")
