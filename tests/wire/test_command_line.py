"""Flags, help, and errors of use: one line that says what and where, exit code 2."""

import re
import socket

import pytest

from support.cppx import Cppx
from support.manifests import INGRESS_CLASS, ingress, rule, service_of, to_yaml
from support.program import runner


@pytest.fixture
def run(cppx_binary, tmp_path):
    return runner(cppx_binary, tmp_path, 20)


@pytest.fixture
def manifests(tmp_path):
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "class.yaml").write_text(to_yaml([INGRESS_CLASS]))
    return folder


PORTS = ["--http-port=0", "--https-port=0", "--healthz-port=0", "--bind-address=127.0.0.1"]


def expect_error_of_use(outcome, *words):
    """Exit code 2, nothing on stdout, one line on stderr that holds the words and no trace."""
    assert outcome.returncode == 2, outcome
    lines = outcome.stderr.strip().splitlines()
    assert len(lines) == 1, outcome.stderr
    for word in words:
        assert str(word) in lines[0], lines[0]
    for trace in ("terminate called", "what():", "std::", "boost::", "0x", "Sanitizer"):
        assert trace not in outcome.stderr
    assert outcome.stdout == ""


def test_unknown_flag(run, manifests):
    expect_error_of_use(run(f"--manifests={manifests}", *PORTS, "--no-such-flag"), "--no-such-flag")


def test_unknown_command(run):
    expect_error_of_use(run("no-such-command"), "no-such-command")


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--http-port", "70000"),
        ("--http-port", "-1"),
        ("--https-port", "http"),
        ("--healthz-port", "1.5"),
        ("--workers", "many"),
        ("--bind-address", "300.1.2.3"),
        ("--configmap", "no-namespace"),
        ("--default-ssl-certificate", "a/b/c"),
        ("--publish-service", "no-namespace"),
        ("--election-ttl", "soon"),
        ("--election-ttl", "10ms"),
        ("--election-id", "No Name"),
        ("--status-update-interval", "4"),
        ("--watch-namespace", "shop,Not_A_Name"),
        ("--watch-namespace-selector", "team in (a"),
        ("--snapshot-cache", "."),
        ("--snapshot-cache-key-file", "key"),
    ],
)
def test_a_value_that_cannot_be_used(run, manifests, flag, value):
    arguments = [part for part in PORTS if not part.startswith(flag + "=")]
    expect_error_of_use(run(f"--manifests={manifests}", *arguments, f"{flag}={value}"), flag)


def test_two_sources_of_the_status_are_one_too_many(run, manifests):
    flags = ["--publish-service=a/b", "--publish-status-address=192.0.2.1"]
    expect_error_of_use(run(f"--manifests={manifests}", *PORTS, *flags), "--publish-service", "--publish-status-address")


def test_a_flag_without_its_value(run):
    expect_error_of_use(run("--manifests"), "--manifests")


def test_manifests_that_do_not_exist(run, tmp_path):
    expect_error_of_use(run(f"--manifests={tmp_path}/nowhere", *PORTS), f"{tmp_path}/nowhere")


def test_kubeconfig_that_does_not_exist(run, tmp_path):
    expect_error_of_use(run(f"--kubeconfig={tmp_path}/nowhere", *PORTS), f"{tmp_path}/nowhere")


@pytest.mark.parametrize(
    "text",
    ["not: [a kubeconfig", "", "apiVersion: v1\nkind: Config\n", "apiVersion: v1\nkind: Config\ncurrent-context: gone\n"],
    ids=["no yaml", "empty", "no context", "context that is not there"],
)
def test_kubeconfig_that_cannot_be_used(run, tmp_path, text):
    (tmp_path / "config").write_text(text)
    expect_error_of_use(run(f"--kubeconfig={tmp_path}/config", *PORTS), f"{tmp_path}/config")


def test_kubeconfig_that_names_a_missing_file(run, tmp_path):
    (tmp_path / "config").write_text(
        """apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: k, user: u}}]
clusters: [{name: k, cluster: {server: "https://127.0.0.1:1", certificate-authority: missing-ca.crt}}]
users: [{name: u, user: {token: t}}]
"""
    )
    expect_error_of_use(run(f"--kubeconfig={tmp_path}/config", *PORTS), "missing-ca.crt")


def test_namespaces_by_name_and_by_selector(run):
    outcome = run("--watch-namespace=a", "--watch-namespace-selector=b=c", *PORTS)
    expect_error_of_use(outcome, "--watch-namespace-selector", "--watch-namespace")


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_snapshot_cache_that_is_no_folder(run, tmp_path, name):
    (tmp_path / "file").write_text("")
    outcome = run("--apiserver-host=http://127.0.0.1:1", f"--snapshot-cache={tmp_path}/{name}", *PORTS)
    expect_error_of_use(outcome, "--snapshot-cache", f"{tmp_path}/{name}")


