"""The tutorial, done with kubectl and curl as a reader does it: examples/tutorial/cluster on a real control plane."""

import base64
import json
from collections import Counter

import pytest

from cluster.cluster import Space
from cluster.programs import ROOT
from support.waiting import wait_for

EXAMPLE = ROOT / "examples" / "tutorial" / "cluster"
WWW, TOMCAT, NGINX = "www.kxyctl.com", "tomcat.kxyctl.com", "nginx.kxyctl.com"


def make_certificate_files(cluster, folder, name):
    """The tutorial's openssl command, with the names that the certificate is for."""
    files = folder / f"{name}.key", folder / f"{name}.crt"
    result = cluster.network.run(
        *("openssl", "req", "-x509", "-sha256", "-nodes", "-days", "365", "-newkey", "rsa:2048"),
        *("-keyout", files[0], "-out", files[1], "-subj", f"/C=CN/O=nginx/CN={name}"),
        *("-addext", f"subjectAltName=DNS:{NGINX},DNS:{TOMCAT}"),
    )
    assert result.returncode == 0, result.stderr
    return files


def put_secret(space, key, certificate):
    text = space.kubectl(
        *("create", "secret", "tls", "tls-secret", f"--key={key}", f"--cert={certificate}"),
        *("--dry-run=client", "--output=yaml"),
    )
    space.kubectl("apply", "-f", "-", stdin=text)


@pytest.fixture(scope="module")
def tutorial_namespace(cluster):
    """The tutorial's namespace; what is in it goes with it when all is done."""
    for host in (WWW, TOMCAT, NGINX):
        cluster.network.add_host(host)
    yield Space(cluster, "test")
    cluster.kubectl("delete", "namespace", "test", "--wait=false")


@pytest.fixture
def tutorial(tutorial_namespace, cluster, cppx, tmp_path):
    """The tutorial's objects, being served. What a test changed is put right for the next one."""
    space = tutorial_namespace
    cluster.kubectl("apply", "-f", EXAMPLE)
    put_secret(space, *make_certificate_files(cluster, tmp_path, "first.test"))
    for service in ("svc-lb", "tomcat-service", "nginx-service"):
        wait_for(lambda name=service: len(space.endpoints(name)) == 3, 30, f"three pods of {service}", every=0.1)
    cppx.wait_for_pods_behind(WWW, space.endpoints("svc-lb"))
    wait_for(lambda: all(cppx.get_tls(NGINX).status == 200 for _ in range(4)), 10, f"{NGINX} to be served")
    return space


def curl_pod(cluster, *arguments):
    """The pod that answered curl."""
    return json.loads(cluster.curl(*arguments))["pod"]


def curl_status(cluster, *arguments):
    return cluster.curl("--output", "/dev/null", "--write-out", "%{http_code}", *arguments)


def test_kubectl_shows_the_ingresses(tutorial):
    lines = [line.split() for line in tutorial.kubectl("get", "ingress", "--no-headers").splitlines()]
    shown = {hosts: (class_name, rest) for _, class_name, hosts, *rest in lines}
    assert shown[f"{WWW},{TOMCAT}"][0] == "cppx"
    assert shown[f"{WWW},{TOMCAT}"][1][-2] == "80"
    assert shown[f"{NGINX},{TOMCAT}"][0] == "cppx"
    assert shown[f"{NGINX},{TOMCAT}"][1][-3:-1] == ["80,", "443"]


def test_curl_reaches_each_of_the_three_pods_in_turn(tutorial, cluster, cppx):
    url = f"http://{WWW}:{cppx.http_port}/"
    counts = Counter(curl_pod(cluster, url) for _ in range(30))
    assert set(counts) == tutorial.endpoints("svc-lb")
    # Two workers, each going round on its own.
    assert max(counts.values()) - min(counts.values()) <= 2, counts


def test_https_with_the_certificate_of_the_secret(tutorial, cluster, cppx, tmp_path):
    certificate = base64.b64decode(tutorial.get("secret", "tls-secret")["data"]["tls.crt"])
    (tmp_path / "shown.crt").write_bytes(certificate)
    for host, service in ((TOMCAT, "tomcat-service"), (NGINX, "nginx-service")):
        url = f"https://{host}:{cppx.https_port}/"
        pods = {curl_pod(cluster, "--cacert", str(tmp_path / "shown.crt"), url) for _ in range(12)}
        assert pods == tutorial.endpoints(service)


def test_http_is_sent_to_https_where_the_host_has_tls(tutorial, cluster, cppx):
    shown = cluster.curl("--head", f"http://{TOMCAT}:{cppx.http_port}/page").lower()
    assert " 308 " in shown.splitlines()[0]
    assert f"location: https://{TOMCAT}/page" in shown.splitlines()


def test_the_secret_is_replaced_while_it_is_served(tutorial, cluster, cppx, tmp_path):
    url = f"https://{TOMCAT}:{cppx.https_port}/"
    key, certificate = make_certificate_files(cluster, tmp_path, "second.test")

    def trusted():
        # Only the new certificate makes curl content.
        command = ["curl", "--silent", "--cacert", str(certificate), "--output", "/dev/null", url]
        return cluster.network.run(*command).returncode == 0

    assert not trusted()
    put_secret(tutorial, key, certificate)
    wait_for(lambda: all(trusted() for _ in range(4)), 10, "the new certificate")


def test_scale_to_five_to_zero_and_back(tutorial, cppx):
    name = "web-deployment"
    for replicas in (5, 3):
        tutorial.scale(name, replicas)
        wait_for(lambda count=replicas: len(tutorial.endpoints("svc-lb")) == count, 30, "the endpoints", every=0.1)
        cppx.wait_for_pods_behind(WWW, tutorial.endpoints("svc-lb"))
    tutorial.scale(name, 0)
    cppx.wait_for_status(WWW, 503, seconds=30)
    tutorial.scale(name, 3)
    wait_for(lambda: len(tutorial.endpoints("svc-lb")) == 3, 30, "three endpoints", every=0.1)
    cppx.wait_for_pods_behind(WWW, tutorial.endpoints("svc-lb"))


def test_a_deleted_ingress_is_gone_and_the_other_goes_on(tutorial, cppx):
    tutorial.delete("ingress", "ingress-http")
    cppx.wait_for_status(WWW, 404)
    assert cppx.get_tls(TOMCAT).status == 200


def test_the_missing_service_is_503_and_disturbs_no_other_host(tutorial, cluster, cppx):
    """As in the tutorial, where ingress-https names a Service that nobody has made."""
    tutorial.delete("service", "nginx-service")
    url = f"https://{NGINX}:{cppx.https_port}/"
    wait_for(lambda: all(curl_status(cluster, "--insecure", url) == "503" for _ in range(4)), 10, f"503 from {NGINX}")
    assert curl_status(cluster, "--insecure", f"https://{TOMCAT}:{cppx.https_port}/") == "200"
    assert curl_status(cluster, f"http://{WWW}:{cppx.http_port}/") == "200"
