"""`cppx explain` and `cppx routes`: from manifests, and of a running cppx."""

import json
import pathlib
import re
import socket

import pytest

from support.certificates import make_certificate
from support.client import ask, request
from support.manifests import INGRESS_CLASS, ingress, rule, service_of, tls_secret, to_yaml
from support.program import runner

SERVED, NOT_SERVED, ERROR_OF_USE = 0, 1, 2


@pytest.fixture
def run(cppx_binary, tmp_path):
    return runner(cppx_binary, tmp_path, 40)


def objects(certificate, backend=("127.0.0.9", 8080)):
    return [
        INGRESS_CLASS,
        *service_of("web", backend),
        ingress(
            "old",
            rule("site.test", ("/", "Prefix", "web:80"), ("/gone", "Prefix", "gone:80")),
            created="2026-01-01T00:00:00Z",
            annotations={"nginx.ingress.kubernetes.io/limit-rps": "7"},
        ),
        ingress("new", rule("site.test", ("/gone", "Prefix", "web:80")), created="2026-02-01T00:00:00Z"),
        ingress("secure", rule("secure.test", "web:80"), tls=[("secure", "secure.test")]),
        tls_secret("secure", certificate),
    ]


@pytest.fixture(scope="module")
def certificate():
    return make_certificate("secure.test")


@pytest.fixture
def sources(tmp_path, certificate, start_cppx):
    """Flags that name the same routes in two ways."""
    folder = tmp_path / "asked"
    folder.mkdir()
    (folder / "site.yaml").write_text(to_yaml(objects(certificate)))
    running = start_cppx({"site.yaml": objects(certificate)[1:]})
    return {
        "manifests": [f"--manifests={folder}"],
        "running": [f"--from=http://127.0.0.1:{running.health_port}"],
    }


SOURCES = pytest.mark.parametrize("source", ["manifests", "running"])


@SOURCES
def test_a_request_that_is_served(run, sources, source):
    outcome = run("explain", *sources[source], "http://site.test/a", "-H", "X: y", "--client-ip=192.0.2.7")
    assert (outcome.returncode, outcome.stderr) == (SERVED, ""), outcome
    assert "GET http://site.test/a from 192.0.2.7\nforwarded to pool default/web:80\n" in outcome.stdout
    assert "Ingress       default/old" in outcome.stdout
    assert "endpoint      127.0.0.9:8080" in outcome.stdout
    assert "policy        rate-limit rps=7" in outcome.stdout
    assert "path /gone (Prefix) of Ingress default/old: does not take /a" in outcome.stdout


@pytest.mark.parametrize("flag", ["--watch-namespace=default", "--logtostderr", "--v=2", "--profiling=no"])
def test_what_follows_a_flag_is_not_taken_for_its_value(run, sources, flag):
    [manifests] = sources["manifests"]
    assert run("explain", manifests, flag, "http://site.test/a").returncode == SERVED
    folder = manifests.removeprefix("--manifests=")
    assert "host site.test" in run("check", flag, folder).stdout


@SOURCES
def test_a_conflict_and_a_missing_service(run, sources, source):
    outcome = run("explain", *sources[source], "http://site.test/gone/x", "-o", "json")
    assert (outcome.returncode, outcome.stderr) == (NOT_SERVED, ""), outcome
    told = json.loads(outcome.stdout)
    assert (told["served"], told["status"], told["outcome"]) == (False, 503, "no-endpoints")
    assert (told["route"]["ingress"], told["pool"]["status"]) == ("old", "no-service")
    assert {"what": "path / (Prefix) of Ingress default/old", "why": "takes the request too, but /gone is longer"} in told[
        "bypassed"
    ]
    problems = {(one["object"], one["reason"]) for one in told["diagnostics"]}
    assert {("default/new", "PathConflict"), ("default/old", "ServiceNotFound")} <= problems


@SOURCES
def test_certificate_and_redirect(run, sources, source, certificate):
    outcome = run("explain", *sources[source], "https://secure.test/", "--output=json")
    shown = json.loads(outcome.stdout)["certificate"]
    assert (shown["secret"], shown["coversHost"], shown["default"]) == ("default/secure", True, False)
    plain = run("explain", *sources[source], "secure.test/a")
    assert plain.returncode == SERVED
    assert "308: plain requests are redirected to https" in plain.stdout and "https://secure.test/a" in plain.stdout
    unknown = run("explain", *sources[source], "https://nobody.test/")
    assert unknown.returncode == NOT_SERVED
    assert "404: no rule has the host" in unknown.stdout and "self-made (the default)" in unknown.stdout
    everything = outcome.stdout + plain.stdout + unknown.stdout
    assert "PRIVATE KEY" not in everything and certificate.key_pem.splitlines()[1] not in everything


