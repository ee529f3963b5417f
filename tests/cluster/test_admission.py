"""The validating webhook of a real API server, with the certificate that cppx makes for itself."""

import json
import ssl

import pytest

from cluster.cluster import KubectlError
from cluster.network import NODE_ADDRESSES
from cluster.objects import deployment, ingress, path, service
from cluster.programs import built
from cluster.webhook import PREFIX, SYSTEM, Webhook
from support.waiting import wait_for


@pytest.fixture
def web(space):
    space.apply(deployment("web", replicas=1), service("web"))
    return space


def test_kubectl_is_told_what_is_wrong(web, webhook, start_cppx, host):
    webhook.install()
    cppx = start_cppx(flags=webhook.flags)
    webhook.wait_until_asked()
    assert webhook.apply(ingress("good", {host: [path("web")]})) == (0, "")
    cppx.wait_for_status(host, 200, seconds=30)

    # What it asks about was applied a moment ago: cppx knows of it once it serves it.
    code, error = webhook.apply(ingress("conflict", {host: [path("web")]}))
    assert code != 0 and "denied the request" in error
    assert f"PathConflict: / of host {host} is served by Ingress {web.name}/good" in error
    code, error = webhook.apply(ingress("snippet", {f"s.{host}": [path("web")]}, annotations={PREFIX + "server-snippet": "x;"}))
    assert code != 0 and "SnippetRefused" in error
    code, error = webhook.apply(ingress("path", {f"p.{host}": [path("web", text="/a b")]}))
    assert code != 0 and "PathRefused" in error

    code, error = webhook.apply(ingress("secret", {f"t.{host}": [path("web")]}, tls=[("gone", f"t.{host}")]))
    assert code == 0 and "Warning:" in error and f"SecretNotFound: Secret {web.name}/gone does not exist" in error
    # Not ours: nobody asks what it says.
    foreign = ingress("foreign", {host: [path("web")]}, class_name=None, annotations={PREFIX + "ssl-redirect": "maybe"})
    assert webhook.apply(foreign) == (0, "")
    # A change of what is there, and its end.
    assert webhook.apply(ingress("good", {host: [path("web")]}, annotations={PREFIX + "ssl-redirect": "false"})) == (0, "")
    web.delete("ingress", "good")
    cppx.wait_for_status(host, 404)
    assert webhook.apply(ingress("conflict", {host: [path("web")]})) == (0, "")
    assert {one["metadata"]["name"] for one in web.get("ingresses")} == {"conflict", "foreign", "secret"}


def test_failure_policies_without_cppx(web, webhook, start_cppx, host):
    webhook.install()
    cppx = start_cppx(flags=webhook.flags)
    webhook.wait_until_asked()
    cppx.stop()
    start_cppx.forget(cppx)
    code, error = webhook.apply(ingress("late", {host: [path("web")]}))
    assert code != 0 and "failed calling webhook" in error
    webhook.cluster.apply(webhook.configuration("Ignore"))
    wait_for(lambda: webhook.apply(ingress("late", {host: [path("web")]}))[0] == 0, 20, "Ignore to be in force", every=0.2)
    # kubectl apply has left the caBundle out of what it wrote: the next cppx sees to it.
    webhook.cluster.apply(webhook.configuration("Fail"))
    start_cppx(flags=webhook.flags)
    webhook.wait_until_asked()


def test_replicas_show_one_certificate(web, webhook, start_cppx):
    webhook.install()
    first = start_cppx(flags=webhook.flags)
    webhook.wait_until_asked()
    kept = webhook.secret()
    assert webhook.bundle() == kept["ca.crt"] and webhook.shown() == kept["tls.crt"]
    assert "PRIVATE KEY" not in kept["ca.crt"] + kept["tls.crt"]
    other = Webhook(webhook.cluster, webhook.space)
    second = start_cppx(flags=[f"--validating-webhook=:{other.port}", *webhook.flags[1:]])
    wait_for(lambda: webhook.cluster.network.accepts(other.port), 10, "the second replica")

    def same():
        webhook_port, webhook.port = webhook.port, other.port
        try:
            return webhook.shown("127.0.0.1") == kept["tls.crt"]
        except OSError:
            return False
        finally:
            webhook.port = webhook_port

    wait_for(same, 20, "the second replica to show the certificate of the first")
    assert webhook.secret() == kept
    assert "created Secret" in first.log and "created Secret" not in second.log