def test_a_key_that_is_too_short(run, tmp_path):
    (tmp_path / "key").write_bytes(b"k" * 31)
    arguments = [f"--snapshot-cache={tmp_path}", f"--snapshot-cache-key-file={tmp_path}/key"]
    outcome = run("--apiserver-host=http://127.0.0.1:1", *arguments, *PORTS)
    expect_error_of_use(outcome, "--snapshot-cache-key-file", f"{tmp_path}/key")


def test_neither_manifests_nor_a_cluster(run):
    expect_error_of_use(run(*PORTS), "--manifests")


@pytest.mark.parametrize("flag", ["--http-port", "--https-port", "--healthz-port"])
def test_a_port_in_use(run, manifests, flag):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        arguments = [part for part in PORTS if not part.startswith(flag + "=")]
        expect_error_of_use(run(f"--manifests={manifests}", *arguments, f"{flag}={port}"), port)


def test_a_port_in_use_by_another_cppx(run, manifests, start_cppx):
    other = start_cppx({})
    arguments = ["--https-port=0", "--healthz-port=0", "--bind-address=127.0.0.1"]
    outcome = run(f"--manifests={manifests}", *arguments, f"--http-port={other.http_port}")
    expect_error_of_use(outcome, other.http_port)


def test_an_address_that_is_not_ours(run, manifests):
    arguments = [part for part in PORTS if "bind" not in part]
    expect_error_of_use(run(f"--manifests={manifests}", *arguments, "--bind-address=192.0.2.1"), "192.0.2.1")


FLAGS = {
    "--manifests": None,
    "--kubeconfig": None,
    "--ingress-class": "cppx",
    "--controller-class": "cppx.io/ingress-controller",
    "--watch-ingress-without-class": "false",
    "--ingress-class-by-name": "false",
    "--watch-namespace": None,
    "--watch-namespace-selector": None,
    "--snapshot-cache": None,
    "--snapshot-cache-key-file": None,
    "--configmap": None,
    "--default-ssl-certificate": None,
    "--default-backend-service": None,
    "--http-port": "80",
    "--https-port": "443",
    "--healthz-port": "10254",
    "--bind-address": None,
    "--workers": None,
    "--annotations-prefix": "nginx.ingress.kubernetes.io",
    "--disable-catch-all": "false",
    "--disable-svc-external-name": "false",
    "--disable-leader-election": "false",
    "--election-id": "cppx-leader",
    "--election-ttl": "30s",
    "--update-status": "true",
    "--update-status-on-shutdown": "true",
    "--publish-service": None,
    "--publish-status-address": None,
    "--report-node-internal-ip-address": "false",
    "--status-update-interval": "60",
    "--disable-sync-events": "false",
}


def help_of(text, flag):
    """The part of the help that speaks of a flag: its line and the indented lines after it."""
    found = re.search(rf"^\s*(-\w,\s*)?{flag}\b(?!-).*(\n\s{{8,}}(?!-).*)*", text, re.MULTILINE)
    assert found, f"{flag} is not in the help"
    return found.group(0)


@pytest.mark.parametrize("flag", FLAGS)
def test_help_lists_every_flag_with_its_default(run, flag):
    outcome = run("--help")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    default = FLAGS[flag]
    if default is not None:
        assert re.search(rf"(?<![\w.]){re.escape(default)}(?![\w-])", help_of(outcome.stdout, flag)), outcome.stdout
    else:
        help_of(outcome.stdout, flag)


def test_every_flag_in_the_help_is_explained(run):
    text = run("--help").stdout
    for flag in re.findall(r"^\s+(?:-\w,\s*)?(--[a-z][\w-]*)", text, re.MULTILINE):
        assert len(help_of(text, flag).split()) > 3, f"{flag} has no explanation"


def test_version(run):
    outcome = run("--version")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert re.search(r"\d+\.\d+\.\d+", outcome.stdout)
    assert len(outcome.stdout.strip().splitlines()) == 1


def test_flags_of_many_manifests_are_accepted(tmp_path, cppx_binary):
    """What charts and manifests of ingress-nginx pass."""
    flags = ["--v=2", "--logtostderr", "--profiling=no", "--ingress-class=nginx", "--controller-class=k8s.io/ingress-nginx"]
    with Cppx(tmp_path / "manifests", {}, flags=flags) as cppx:
        assert cppx.health("/readyz") == 200
        cppx.wait_for_log("flag --profiling changes nothing")


def test_several_manifests_folders_and_a_single_file(start_cppx, tmp_path, make_backend):
    backend = make_backend("web")
    more = tmp_path / "more"
    more.mkdir()
    (more / "web.yaml").write_text(to_yaml(service_of("web", backend)))
    single = tmp_path / "single.yaml"
    single.write_text(to_yaml([ingress("single", rule("single.test", "web:80"))]))
    cppx = start_cppx({}, flags=[f"--manifests={more}", f"--manifests={single}"])
    assert cppx.status_of("single.test") == 200
    draft = tmp_path / "draft"
    draft.write_text(to_yaml([ingress("single", rule("changed.test", "web:80"))]))
    draft.rename(single)
    cppx.wait_until_served(lambda: cppx.status_of("changed.test") == 200, "the single file's change")
