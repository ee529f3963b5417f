"""The rights that rbac.yaml gives are those that are used: each of them, and no other."""

import contextlib

import pytest

from cluster.objects import deployment, ingress, ingress_class, path, service
from cluster.replicas import NAMESPACE, Replicas
from cluster.rights import rules
from support.waiting import wait_for


@pytest.fixture
def account(cluster):
    """An account of its own with the rights of cppx: what it asks for, this test has made it ask for."""
    name = "busy"
    subject = f"--serviceaccount={NAMESPACE}:{name}"
    cluster.kubectl("create", "serviceaccount", name, namespace=NAMESPACE)
    cluster.kubectl("create", "clusterrolebinding", name, "--clusterrole=cppx", subject)
    cluster.kubectl("create", "rolebinding", name, "--role=cppx", subject, namespace=NAMESPACE)
    yield name
    cluster.kubectl("delete", "clusterrolebinding", name)
    cluster.kubectl("delete", "rolebinding,serviceaccount", name, namespace=NAMESPACE)


@pytest.fixture
def busy(cluster, space, webhook, account):
    """A replica that does everything there is to do, for one namespace."""
    webhook.class_name = space.name
    cluster.apply(ingress_class(space.name, controller=f"example.test/{space.name}"))
    token = cluster.kubectl("create", "token", account, namespace=NAMESPACE).strip()
    kubeconfig = cluster.control_plane.write_kubeconfig(account, {"token": token})
    flags = [
        *webhook.flags,
        f"--controller-class=example.test/{space.name}",
        f"--watch-namespace-selector=kubernetes.io/metadata.name={space.name}",
        f"--configmap={space.name}/settings",
    ]
    webhook.install()
    webhook.put_old_certificate()
    with contextlib.ExitStack() as stack:
        stack.callback(cluster.kubectl, "delete", "ingressclass", space.name)
        yield stack.enter_context(Replicas(cluster, 1, kubeconfig, flags)).running[0]


def granted():
    return {(resource, verb) for rule in rules() for resource in rule["resources"] for verb in rule["verbs"]}


def used_by(account, cluster):
    """A server that has streaming lists is asked for a watch only, any other one for a list before it."""
    used = cluster.control_plane.requests_of(account)
    return used | {(resource, "list") for resource, verb in used if verb == "watch"}


def test_every_right_is_used_and_no_other_asked_for(space, host, cluster, webhook, account, busy):
    space.apply(deployment("web", replicas=1), service("web"))
    space.kubectl("create", "secret", "generic", "odd", "--from-literal=tls.crt=x", "--from-literal=tls.key=y")
    webhook.wait_until_asked()
    # Its Secret is one that is fetched by its name; the status is written.
    space.apply(ingress("web", {host: [path("web")]}, class_name=space.name, tls=[("odd", host)]))
    busy.wait_for_status(host, 308)
    # The same Event once more is a patch of the first one.
    space.apply(ingress("web", {f"new.{host}": [path("web")]}, class_name=space.name))
    busy.wait_for_status(f"new.{host}", 200)
    # The one of the webhook was replaced, and is made anew now.
    cluster.kubectl("delete", "secret", f"{webhook.name}-certificate", namespace=NAMESPACE)
    with contextlib.suppress(AssertionError):
        wait_for(lambda: used_by(account, cluster) == granted(), 60, every=0.1)
    used = used_by(account, cluster)
    assert used - granted() == set()
    assert granted() - used == set()
    assert "forbidden" not in busy.log.lower()
