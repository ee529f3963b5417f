"""TLS termination: versions, ALPN, the certificate for a name, certificates replaced while serving."""

import socket
import ssl
import struct
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from support.backend import Backend
from support.certificates import make_certificate
from support.client import Connection, client_context, request
from support.cppx import Cppx
from support.manifests import ingress, rule, secret, service_of, tls_secret
from support.waiting import wait_for
from support.wire import Truncated

EXACT = make_certificate("a.tls.test")
WILDCARD = make_certificate("*.tls.test")
RSA = make_certificate("rsa.test", key="rsa")
SHARED = make_certificate("listed.test", "*.covered.test")
EXPIRED = make_certificate("expired.test", expired=True)
OTHER = make_certificate("somebody-else.test")
DEFAULT = make_certificate("default.test")
ACTIVE = "nginx_ingress_controller_nginx_process_connections{"
GOOD_HOSTS = ("a.tls.test", "b.tls.test", "rsa.test", "listed.test", "x.covered.test")


def host_with(name, secret_name, *secrets, listed=True):
    hosts = [name] if listed else []
    return [ingress(name.replace("*", "any"), rule(name, "web:80"), tls=[(secret_name, *hosts)]), *secrets]


def all_objects(backend):
    mangled = EXACT.certificate_pem.replace("A", "!")
    return [
        *service_of("web", backend),
        *host_with("a.tls.test", "exact", tls_secret("exact", EXACT)),
        *host_with("*.tls.test", "wildcard", tls_secret("wildcard", WILDCARD)),
        *host_with("rsa.test", "rsa", tls_secret("rsa", RSA)),
        ingress(
            "shared",
            rule("listed.test", "web:80"),
            rule("x.covered.test", "web:80"),
            rule("not-covered.test", "web:80"),
            tls=[("shared", "listed.test")],
        ),
        tls_secret("shared", SHARED),
        ingress("plain", rule("plain.test", "web:80")),
        *host_with("no-secret-name.test", None),
        *host_with("missing.test", "no-such-secret"),
        *host_with("opaque.test", "opaque", secret("opaque", {"some": "thing"}, kind="Opaque")),
        *host_with("empty.test", "empty", secret("empty", {"tls.crt": "", "tls.key": ""})),
        *host_with("mangled.test", "mangled", secret("mangled", {"tls.crt": mangled, "tls.key": EXACT.key_pem})),
        *host_with("no-key.test", "no-key", secret("no-key", {"tls.crt": EXACT.certificate_pem})),
        *host_with(
            "wrong-key.test", "wrong-key", tls_secret("wrong-key", make_certificate("wrong-key.test"), key_of=EXACT)
        ),
        *host_with("wrong-name.test", "wrong-name", tls_secret("wrong-name", OTHER)),
        *host_with("expired.test", "expired", tls_secret("expired", EXPIRED)),
    ]


@pytest.fixture(scope="module")
def hosts(cppx_binary, tmp_path_factory, module_backend):
    folder = tmp_path_factory.mktemp("tls") / "manifests"
    with Cppx(folder, {"all.yaml": all_objects(module_backend)}) as cppx:
        yield cppx


@pytest.fixture(scope="module")
def module_backend():
    with Backend("web") as backend:
        yield backend


def certificate_for(cppx, name):
    with cppx.connect_tls(name) as connection:
        return connection.certificate()


@pytest.mark.parametrize(
    ("name", "certificate"),
    [
        ("a.tls.test", EXACT),
        ("A.TLS.Test", EXACT),
        ("b.tls.test", WILDCARD),
        ("rsa.test", RSA),
        ("listed.test", SHARED),
        ("x.covered.test", SHARED),
    ],
)
def test_the_name_decides_the_certificate(hosts, name, certificate):
    assert certificate_for(hosts, name) == certificate.der


@pytest.mark.parametrize(
    "name",
    [None, "unknown.test", "x.b.tls.test", "tls.test", "plain.test", "not-covered.test", "y.covered.test", "no-secret-name.test"],
)
def test_other_names_get_the_self_made_certificate(hosts, name):
    der = certificate_for(hosts, name)
    assert der == certificate_for(hosts, "another-unknown.test")
    made = x509.load_der_x509_certificate(der)
    assert made.issuer == made.subject
    assert der not in {cert.der for cert in (EXACT, WILDCARD, RSA, SHARED, EXPIRED, OTHER)}


