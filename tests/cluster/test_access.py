"""How cppx reaches the API server, and with which rights."""

import pytest
import yaml

from cluster.cluster import RBAC
from cluster.objects import deployment, ingress, path, service
from cluster.rights import CLASSES, binding, grant, make_account, role
from support.waiting import wait_for

ACCOUNT_FOLDER = "/run/secrets/kubernetes.io/serviceaccount"


@pytest.fixture
def web(space, host):
    space.apply(deployment("web", replicas=1), service("web"), ingress("web", {host: [path("web")]}))
    space.wait_for_pods("web", 1)
    return space


@pytest.fixture
def in_cluster(cluster, tmp_path):
    """Options that give cppx what a Pod finds about its cluster: a folder and two variables."""
    (tmp_path / "token").write_text(cluster.account_token())
    (tmp_path / "ca.crt").write_bytes(cluster.control_plane.authority.pem)
    (tmp_path / "namespace").write_text("cppx-system")
    script = (
        # The folder lies on a file system of its own that only this process sees.
        "mount -t tmpfs none /run"
        f" && mkdir -p {ACCOUNT_FOLDER}"
        f' && cp "$0"/* {ACCOUNT_FOLDER}/'
        ' && exec "$@"'
    )
    return {
        "kubeconfig": None,
        "wrapper": ["unshare", "--mount", "sh", "-c", script, tmp_path],
        "environment": {
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": "6443",
            # What the folder says counts.
            "POD_NAMESPACE": "",
        },
    }


def test_the_roles_read_and_write_nothing_but_status_events_the_lease_and_what_the_webhook_needs():
    rules = [rule for item in yaml.safe_load_all(RBAC.read_text()) for rule in item.get("rules", ())]
    verbs = {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}
    read = {"services", "secrets", "configmaps", "endpointslices", "ingresses", "ingressclasses", "namespaces"}
    assert {resource for resource, verb in verbs if verb == "watch"} == read
    assert {(resource, verb) for resource, verb in verbs if verb not in ("get", "list", "watch")} == {
        ("ingresses/status", "update"),
        ("events", "create"),
        ("events", "patch"),
        ("leases", "create"),
        ("leases", "update"),
        ("secrets", "create"),
        ("secrets", "update"),
        ("validatingwebhookconfigurations", "patch"),
    }


def test_the_account_may_not_do_more_than_the_role_says(cluster, kubeconfig):
    asked = {
        ("list", "secrets"): "yes",
        ("watch", "ingresses.networking.k8s.io"): "yes",
        ("list", "pods"): "no",
        ("update", "ingresses.networking.k8s.io", "--subresource=status"): "yes",
        ("list", "events"): "no",
        ("update", "leases.coordination.k8s.io"): "no",
        ("update", "ingresses.networking.k8s.io"): "no",
        ("delete", "secrets"): "no",
        ("update", "secrets"): "no",
        ("create", "secrets"): "no",
    }
    answers = {
        question: cluster.kubectl(
            "auth", "can-i", *question, "--all-namespaces", f"--kubeconfig={kubeconfig}", check=False
        ).strip()
        for question in asked
    }
    assert answers == asked


def test_a_pod_s_own_account_is_enough(web, host, start_cppx, in_cluster):
    cppx = start_cppx(**in_cluster)
    cppx.wait_for_status(host, 200)
    assert "forbidden" not in cppx.log.lower()


def test_a_client_certificate_is_enough(web, host, cluster, start_cppx):
    kubeconfig = cluster.control_plane.certificate_kubeconfig("holder", "system:masters")
    start_cppx(kubeconfig=kubeconfig).wait_for_status(host, 200)


def test_a_token_file_is_enough(web, host, cluster, start_cppx, tmp_path):
    (tmp_path / "token").write_text(cluster.account_token() + "\n")
    kubeconfig = cluster.control_plane.write_kubeconfig("by-file", {"tokenFile": str(tmp_path / "token")})
    start_cppx(kubeconfig=kubeconfig).wait_for_status(host, 200)


def test_a_wrong_token_is_reported_and_never_ready(cluster, start_cppx):
    kubeconfig = cluster.control_plane.write_kubeconfig("wrong", {"token": "no-such-token"})
    cppx = start_cppx(kubeconfig=kubeconfig, ready=False)
    wait_for(lambda: "nauthorized" in cppx.log, 10, "a log line about the refused token")
    assert cppx.health("/readyz") == 500


def test_a_missing_right_is_reported(cluster, start_cppx):
    """A service account without any role: the log says what is forbidden."""
    cluster.kubectl("create", "serviceaccount", "powerless", namespace="cppx-system")
    token = cluster.kubectl("create", "token", "powerless", namespace="cppx-system").strip()
    kubeconfig = cluster.control_plane.write_kubeconfig("powerless", {"token": token})
    cppx = start_cppx(kubeconfig=kubeconfig, ready=False)
    wait_for(lambda: "forbidden" in cppx.log.lower(), 10, "a log line about the missing right")
    assert cppx.health("/readyz") == 500


def test_a_role_in_one_namespace_is_enough_to_watch_that_one(web, host, cluster, start_cppx):
    """--watch-namespace asks for nothing outside that namespace but the IngressClasses (and nodes, for the status)."""
    name = f"classes-{web.name}"
    token = make_account(web, "narrow")
    grant(web, "narrow", web.name)
    cluster.apply(role(name, CLASSES, "ClusterRole"), binding(name, "narrow", web.name, "ClusterRole"))
    kubeconfig = cluster.control_plane.write_kubeconfig("narrow", {"token": token})
    flags = [f"--watch-namespace={web.name}", "--publish-status-address=192.0.2.77"]
    cppx = start_cppx(kubeconfig=kubeconfig, flags=flags, environment={"POD_NAMESPACE": web.name})
    cppx.wait_for_status(host, 200)
    wait_for(lambda: web.get("ingress", "web")["status"]["loadBalancer"].get("ingress"), 20, "a status", every=0.1)
    assert "forbidden" not in cppx.log.lower()


def test_other_namespaces_are_not_served_when_one_is_watched(web, host, cluster, start_cppx):
    with cluster.space() as other:
        other.apply(deployment("web", replicas=1), service("web"))
        other.apply(ingress("web", {f"other.{host}": [path("web")]}))
        other.wait_for_pods("web", 1)
        cppx = start_cppx(flags=[f"--watch-namespace={web.name}"])
        cppx.wait_for_status(host, 200)
        assert cppx.status(f"other.{host}") == 404
