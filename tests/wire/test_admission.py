"""The validating webhook as an API server sees it: HTTPS, AdmissionReviews, limits, certificates."""

import http.client
import json
import re
import socket
import ssl
import subprocess
import threading

import pytest

from support.certificates import make_certificate
from support.manifests import ingress, rule, service_of, to_yaml
from support.waiting import scaled, wait_for

NAME = "cppx-admission.cppx-system.svc"
PATH = "/networking/v1/ingresses?timeout=5s"  # the query is what an API server appends
PREFIX = "nginx.ingress.kubernetes.io/"


class Webhook:
    """The webhook of a running cppx."""

    def __init__(self, cppx, certificate):
        self.cppx = cppx
        self.certificate = certificate
        self.port = int(wait_for(lambda: re.search(r"validating webhook on port (\d+)", cppx.log), 5, "the webhook")[1])

    def connect(self):
        context = ssl.create_default_context(cadata=self.certificate.certificate_pem)
        plain = socket.create_connection(("127.0.0.1", self.port), scaled(10))
        return context.wrap_socket(plain, server_hostname=NAME)

    def post(self, body, path=PATH, method="POST"):
        """(status, text) of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=scaled(20))
        connection.sock = self.connect()
        try:
            connection.request(method, path, body, {"Content-Type": "application/json", "Host": NAME})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def review(self, obj, **changes):
        """The response of an AdmissionReview of an object."""
        status, text = self.post(json.dumps(review_of(obj, **changes)))
        assert status == 200, text
        answer = json.loads(text)
        assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
        assert answer["response"]["uid"] == "uid-1"
        return answer["response"]

    def denied(self, obj, **changes):
        """The message of a refusal."""
        response = self.review(obj, **changes)
        assert not response["allowed"], response
        status = response["status"]
        assert (status["code"], status["reason"]) == (400, "BadRequest") and "\n" not in status["message"]
        return status["message"]


def review_of(obj, operation="CREATE", uid="uid-1", kind="Ingress", group="networking.k8s.io", **more):
    request = {
        "uid": uid,
        "kind": {"group": group, "version": "v1", "kind": kind},
        "operation": operation,
        "namespace": "default",
        "object": obj,
        **more,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def new(host="new.test", annotations=None, **options):
    return ingress("new", rule(host, ("/", "Prefix", "web:80")), annotations=annotations, **options)


def files_flags(folder, certificate):
    (folder / "hook.crt").write_text(certificate.certificate_pem)
    (folder / "hook.key").write_text(certificate.key_pem)
    return [
        "--validating-webhook=127.0.0.1:0",
        f"--validating-webhook-certificate={folder}/hook.crt",
        f"--validating-webhook-key={folder}/hook.key",
    ]


@pytest.fixture
def webhook(start_cppx, tmp_path):
    certificate = make_certificate(NAME)
    objects = [
        *service_of("web", ("127.0.0.9", 80)),
        ingress("old", rule("taken.test", ("/", "Prefix", "web:80")), created="2026-01-01T00:00:00Z"),
    ]
    cppx = start_cppx({"site.yaml": objects}, flags=files_flags(tmp_path, certificate))
    return Webhook(cppx, certificate)


def test_verdicts(webhook):
    assert webhook.review(new()) == {"uid": "uid-1", "allowed": True}
    message = webhook.denied(new("taken.test"))
    assert "Ingress default/new spec.rules[0].http.paths[0]: PathConflict" in message and "Ingress default/old" in message
    assert "ssl-redirect" in webhook.denied(new(annotations={PREFIX + "ssl-redirect": "maybe"}))
    warned = webhook.review(new(tls=[("gone", "new.test")]))
    assert warned["allowed"] and "SecretNotFound" in warned["warnings"][0]
    assert wait_for(lambda: "admission of Ingress default/new denied" in webhook.cppx.log, 5, "a log line")


def test_what_is_not_asked_about_is_allowed(webhook):
    bad = new("taken.test")
    for changes in (
        {"operation": "DELETE"},
        {"operation": "CONNECT"},
        {"kind": "Service", "group": ""},
        {"group": "extensions"},
        {"subResource": "status"},
    ):
        assert webhook.review(bad, **changes) == {"uid": "uid-1", "allowed": True}, changes
    assert webhook.review(new("taken.test", class_name="other"))["allowed"]
    assert webhook.review(None, operation="DELETE")["allowed"]


def test_an_object_that_cannot_be_read_is_refused(webhook):
    broken = new()
    broken["spec"]["rules"][0]["http"]["paths"][0]["pathType"] = "Nonsense"
    assert "pathType" in webhook.denied(broken)
    assert "spec" in webhook.denied({**new(), "spec": {"rules": 7}})
    nameless = new("taken.test")
    nameless["metadata"] = {"generateName": "made-"}
    assert "Ingress default/made-new" in webhook.denied(nameless)


def test_an_ingress_of_too_many_rules_is_refused(webhook):
    large = new()
    large["spec"]["rules"] = [{"host": f"h{number}.test"} for number in range(10_001)]
    assert "Ingress default/new spec.rules: TooLarge: has 10001 rules" in webhook.denied(large)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        "[" * 100_000,
        json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}),
        json.dumps({**review_of(new()), "apiVersion": "admission.k8s.io/v1beta1"}),
        json.dumps({**review_of(new()), "kind": "Review"}),
        json.dumps(review_of(new(), uid="")),
        json.dumps(review_of(new(), uid=7)),
    ],
    ids=["empty", "no json", "list", "nothing", "deep", "no request", "v1beta1", "kind", "no uid", "uid of another type"],
)
def test_malformed_reviews_are_bad_requests_in_one_line(webhook, body):
    status, text = webhook.post(body)
    assert status == 400 and text.count("\n") == 1, text
    assert webhook.review(new())["allowed"]


def test_other_requests(webhook):
    assert webhook.post("", path="/other")[0] == 404
    assert webhook.post(None, method="GET")[0] == 405
    assert webhook.post(" " * (3 << 20) + json.dumps(review_of(new())))[0] == 200
    assert webhook.review(new())["allowed"]


def test_a_body_without_end_is_refused(webhook):
    with webhook.connect() as connection:
        connection.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_idle_connections_give_way(webhook):
    """More connections than there is room for, none of which asks anything: the next one is answered."""
    idle = [webhook.connect() for _ in range(80)]
    try:
        assert webhook.review(new())["allowed"]
        hello = [socket.create_connection(("127.0.0.1", webhook.port)) for _ in range(80)]
        assert webhook.review(new())["allowed"]
        for connection in hello:
            connection.close()
    finally:
        for connection in idle:
            connection.close()


def test_many_at_once(webhook):
    failures = []

    def ask(number):
        try:
            assert webhook.review(new(f"h{number}.test"))["allowed"]
            assert not webhook.review(new("taken.test"))["allowed"]
        except Exception as failure:
            failures.append(failure)

    askers = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert not failures, failures


def test_it_follows_changes(webhook):
    webhook.cppx.apply("more.yaml", [ingress("more", rule("more.test", ("/", "Prefix", "web:80")))])
    assert "default/more" in webhook.denied(new("more.test"))
    webhook.cppx.apply("more.yaml", [])
    assert webhook.review(new("more.test"))["allowed"]


def test_files_are_read_again(webhook, tmp_path):
    (tmp_path / "hook.crt").write_text("nonsense")
    wait_for(lambda: "the certificate from before stays in use" in webhook.cppx.log, 10, "a log line")
    assert webhook.review(new())["allowed"]
    before = webhook.certificate
    webhook.certificate = make_certificate(NAME)
    (tmp_path / "hook.crt").write_text(webhook.certificate.certificate_pem)
    (tmp_path / "hook.key").write_text(webhook.certificate.key_pem)

    def shown():
        try:
            return webhook.review(new())["allowed"]
        except ssl.SSLError:
            return False

    wait_for(shown, 10, "the new certificate")
    webhook.certificate = before
    with pytest.raises(ssl.SSLError):
        webhook.connect()


def test_nothing_in_an_ingress_makes_cppx_do_a_thing(webhook, tmp_path):
    """The ideas of CVE-2021-25742, 2021-25745, 2023-5043, 2023-5044, 2025-1097, 2025-1098, 2025-24514 and 2025-1974."""
    evil = tmp_path / "evil.so"
    evil.write_text("this is opened by nobody")
    token = tmp_path / "token"
    token.write_text("secret of the service account")
    before = (evil.stat().st_atime_ns, token.stat().st_atime_ns)
    with socket.socket() as trap:
        trap.bind(("127.0.0.1", 0))
        trap.listen()
        trap.settimeout(0)
        address = f"http://127.0.0.1:{trap.getsockname()[1]}/"
        payloads = [f"{address}#;\n}}\nload_module {evil};\n#", f"CN=x #(\n){{}}\nssl_engine {evil};", f"{token}", address]
        names = "auth-url auth-signin auth-tls-match-cn auth-tls-secret mirror-target mirror-host permanent-redirect"
        names += " rewrite-target proxy-ssl-secret custom-headers x-forwarded-prefix whitelist-source-range"
        told = []
        for name in names.split():
            for payload in payloads:
                told.append(webhook.review(new(annotations={PREFIX + name: payload})))
        for name in ("configuration-snippet", "server-snippet", "auth-snippet", "stream-snippet", "modsecurity-snippet"):
            assert "SnippetRefused" in webhook.denied(new(annotations={PREFIX + name: f"root {tmp_path};"}))
        for path in ("/var/run/secrets/kubernetes.io/serviceaccount/token", "/x/{alias /etc/;}", "/etc/nginx/nginx.conf"):
            refused = ingress("new", rule("new.test", (path, "ImplementationSpecific", "web:80")))
            assert "PathRefused" in webhook.denied(refused)
        injected = new()
        injected["metadata"]["uid"] = f"1234#;\n\n}}\n}}\n}}\nssl_engine {evil}"
        assert "InvalidUid" in webhook.denied(injected)
        with pytest.raises(BlockingIOError):
            trap.accept()
    assert (evil.stat().st_atime_ns, token.stat().st_atime_ns) == before
    assert "secret of the service account" not in json.dumps(told) + webhook.cppx.log
    assert str(evil) not in maps_of(webhook.cppx)
    for response in told:
        assert "\n" not in response.get("status", {}).get("message", "") + "".join(response.get("warnings", []))


def test_nothing_of_them_is_done_when_they_are_served_either(start_cppx, tmp_path):
    """Ingresses that were written before there was a webhook, or past it."""
    evil = tmp_path / "evil.so"
    evil.write_text("this is opened by nobody")
    before = evil.stat().st_atime_ns
    with socket.socket() as trap:
        trap.bind(("127.0.0.1", 0))
        trap.listen()
        trap.settimeout(0)
        address = f"http://127.0.0.1:{trap.getsockname()[1]}/"
        bad = [
            new("snippet.test", annotations={PREFIX + "server-snippet": f"load_module {evil};", PREFIX + "auth-url": address}),
            ingress("path", rule("path.test", (f"/x{{alias {tmp_path};}}", "ImplementationSpecific", "web:80"))),
            ingress("mirror", rule("mirror.test", "web:80"), annotations={PREFIX + "mirror-target": address}),
        ]
        cppx = start_cppx({"site.yaml": [*service_of("web", ("127.0.0.1", 1)), *bad]})
        assert cppx.get("path.test", "/xevil.so").status == 404
        assert cppx.get("mirror.test").status == 502
        with pytest.raises(BlockingIOError):
            trap.accept()
    assert evil.stat().st_atime_ns == before and str(evil) not in maps_of(cppx)


def maps_of(cppx):
    """What the process has mapped: what it has loaded."""
    with open(f"/proc/{cppx.process.pid}/maps") as maps:
        return maps.read()


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (["--validating-webhook=127.0.0.1:0"], "--validating-webhook-service"),
        (["--validating-webhook=127.0.0.1:0", "--validating-webhook-certificate=x"], "--validating-webhook-key"),
        (
            ["--validating-webhook=:0", "--validating-webhook-certificate=nowhere", "--validating-webhook-key=nowhere"],
            "nowhere",
        ),
        (["--validating-webhook=nonsense", "--validating-webhook-service=a/b"], "nonsense"),
        (["--validating-webhook=1.2.3.4.5:1", "--validating-webhook-service=a/b"], "1.2.3.4.5"),
        (["--validating-webhook=:0", "--validating-webhook-service=no-slash"], "no-slash"),
        (["--validating-webhook=192.0.2.1:0", "--validating-webhook-service=a/b"], "192.0.2.1"),
    ],
)
def test_errors_of_use(cppx_binary, tmp_path, flags, word):
    (tmp_path / "none.yaml").write_text(to_yaml([new()]))
    ports = ["--http-port=0", "--https-port=0", "--healthz-port=0", "--bind-address=127.0.0.1"]
    outcome = subprocess.run(
        [cppx_binary, f"--manifests={tmp_path}", *ports, "--log-level=error", *flags],
        capture_output=True,
        text=True,
        timeout=scaled(20),
        cwd=tmp_path,
    )
    lines = [line for line in outcome.stderr.splitlines() if line.startswith("cppx: ")]
    assert outcome.returncode == 2 and len(lines) == 1 and word in lines[0], outcome