@pytest.mark.parametrize("name", ["a.tls.test", "b.tls.test", "plain.test", "no-secret-name.test"])
def test_any_host_is_served_over_https(hosts, name):
    with hosts.connect_tls(name) as connection:
        response = connection.ask(request(host=name))
    assert (response.status, response.text) == (200, "web")


def test_a_client_that_checks_everything_is_content(hosts):
    context = client_context(trusted_pem=EXACT.certificate_pem)
    with Connection.tls(hosts.https_port, "a.tls.test", context) as connection:
        assert connection.ask(request(host="a.tls.test")).status == 200


BAD = ["missing", "opaque", "empty", "mangled", "no-key", "wrong-key", "wrong-name"]


@pytest.mark.parametrize("name", BAD)
def test_a_secret_that_cannot_be_used_means_the_default_certificate(hosts, name):
    """The host is served all the same, and the redirect to https stays."""
    assert certificate_for(hosts, f"{name}.test") == certificate_for(hosts, None)
    with hosts.connect_tls(f"{name}.test") as connection:
        assert connection.ask(request(host=f"{name}.test")).status == 200
    assert hosts.get(f"{name}.test").status == 308


@pytest.mark.parametrize(("name", "secret_name"), [(bad, bad) for bad in BAD if bad != "missing"] + [("missing", "no-such-secret"), ("expired", "expired")])
def test_a_secret_that_cannot_be_used_is_reported_by_name(hosts, name, secret_name):
    hosts.wait_for_log(rf"default/{secret_name}\b")


def test_an_expired_certificate_hurts_nobody(hosts):
    assert certificate_for(hosts, "expired.test") in (EXPIRED.der, certificate_for(hosts, None))
    for name in GOOD_HOSTS:
        with hosts.connect_tls(name) as connection:
            assert connection.ask(request(host=name)).status == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", ["a.tls.test", "rsa.test"])
def test_versions(hosts, version, name):
    context = client_context(minimum=version, maximum=version)
    with Connection.tls(hosts.https_port, name, context) as connection:
        assert connection.sock.version() == version.name.replace("_", ".")
        assert connection.ask(request(host=name)).status == 200


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(hosts, version):
    context = client_context(minimum=version, maximum=version)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionResetError)) as refused:
        Connection.tls(hosts.https_port, "a.tls.test", context).close()
    assert "NO_PROTOCOLS_AVAILABLE" not in str(refused.value), "this client cannot speak the old version"


@pytest.mark.parametrize(
    ("offer", "chosen"),
    [(["http/1.1"], "http/1.1"), (["http/1.0", "http/1.1"], "http/1.1"), (None, None)],
)
def test_alpn_without_h2(hosts, offer, chosen):
    context = client_context(alpn=offer)
    with Connection.tls(hosts.https_port, "a.tls.test", context) as connection:
        assert connection.sock.selected_alpn_protocol() == chosen
        assert connection.ask(request(host="a.tls.test")).status == 200


@pytest.mark.parametrize("offer", [["h2", "http/1.1"], ["http/1.1", "h2"], ["h2"]])
def test_alpn_prefers_http2(hosts, offer):
    with Connection.tls(hosts.https_port, "a.tls.test", client_context(alpn=offer)) as connection:
        assert connection.sock.selected_alpn_protocol() == "h2"


