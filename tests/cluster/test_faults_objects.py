"""Objects that are large, broken or many: they take no other down."""

import base64

import pytest

from cluster.objects import deployment, ingress, path, service
from cluster.traffic import Traffic
from support.waiting import wait_for

MANY = 1000


@pytest.fixture
def web(space, host, proxied):
    space.apply(deployment("web", replicas=2), service("web"), ingress("web", {host: [path("web")]}))
    proxied.wait_for_pods_behind(host, space.wait_for_pods("web", 2))
    return space


def test_a_secret_of_a_mebibyte(web, host, cluster, proxied):
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "large", "namespace": web.name},
        "type": "kubernetes.io/tls",
        "data": {
            "tls.crt": base64.b64encode(b"x" * 700_000).decode(),
            "tls.key": base64.b64encode(b"y" * 300_000).decode(),
        },
    }
    with Traffic(cluster, proxied.http_port, host) as traffic:
        cluster.api("POST", f"/api/v1/namespaces/{web.name}/secrets", secret)
        web.apply(ingress("large", {f"large.{host}": [path("web")]}, tls=[("large", f"large.{host}")]))
        wait_for(lambda: f"{web.name}/large" in proxied.log, 20, "a line about the Secret")
        assert proxied.get_tls(f"large.{host}").status == 200
        web.delete("secret", "large")
        traffic.expect_going_on()


def test_an_ingress_with_500_paths(web, host, cluster, proxied):
    many = f"many.{host}"
    paths = [path("web", text=f"/p{number:03}", kind="Exact") for number in range(500)]
    with Traffic(cluster, proxied.http_port, host) as traffic:
        web.apply(ingress("many", {many: paths}))
        proxied.wait_for_status(many, 200, "/p499", seconds=20)
        assert {proxied.status(many, f"/p{number:03}") for number in range(0, 500, 7)} == {200}
        assert proxied.status(many, "/p500") == 404
        web.apply(ingress("many", {many: paths[:250]}))
        proxied.wait_for_status(many, 404, "/p499", seconds=20)
        assert proxied.status(many, "/p249") == 200
        traffic.expect_going_on()


@pytest.mark.parametrize("bad", [b"\xff\xfe\xfd\xfc\xfb", b"\xed\xa0\x80\xed\xa0", b"abc\xf0\x9f"])
def test_bad_utf8_in_an_object(web, host, cluster, proxy, proxied, start_cppx, bad):
    """An API server sends none, but what stands before it may."""
    mark = b"M" * len(bad)
    proxy.replacing = ((mark, bad),)
    proxy.break_connections()
    with Traffic(cluster, proxied.http_port, host) as traffic:
        marked = ingress("bad", {f"bad.{host}": [path("web")]}, annotations={"example.test/note": mark.decode()})
        web.apply(marked, ingress("good", {f"good.{host}": [path("web")]}))
        proxied.wait_for_status(f"good.{host}", 200, seconds=20)
        proxied.wait_for_status(f"bad.{host}", 200, seconds=20)
        # In a list as well.
        fresh = start_cppx(kubeconfig=proxy.kubeconfig(cluster.account_token()))
        assert [fresh.status(name) for name in (host, f"good.{host}", f"bad.{host}")] == [200, 200, 200]
        traffic.expect_going_on()


def test_a_thousand_objects_deleted_at_once(web, host, cluster, proxied):
    hosts = [f"n{number}.{host}" for number in range(MANY)]
    collection = f"/apis/networking.k8s.io/v1/namespaces/{web.name}/ingresses"
    for number in range(MANY):
        item = ingress(f"n{number}", {hosts[number]: [path("web")]})
        item["metadata"]["labels"] = {"test": "many"}
        cluster.api("POST", collection, item)
    proxied.wait_for_status(hosts[-1], 200, seconds=60)
    before = proxied.memory_bytes()
    with Traffic(cluster, proxied.http_port, host) as traffic:
        cluster.api("DELETE", collection + "?labelSelector=test%3Dmany", None)
        for name in (hosts[0], hosts[MANY // 2], hosts[-1]):
            proxied.wait_for_status(name, 404, seconds=60)
        assert {proxied.status(name) for name in hosts[::50]} == {404}
        assert proxied.status(host) == 200
        traffic.expect_going_on()
    assert proxied.memory_bytes() < before + 64 * 1024 * 1024
