"""curl as a client from outside this test suite."""

import json
import random
import shutil
import subprocess

import pytest

from support.waiting import scaled


@pytest.fixture
def curl(site, tmp_path):
    """Runs curl against the shared site; gives (status, output)."""
    assert shutil.which("curl"), "these tests need curl"
    (tmp_path / "ca.pem").write_text(site.certificate.certificate_pem)

    def run(*arguments, scheme="http", host="site.test", target="/"):
        port = site.cppx.http_port if scheme == "http" else site.cppx.https_port
        command = ["curl", "--silent", "--show-error", "--max-time", str(int(scaled(20)))]
        command += ["--noproxy", "*", "--resolve", f"{host}:{port}:127.0.0.1", "--cacert", tmp_path / "ca.pem"]
        command += ["--output", tmp_path / "out", "--write-out", "%{json}\n", *arguments, f"{scheme}://{host}:{port}{target}"]
        outcome = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        assert outcome.returncode == 0, outcome.stderr
        output = (tmp_path / "out").read_bytes() if (tmp_path / "out").exists() else b""
        return json.loads(outcome.stdout.splitlines()[-1]), output

    return run


@pytest.mark.parametrize("version", ["--http1.0", "--http1.1", "--http2"])
def test_get(curl, version):
    figures, output = curl(version)
    assert (figures["http_code"], output) == (200, b"main")
    assert figures["http_version"] in ("1.0", "1.1")


@pytest.mark.parametrize(("option", "spoken"), [("--http2", "2"), ("--http1.1", "1.1")])
@pytest.mark.parametrize("version", ["--tlsv1.2", "--tlsv1.3"])
def test_https_with_a_checked_certificate(curl, version, option, spoken):
    figures, output = curl(version, option, scheme="https", host="secure.test")
    assert (figures["http_code"], output, figures["ssl_verify_result"]) == (200, b"main", 0)
    assert figures["http_version"] == spoken


def test_http2_with_prior_knowledge(curl):
    figures, output = curl("--http2-prior-knowledge")
    assert (figures["http_code"], output, figures["http_version"]) == (200, b"main", "2")


def test_redirect_to_https(curl):
    figures, _ = curl(host="secure.test", target="/x")
    assert (figures["http_code"], figures["redirect_url"]) == (308, "https://secure.test/x")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("extra", [[], ["--header", "Transfer-Encoding: chunked"], ["--header", "Expect: 100-continue"]])
def test_upload(site, curl, tmp_path, scheme, extra):
    data = random.Random(1).randbytes(900_000)
    (tmp_path / "in").write_bytes(data)
    host = "site.test" if scheme == "http" else "secure.test"
    figures, _ = curl("--data-binary", f"@{tmp_path}/in", *extra, scheme=scheme, host=host)
    assert figures["http_code"] == 200
    assert site.backend.last.body == data


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_download(site, curl, scheme):
    data = random.Random(2).randbytes(5_000_000)
    site.backend.handler = lambda exchange: exchange.reply(body=data)
    _, output = curl(scheme=scheme, host="site.test" if scheme == "http" else "secure.test")
    assert output == data


def test_head(curl):
    figures, _ = curl("--head")
    assert (figures["http_code"], figures["size_download"]) == (200, 0)


def test_several_requests_on_one_connection(site, curl):
    site.backend.handler = lambda exchange: exchange.reply(body=exchange.request.target.encode())
    figures, _ = curl(target="/[1-20]")
    assert figures["http_code"] == 200
    assert figures["num_connects"] == 0, "the last request used the first one's connection"
    assert [seen.target for seen in site.backend.requests] == [f"/{number}" for number in range(1, 21)]