@pytest.mark.parametrize("offer", [["h3"], ["spdy/3"]])
def test_alpn_with_nothing_in_common(hosts, offer):
    """An alert, or a connection without ALPN; never a protocol that is not spoken."""
    try:
        with Connection.tls(hosts.https_port, "a.tls.test", client_context(alpn=offer)) as connection:
            assert connection.sock.selected_alpn_protocol() is None
    except ssl.SSLError as error:
        assert "ALERT" in str(error).upper()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_can_be_resumed_on_any_worker(module_backend, tmp_path, version):
    """A worker that is busy is not waited for for long; all of ten by chance would be once in a million times."""
    context = client_context(minimum=version, maximum=version)
    last = request(host="a.tls.test", headers=[("Connection", "close")])

    def all_are_resumed():
        with cppx.connect_tls("a.tls.test", context=context) as connection:
            assert connection.ask(request(host="a.tls.test")).status == 200
            session = connection.sock.session
        taken = 0
        for _ in range(10):
            with cppx.connect_tls("a.tls.test", context=context, session=session) as again:
                taken += again.sock.session_reused
                again.sock.sendall(last)
                assert again.read_response().status == 200
        return taken == 10

    with Cppx(tmp_path / "m", {"all.yaml": all_objects(module_backend)}, workers=4) as cppx:
        assert any(all_are_resumed() for _ in range(10))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_clients_that_leave_while_their_session_is_fetched(module_backend, tmp_path, version):
    context = client_context(minimum=version, maximum=version)
    with Cppx(tmp_path / "m", {"all.yaml": all_objects(module_backend)}, workers=4) as cppx:
        with cppx.connect_tls("a.tls.test", context=context) as connection:
            assert connection.ask(request(host="a.tls.test")).status == 200
            session = connection.sock.session
        for _ in range(100):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = context.wrap_bio(incoming, outgoing, server_hostname="a.tls.test", session=session)
            with pytest.raises(ssl.SSLWantReadError):
                client.do_handshake()
            with socket.create_connection(("127.0.0.1", cppx.https_port), timeout=10) as plain:
                plain.sendall(outgoing.read())
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with cppx.connect_tls("a.tls.test", context=context, session=session) as connection:
            assert connection.ask(request(host="a.tls.test")).status == 200
        wait_for(lambda: cppx.metric(ACTIVE) == 0, 20, "all connections to end")


def test_closing_is_announced(hosts):
    """close_notify before the end: a client can tell an end from a cut."""
    with hosts.connect_tls("a.tls.test") as connection:
        assert connection.ask(request(host="a.tls.test", headers=[("Connection", "close")])).status == 200
        assert connection.sock.recv(100) == b""


def test_plain_http_on_the_https_port(hosts):
    with Connection(hosts.https_port) as connection:
        response = connection.ask(request(host="a.tls.test"))
        assert response.status == 400
        assert "The plain HTTP request was sent to HTTPS port" in response.text
        connection.expect_closed()


@pytest.mark.parametrize("raw", [b"\x16\x03\x01\x00\x05hello", b"\x80\x2e\x01\x00\x02", b"\x00" * 100, b"SSH-2.0-x\r\n"])
def test_nonsense_on_the_https_port_hurts_nobody(hosts, raw):
    with Connection(hosts.https_port) as connection:
        connection.send(raw)
        connection.finish_sending()
        try:
            connection.read_to_end()
        except Truncated:
            pass
    assert certificate_for(hosts, "a.tls.test") == EXACT.der


def test_a_renegotiating_or_vanishing_client_hurts_nobody(hosts):
    for _ in range(20):
        connection = hosts.connect_tls("a.tls.test")
        connection.send(request(host="a.tls.test")[:20])
        connection.reset()
    assert certificate_for(hosts, "a.tls.test") == EXACT.der


def test_a_default_certificate_by_flag(start_cppx, module_backend):
    objects = [
        *service_of("web", module_backend),
        tls_secret("default", DEFAULT, namespace="certs"),
        *host_with("a.tls.test", "exact", tls_secret("exact", EXACT)),
        *host_with("no-secret-name.test", None),
        *host_with("missing.test", "no-such-secret"),
    ]
    cppx = start_cppx({"all.yaml": objects}, flags=["--default-ssl-certificate=certs/default"])
    assert certificate_for(cppx, "a.tls.test") == EXACT.der
    for name in (None, "unknown.test", "no-secret-name.test", "missing.test"):
        assert certificate_for(cppx, name) == DEFAULT.der


def test_a_certificate_is_replaced_while_connections_go_on(start_cppx, module_backend):
    first, second = make_certificate("a.tls.test"), make_certificate("a.tls.test")
    routes = [*service_of("web", module_backend), *host_with("a.tls.test", "pair")]
    cppx = start_cppx({"routes.yaml": routes, "pair.yaml": [tls_secret("pair", first)]})
    with cppx.connect_tls("a.tls.test") as old:
        assert old.certificate() == first.der
        assert old.ask(request(host="a.tls.test")).status == 200
        cppx.write("pair.yaml", [tls_secret("pair", second)])
        cppx.wait_until_served(lambda: certificate_for(cppx, "a.tls.test") == second.der, "the new certificate")
        for _ in range(5):
            assert old.ask(request(host="a.tls.test")).status == 200
        before = len(cppx.log_lines)
        cppx.write("pair.yaml", [tls_secret("pair", second, key_of=first)])
        cppx.wait_for_log(r"default/pair\b", since=before)
        assert old.ask(request(host="a.tls.test")).status == 200
        cppx.remove("pair.yaml")
        cppx.wait_until_served(
            lambda: certificate_for(cppx, "a.tls.test") not in (first.der, second.der), "the default certificate"
        )
        assert old.ask(request(host="a.tls.test")).status == 200
        cppx.write("pair.yaml", [tls_secret("pair", first)])
        cppx.wait_until_served(lambda: certificate_for(cppx, "a.tls.test") == first.der, "the first certificate")