def test_a_certificate_near_its_end_is_replaced(web, webhook, start_cppx):
    webhook.install()
    authority, certificate = webhook.put_old_certificate()
    start_cppx(flags=webhook.flags)
    webhook.wait_until_asked()
    kept = webhook.secret()
    assert kept["tls.crt"] != certificate
    # Who still shows the old one is believed until everybody has the new one.
    assert kept["ca.crt"].count("BEGIN CERTIFICATE") == 2 and authority in kept["ca.crt"]
    assert webhook.bundle() == kept["ca.crt"] and webhook.shown() == kept["tls.crt"]


def test_a_secret_that_is_deleted_is_made_anew(web, webhook, start_cppx):
    webhook.install()
    start_cppx(flags=webhook.flags)
    webhook.wait_until_asked()
    before = webhook.secret()
    webhook.cluster.kubectl("delete", "secret", f"{webhook.name}-certificate", namespace=SYSTEM)

    def replaced():
        try:
            return webhook.secret()["tls.crt"] != before["tls.crt"] and webhook.shown() == webhook.secret()["tls.crt"]
        except Exception:
            return False

    wait_for(replaced, 60, "a new certificate", every=0.5)
    webhook.wait_until_asked()


def test_without_rights_the_certificate_is_kept_in_memory(web, webhook, start_cppx, cluster):
    webhook.install("Ignore")
    cluster.kubectl("create", "serviceaccount", "reader", namespace=webhook.space.name)
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": webhook.space.name}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": webhook.name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cppx"},
        "subjects": [subject],
    }
    cluster.apply(binding)
    try:
        token = cluster.kubectl("create", "token", "reader", "--duration=1h", namespace=webhook.space.name).strip()
        kubeconfig = cluster.control_plane.write_kubeconfig(webhook.name, {"token": token})
        # Nor may it take part in an election, whose leader alone would patch the configuration.
        cppx = start_cppx(flags=[*webhook.flags, "--disable-leader-election"], kubeconfig=kubeconfig)
        wait_for(lambda: "not kept in Secret" in cppx.log, 20, "a log line")
        webhook.wait_until_asked()
    finally:
        cluster.kubectl("delete", "clusterrolebinding", webhook.name)
    with pytest.raises(KubectlError):
        cluster.kubectl("get", "secret", f"{webhook.name}-certificate", namespace=SYSTEM)


def test_explain_and_routes_of_a_cluster(web, cluster, kubeconfig, cppx, host):
    web.apply(ingress("site", {host: [path("web")]}))
    cppx.wait_for_status(host, 200, seconds=30)
    pod = web.wait_for_pods("web", 1).pop()

    def run(command, *arguments):
        return cluster.network.run(built("app/cppx"), command, *arguments)

    for source in (f"--kubeconfig={kubeconfig}", f"--from=http://127.0.0.1:{cppx.health_port}"):
        done = run("explain", source, f"http://{host}/x", "-o", "json")
        assert (done.returncode, done.stderr) == (0, ""), done
        told = json.loads(done.stdout)
        assert (told["route"]["ingress"], told["pool"]["endpoints"]) == ("site", [f"{pod}:8080"])
        assert run("explain", source, f"http://nobody.{host}/").returncode == 1
        rows = json.loads(run("routes", source, "-o", "json").stdout)
        assert [row["backend"] for row in rows if row["host"] == host] == ["web:80"]


def test_explain_and_routes_are_told_to_this_machine_only(cluster, cppx):
    """A peer with another address than a loopback one, as any pod of a cluster has, learns nothing."""
    for target in ("/routes", "/explain?url=http%3A%2F%2Fsite.test%2F"):
        outside = cluster.ask(cppx.health_port, "localhost", target, address=NODE_ADDRESSES[0])
        assert outside.status == 403 and "this machine only" in outside.text, (target, outside.text)
        assert cluster.ask(cppx.health_port, "localhost", target).status == 200