@SOURCES
def test_routes(run, sources, source):
    outcome = run("routes", *sources[source])
    assert (outcome.returncode, outcome.stderr) == (SERVED, ""), outcome
    rows = [line.split() for line in outcome.stdout.splitlines()]
    assert rows[0] == ["HOST", "PATH", "TYPE", "INGRESS", "BACKEND", "READY", "TLS"]
    assert ["secure.test", "/", "Prefix", "default/secure", "web:80", "1", "default/secure"] in rows
    assert ["site.test", "/gone", "Prefix", "default/old", "gone:80", "0", "-"] in rows
    listed = json.loads(run("routes", *sources[source], "-o", "json").stdout)
    assert [row["path"] for row in listed if row["host"] == "site.test"] == ["/", "/gone"]


def test_what_is_told_is_what_is_done(run, start_cppx, certificate, make_backend):
    """The running process answers as explain says, whatever the request."""
    backend = make_backend("web")
    cppx = start_cppx({"site.yaml": objects(certificate, backend)[1:]})
    for target in ("/", "/a", "/gone", "/gone/x", "/gone%2Fx", "/./gone", "/%zz", "/../x", "/healthz"):
        for host in ("site.test", "SITE.test.", "site.test:81", "secure.test", "nobody.test"):
            told = run("explain", f"--from=http://127.0.0.1:{cppx.health_port}", f"http://{host}{target}", "-o", "json")
            assert told.stderr == "", told
            assert json.loads(told.stdout).get("status", 200) == cppx.get(host, target).status, (host, target)


def test_no_routes(run, tmp_path):
    (tmp_path / "none").mkdir()
    outcome = run("routes", f"--manifests={tmp_path}/none")
    assert (outcome.returncode, outcome.stderr) == (NOT_SERVED, ""), outcome


@pytest.mark.parametrize(
    "arguments",
    [
        ["explain"],
        ["explain", "http://site.test/", "--manifests=nowhere"],
        ["explain", "ftp://site.test/"],
        ["explain", "http://site.test/", "-H", "nonsense"],
        ["explain", "http://site.test/", "-o", "yaml"],
        ["explain", "http://site.test/", "--client-ip=x"],
        ["explain", "http://site.test/", "--from=https://127.0.0.1:1"],
        ["explain", "http://site.test/", "--from=nonsense://"],
        ["routes", "--manifests=nowhere"],
        ["routes", "--kubeconfig=nowhere"],
    ],
)
def test_errors_of_use(run, arguments):
    outcome = run(*arguments)
    assert outcome.returncode == ERROR_OF_USE, outcome
    assert len(outcome.stderr.strip().splitlines()) == 1 and outcome.stdout == "", outcome


def test_nobody_listens_where_from_points(run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening: refused
        outcome = run("routes", f"--from=http://127.0.0.1:{taken.getsockname()[1]}")
    assert outcome.returncode == ERROR_OF_USE and outcome.stderr.startswith("cppx: --from: "), outcome


def test_the_admin_server_answers_bad_questions_in_one_line(site):
    port = site.cppx.health_port
    for target in ("/explain", "/explain?url=", "/explain?url=ftp%3A%2F%2Fx%2F", "/explain?url=%zz", "/explain?u=1"):
        response = ask(port, request(target=target, host="localhost"))
        assert response.status == 400 and response.text.count("\n") == 1, (target, response.text)


def test_the_example_of_the_documents(run):
    root = pathlib.Path(__file__).resolve().parents[2]
    text = (root / "docs" / "troubleshooting.md").read_text()
    url, told = re.search(r"^\$ cppx explain --manifests=examples/tutorial/demo (\S+)\n(.*?)```", text, re.M | re.S).groups()
    outcome = run("explain", f"--manifests={root}/examples/tutorial/demo", url)
    assert (outcome.returncode, outcome.stdout) == (SERVED, told)
