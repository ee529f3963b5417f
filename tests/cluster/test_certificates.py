"""TLS Secrets of a real API server."""

import pytest

from cluster.objects import deployment, ingress, path, service
from support.certificates import make_certificate
from support.client import request
from support.waiting import wait_for


@pytest.fixture
def web(space):
    space.apply(deployment("web", replicas=1), service("web"))
    space.wait_for_pods("web", 1)
    return space


@pytest.fixture
def put_secret(web, tmp_path):
    """Creates or replaces a TLS Secret with `kubectl create secret tls`."""

    def put(name, certificate):
        (tmp_path / "tls.crt").write_text(certificate.certificate_pem)
        (tmp_path / "tls.key").write_text(certificate.key_pem)
        files = [f"--cert={tmp_path / 'tls.crt'}", f"--key={tmp_path / 'tls.key'}"]
        secret = web.kubectl("create", "secret", "tls", name, *files, "--dry-run=client", "--output=yaml")
        web.kubectl("apply", "-f", "-", stdin=secret)

    return put


def wait_for_certificate(cppx, host, certificate):
    wait_for(
        lambda: all(cppx.certificate(host) == certificate.der for _ in range(6)),
        10,
        f"the certificate of {host} on every worker",
    )


def test_a_secret_is_served_and_replaced_under_a_live_connection(web, cppx, cluster, host, put_secret):
    first, second = make_certificate(host), make_certificate(host)
    put_secret("site", first)
    web.apply(ingress("web", {host: [path("web")]}, tls=[("site", host)]))
    wait_for_certificate(cppx, host, first)
    cppx.wait_for_status(host, 200, tls=True)
    with cluster.connect_tls(cppx.https_port, host) as connection:
        assert connection.certificate() == first.der
        assert connection.ask(request(host=host)).status == 200
        put_secret("site", second)
        wait_for_certificate(cppx, host, second)
        assert connection.ask(request(host=host)).status == 200


def test_plain_http_is_sent_to_https_where_there_is_tls(web, cppx, host, put_secret):
    put_secret("site", make_certificate(host))
    web.apply(ingress("web", {host: [path("web")]}, tls=[("site", host)]))
    cppx.wait_for_status(host, 308)
    cppx.wait_for_status(host, 200, tls=True)
    assert cppx.get(host, "/page?a=b").headers.one("location") == f"https://{host}/page?a=b"
    response = cppx.get_tls(host)
    assert response.status == 200
    assert response.headers.has("strict-transport-security")


def test_a_secret_may_come_later_and_go_again(web, cppx, host, put_secret):
    web.apply(ingress("web", {host: [path("web")]}, tls=[("late", host)]))
    cppx.wait_for_status(host, 308)
    cppx.wait_for_status(host, 200, tls=True)
    own = cppx.certificate(host)
    certificate = make_certificate(host)
    put_secret("late", certificate)
    wait_for_certificate(cppx, host, certificate)
    web.delete("secret", "late")
    wait_for(
        lambda: all(cppx.certificate(host) == own for _ in range(6)), 10, "cppx's own certificate on every worker"
    )
    assert cppx.get_tls(host).status == 200


def test_a_broken_secret_harms_no_other_host(web, cppx, host, put_secret):
    good, broken = f"good.{host}", f"broken.{host}"
    certificate = make_certificate(good)
    put_secret("good", certificate)
    # The API server checks that the keys are there, not that the key fits the certificate.
    web.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "broken"},
            "type": "kubernetes.io/tls",
            "stringData": {
                "tls.crt": make_certificate(broken).certificate_pem,
                "tls.key": make_certificate(broken).key_pem,
            },
        },
        ingress("broken", {broken: [path("web")]}, tls=[("broken", broken)]),
        ingress("good", {good: [path("web")]}, tls=[("good", good)]),
    )
    wait_for_certificate(cppx, good, certificate)
    cppx.wait_for_status(broken, 308)
    assert cppx.certificate(broken) not in (certificate.der, None)
    cppx.wait_for_status(broken, 200, tls=True)
    wait_for(lambda: f"{web.name}/broken" in cppx.log, 5, "a log line about the broken Secret")


def test_the_default_certificate_is_shown_to_unknown_names(web, host, put_secret, start_cppx):
    certificate = make_certificate("default.test")
    put_secret("default", certificate)
    cppx = start_cppx(flags=[f"--default-ssl-certificate={web.name}/default"])
    wait_for_certificate(cppx, f"unknown.{host}", certificate)
    replacement = make_certificate("default.test")
    put_secret("default", replacement)
    wait_for_certificate(cppx, f"unknown.{host}", replacement)