def test_no_handshake_fails_while_certificates_are_replaced(start_cppx, module_backend):
    pairs = [make_certificate("a.tls.test") for _ in range(4)]
    known = {pair.der for pair in pairs}
    routes = [*service_of("web", module_backend), *host_with("a.tls.test", "pair")]
    cppx = start_cppx({"routes.yaml": routes, "pair.yaml": [tls_secret("pair", pairs[0])]})
    failures, done, count = [], threading.Event(), [0]

    def client():
        while not done.is_set():
            try:
                with cppx.connect_tls("a.tls.test") as connection:
                    if connection.certificate() not in known:
                        failures.append("a foreign certificate")
                    if connection.ask(request(host="a.tls.test")).status != 200:
                        failures.append("not 200")
                    count[0] += 1
            except Exception as error:
                failures.append(repr(error))

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 30):
        done_before = count[0]
        cppx.write("pair.yaml", [tls_secret("pair", pairs[number % 4])])
        wait_for(lambda: count[0] > done_before + 3 or failures, 10, "handshakes between two replacements")
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []


CONFIGURED = "TLS: OpenSSL is configured (providers default, null) and used as it is"
OPENSSL_CONF = """openssl_conf = all
[all]
providers = providers
ssl_conf = tls
[providers]
default = used
{providers}
[used]
activate = 1
[tls]
system_default = defaults
[defaults]
{defaults}
"""


def openssl_configured(folder, providers="", defaults=""):
    (folder / "openssl.cnf").write_text(OPENSSL_CONF.format(providers=providers, defaults=defaults))
    return {"OPENSSL_CONF": str(folder / "openssl.cnf")}


@pytest.mark.parametrize("configured", [False, True])
def test_providers_of_the_machines_openssl_are_used_as_they_are(module_backend, tmp_path, configured):
    environment = openssl_configured(tmp_path, providers="null = used" if configured else "")
    with Cppx(tmp_path / "m", {"all.yaml": all_objects(module_backend)}, environment=environment) as cppx:
        for name in ("a.tls.test", "rsa.test"):
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                with cppx.connect_tls(name, context=client_context(minimum=version, maximum=version)) as connection:
                    assert connection.ask(request(host=name)).status == 200
        assert any(CONFIGURED in line for line in cppx.log_lines) == configured


@pytest.mark.parametrize("providers", ["", "null = used"])
def test_groups_of_the_machines_openssl_hold(module_backend, tmp_path, providers):
    environment = openssl_configured(tmp_path, providers, defaults="Groups = P-384")
    contexts = {curve: client_context() for curve in ("secp384r1", "prime256v1")}
    for curve, context in contexts.items():
        context.set_ecdh_curve(curve)
    with Cppx(tmp_path / "m", {"all.yaml": all_objects(module_backend)}, environment=environment) as cppx:
        with cppx.connect_tls("rsa.test", context=contexts["secp384r1"]) as connection:
            assert connection.ask(request(host="rsa.test")).status == 200
        with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
            cppx.connect_tls("rsa.test", context=contexts["prime256v1"])


@pytest.mark.parametrize("form", ["TraditionalOpenSSL", "PKCS8"])
def test_an_encrypted_key_is_said_to_be_one(module_backend, tmp_path, form):
    key = serialization.load_pem_private_key(EXACT.key_pem.encode(), None).private_bytes(
        serialization.Encoding.PEM,
        getattr(serialization.PrivateFormat, form),
        serialization.BestAvailableEncryption(b"a password"),
    )
    locked = secret("locked", {"tls.crt": EXACT.certificate_pem, "tls.key": key.decode()})
    objects = [*service_of("web", module_backend), *host_with("a.tls.test", "locked", locked)]
    with Cppx(tmp_path / "m", {"all.yaml": objects}) as cppx:
        assert "the private key is encrypted; store it without a passphrase" in cppx.log
