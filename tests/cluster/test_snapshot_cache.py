"""--snapshot-cache: a restart while the API server is away serves what was last known."""

import stat
import time

import pytest

from cluster.api_proxy import failure
from cluster.objects import deployment, ingress, path, service
from cluster.traffic import Traffic
from support.waiting import wait_for


NO_REDIRECT = {"nginx.ingress.kubernetes.io/ssl-redirect": "false"}


@pytest.fixture
def web(space, host):
    """Two hosts with the same pods behind them; the first has a certificate of its own."""
    certificate, key = space.cluster.control_plane.authority.server([host], [])
    cert = space.cluster.folder / f"{space.name}.crt"
    cert.write_bytes(certificate)
    secret = cert.with_suffix(".key")
    secret.write_bytes(key)
    space.kubectl("create", "secret", "tls", "web", f"--cert={cert}", f"--key={secret}")
    space.apply(
        deployment("web", replicas=2),
        service("web"),
        ingress("web", {host: [path("web")]}, tls=[("web", host)], annotations=NO_REDIRECT),
        ingress("gone", {f"gone.{host}": [path("web")]}),
    )
    space.wait_for_pods("web", 2)
    return space


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "key").write_text("a text that is longer than thirty-two bytes\n")
    return tmp_path / "cache"


@pytest.fixture
def start(cluster, proxy, folder, start_cppx):
    """Starts cppx with the cache; with a key unless told otherwise."""
    kubeconfig = proxy.kubeconfig(cluster.account_token())

    def start(key=True, **options):
        flags = [f"--snapshot-cache={folder}"]
        flags += [f"--snapshot-cache-key-file={folder.parent}/key"] if key else []
        return start_cppx(kubeconfig=kubeconfig, flags=flags, **options)

    return start


def text_of(folder):
    file = folder / "objects.cache"
    return file.read_text() if file.exists() else ""


def wait_for_text(folder, *parts):
    wait_for(lambda: all(part in text_of(folder) for part in parts), 20, f"{parts} to be in the cache")


def readiness(cppx):
    return cppx.cluster.ask(cppx.health_port, "localhost", "/readyz")


def test_a_start_without_an_api_server_serves_what_was_known(web, host, cluster, proxy, folder, start):
    first = start()
    first.wait_for_status(host, 200)
    certificate = first.certificate(host)
    wait_for_text(folder, host, f"gone.{host}", "sealed ")
    assert stat.S_IMODE((folder / "objects.cache").stat().st_mode) == 0o600
    proxy.stop()
    first.stop()
    web.delete("ingress", "gone")
    web.apply(ingress("new", {f"new.{host}": [path("web")]}))

    second = start(ready=False)
    wait_for(lambda: second.health("/readyz") == 200, 20, "cppx to be ready by its cache")
    assert "snapshot cache" in readiness(second).text
    second.wait_for_status(host, 200)
    assert second.status(f"gone.{host}") == 200
    assert second.certificate(host) == certificate
    with Traffic(cluster, second.http_port, host) as traffic:
        traffic.expect_going_on()
        proxy.start()
        second.wait_for_status(f"new.{host}", 200, seconds=60)
        # Nothing of the cache survives that the server does not have.
        second.wait_for_status(f"gone.{host}", 404)
        traffic.expect_going_on()
    assert readiness(second).text == "ok\n"


def test_half_of_the_truth_does_not_replace_the_cache(web, host, proxy, folder, start):
    """One kind stays away: what was known of all of them goes on being served."""
    first = start()
    first.wait_for_status(host, 200)
    wait_for_text(folder, host)
    first.stop()
    proxy.answer["/endpointslices"] = failure(503, "Service Unavailable", "not now")
    second = start(ready=False)
    wait_for(lambda: second.health("/readyz") == 200, 20, "cppx to be ready by its cache")
    wait_for(lambda: proxy.count("/endpointslices") >= 6, 20, "some attempts")
    assert "EndpointSlices" in readiness(second).text
    second.wait_for_status(host, 200)
    proxy.answer.clear()
    wait_for(lambda: readiness(second).text == "ok\n", 60, "the API server's state")
    second.wait_for_status(host, 200)


def test_without_a_key_no_secret_is_written(web, host, cluster, proxy, folder, start):
    first = start(key=False)
    first.wait_for_status(host, 200)
    wait_for_text(folder, host)
    assert "sealed" not in text_of(folder)
    assert '"Secret"' not in text_of(folder)
    proxy.stop()
    first.stop()
    second = start(key=False, ready=False)
    wait_for(lambda: second.health("/readyz") == 200, 20, "cppx to be ready by its cache")
    second.wait_for_status(host, 200)
    assert second.get_tls(host).status == 200


@pytest.mark.parametrize("content", [b"", b"\x7fELF nonsense\n", b"cppx-snapshot-cache 1\n{}\nend 00\n"])
def test_a_file_that_is_broken_or_foreign_is_not_used(web, host, proxy, folder, start, content):
    (folder / "objects.cache").write_bytes(content)
    cppx = start()
    cppx.wait_for_status(host, 200)
    lines = [line for line in cppx.log.splitlines() if "snapshot cache" in line]
    assert len(lines) == 1, lines
    assert "is not used" in lines[0]
    wait_for_text(folder, host)


def test_a_server_that_answers_at_once_is_not_waited_for(web, host, folder, start):
    """The cached state is not served when there is no need to."""
    first = start()
    first.wait_for_status(host, 200)
    wait_for_text(folder, f"gone.{host}")
    first.stop()
    web.delete("ingress", "gone")
    # Where the API server's answers take two seconds, because this machine is held up, the cache is rightly served.
    for _ in range(3):
        begun = time.monotonic()
        second = start()
        if "snapshot cache" not in second.log or time.monotonic() - begun < 2:
            break
        second.stop()
    assert "snapshot cache" not in second.log
    assert second.status(f"gone.{host}") == 404
