"""X-Forwarded-* of trusted peers: use-forwarded-headers, enable-real-ip and what belongs to them."""

import contextlib
import itertools

import pytest

from support.backend import Backend
from support.certificates import make_certificate
from support.client import Connection, client_context, request
from support.cppx import Cppx
from support.h2 import H2Client
from support.h2_backend import H2Backend
from support.manifests import ingress, rule, service_of, tls_secret
from support.proxy_protocol import version1

LOAD_BALANCER = "127.0.0.1"
STRANGER = "127.0.0.2"
TRUSTED = {"use-forwarded-headers": "true", "proxy-real-ip-cidr": f"{LOAD_BALANCER}, 10.0.0.0/8"}
SAID = [
    ("X-Forwarded-For", "203.0.113.9, 192.0.2.1, 10.0.0.7"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "www.example.com:8443, inner.example.com"),
    ("X-Forwarded-Port", "8443"),
]
# What backends speak: (kind, host without TLS, host with TLS, annotations).
BACKENDS = {
    "HTTP/1.1": (Backend, "site.test", "secure.test", None),
    "HTTP/2": (H2Backend, "site2.test", "secure2.test", {"nginx.ingress.kubernetes.io/backend-protocol": "GRPC"}),
}


@pytest.fixture(scope="module")
def running(cppx_binary, tmp_path_factory):
    """One cppx for each set of settings, and the backends of all: running(config), backends."""
    backends = {speaks: kind(f"main-{number}") for number, (speaks, (kind, *_)) in enumerate(BACKENDS.items())}
    objects = [tls_secret("secure", make_certificate("secure.test", "secure2.test"))]
    for speaks, (_, plain, secure, notes) in BACKENDS.items():
        name = backends[speaks].name
        objects += service_of(name, backends[speaks])
        objects.append(ingress(plain, rule(plain, f"{name}:80"), annotations=notes))
        objects.append(ingress(secure, rule(secure, f"{name}:80"), annotations=notes, tls=[("secure", secure)]))
    started = {}
    with contextlib.ExitStack() as stack:
        for backend in backends.values():
            stack.enter_context(backend)

        def start(config):
            key = tuple(sorted(config.items()))
            if key not in started:
                folder = tmp_path_factory.mktemp("forwarded") / "manifests"
                started[key] = stack.enter_context(Cppx(folder, {"site.yaml": objects}, config=config))
            return started[key]

        yield start, backends


@pytest.fixture(params=itertools.product(("HTTP/1.1", "HTTP/2"), BACKENDS), ids=" to ".join)
def site(running, request):
    client, speaks = request.param
    start, backends = running
    backends[speaks].clear()
    used = []

    def start_site(**config):
        cppx = start({name.replace("_", "-"): value for name, value in config.items()})
        used.append(cppx)
        return Site(cppx, backends[speaks], client, *BACKENDS[speaks][1:3])

    yield start_site
    assert not backends[speaks].errors, backends[speaks].errors
    for cppx in used:
        cppx.check_log()


class Site:
    """A cppx and its backend, asked in one version of HTTP by one from a given address."""

    def __init__(self, cppx, backend, client, host, secure):
        self.cppx, self.backend = cppx, backend
        self.http2 = client == "HTTP/2"
        self.host, self.secure = host, secure

    def ask(self, headers, source=LOAD_BALANCER, before=b"", host=None, target="/", tls=False):
        """Status and Location of the answer to a request, on a connection that begins with `before`."""
        host = host or self.host
        if tls:
            context = client_context(alpn=["h2" if self.http2 else "http/1.1"])
            connection = Connection.tls(self.cppx.https_port, host, context, source=source)
        else:
            connection = Connection(self.cppx.http_port, source=source)
        with connection:
            connection.send(before)
            if self.http2:
                fields = [(name.lower(), value) for name, value in headers]
                client = H2Client(connection, "https" if tls else "http")
                response = client.ask(path=target, host=host, headers=fields)
            else:
                response = connection.ask(request(target=target, host=host, headers=headers))
        return response.status, response.headers.one("Location")

    def seen(self, headers, source=LOAD_BALANCER, **options):
        """What the backend was told about the client."""
        before = len(self.backend.requests)
        assert self.ask(headers, source, **options) == (200, None)
        assert len(self.backend.requests) == before + 1
        names = ("X-Real-IP", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto")
        assert self.told("X-Forwarded-Scheme") == self.told("X-Scheme") == self.told("X-Forwarded-Proto")
        return [self.told_host(), *map(self.told, names)]

    def told(self, name):
        return self.backend.last.headers.one(name)

    def told_host(self):
        last = self.backend.last
        if not isinstance(self.backend, H2Backend):
            return last.headers.one("Host")
        assert last.headers.all("host") in ([], [last.pseudo[":authority"]])
        return last.pseudo[":authority"]

    def plain(self, address):
        """What a client is when nobody says anything about it."""
        return [self.host, address, address, self.host, str(self.cppx.http_port), "http"]


def test_a_trusted_peer_is_believed(site):
    site = site(**TRUSTED)
    assert site.seen(SAID) == ["www.example.com:8443", "192.0.2.1", "192.0.2.1", "www.example.com:8443", "8443", "https"]
    assert site.told("X-Original-Forwarded-For") == "203.0.113.9, 192.0.2.1, 10.0.0.7"
    assert site.told("X-Original-Forwarded-Host") == "www.example.com:8443, inner.example.com"
    assert site.seen([]) == site.plain(LOAD_BALANCER)


def test_others_are_not(site):
    site = site(**TRUSTED)
    assert site.seen(SAID, source=STRANGER) == site.plain(STRANGER)
    assert site.told("X-Original-Forwarded-For") == SAID[0][1]
    assert site.told("X-Original-Forwarded-Host") == SAID[2][1]


def test_nobody_is_by_default(site):
    site = site()
    assert site.seen(SAID) == site.plain(LOAD_BALANCER)


def test_all_of_ipv4_is_unless_ranges_are_given(site):
    site = site(use_forwarded_headers="true")
    assert site.seen(SAID, source=STRANGER)[1] == "203.0.113.9"


def test_the_address_alone(site):
    site = site(enable_real_ip="true", proxy_real_ip_cidr=TRUSTED["proxy-real-ip-cidr"])
    plain = site.plain("192.0.2.1")
    assert site.seen(SAID) == plain
    assert site.seen(SAID, source=STRANGER) == site.plain(STRANGER)


def test_the_whole_list_may_be_passed_on(site):
    site = site(**TRUSTED, compute_full_forwarded_for="true")
    assert site.seen(SAID)[1:3] == ["192.0.2.1", f"203.0.113.9, 192.0.2.1, 10.0.0.7, {LOAD_BALANCER}"]
    assert site.seen([])[1:3] == [LOAD_BALANCER, LOAD_BALANCER]
    assert site.seen(SAID, source=STRANGER)[1:3] == [STRANGER, STRANGER]


def test_the_address_may_come_in_another_field(site):
    site = site(**TRUSTED, forwarded_for_header="CF-Connecting-IP")
    headers = [("CF-Connecting-IP", "198.51.100.7"), ("X-Forwarded-For", "203.0.113.9")]
    assert site.seen(headers)[1:3] == ["198.51.100.7", "198.51.100.7"]
    assert site.told("X-Original-Forwarded-For") == "198.51.100.7"
    assert site.told("CF-Connecting-IP") == "198.51.100.7"


@pytest.mark.parametrize("value", ["unknown", "192.0.2.300", "192.0.2.1;", "<script>", "10.0.0.1:99999"])
def test_what_is_no_address_is_not_taken_for_one(site, value):
    site = site(**TRUSTED)
    assert site.seen([("X-Forwarded-For", value)])[1:3] == [LOAD_BALANCER, LOAD_BALANCER]


@pytest.mark.parametrize("host", ["a b", "user@a", "a/b", "a:b", "", ",x.test", "a" * 300])
def test_what_is_no_host_is_not_taken_for_one(site, host):
    site = site(**TRUSTED)
    assert site.seen([("X-Forwarded-Host", host)])[0] == site.host


def test_routes_are_found_by_the_host_of_the_request(site):
    site = site(**TRUSTED)
    assert site.ask([("X-Forwarded-Host", site.host)], host="unknown.test") == (404, None)


@pytest.mark.parametrize(
    ("headers", "source", "status", "location"),
    [
        ([("X-Forwarded-Proto", "https")], LOAD_BALANCER, 200, None),
        ([("X-Forwarded-Proto", "https")], STRANGER, 308, "https://{secure}/x"),
        ([("X-Forwarded-Proto", "http")], LOAD_BALANCER, 308, "https://{secure}/x"),
        ([], LOAD_BALANCER, 308, "https://{secure}/x"),
        ([("X-Forwarded-Host", "example.com:80")], LOAD_BALANCER, 308, "https://example.com/x"),
        ([("X-Forwarded-Host", "example.com:80")], STRANGER, 308, "https://{secure}/x"),
        ([("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")], LOAD_BALANCER, 308, "https://{secure}/x"),
    ],
)
def test_the_redirect_to_https_goes_by_what_users_see(site, headers, source, status, location):
    site = site(**TRUSTED)
    answer = site.ask(headers, source, host=site.secure, target="/x")
    assert answer == (status, location and location.format(secure=site.secure))


def test_a_trusted_peer_is_believed_over_tls(site):
    """TLS between the load balancer and cppx tells nothing about its client."""
    site = site(**TRUSTED)
    plain = [site.secure, LOAD_BALANCER, LOAD_BALANCER, site.secure, "443", "https"]
    assert site.seen([], host=site.secure, tls=True) == plain
    assert site.seen(SAID[:1], host=site.secure, tls=True)[1:3] == ["192.0.2.1", "192.0.2.1"]
    assert site.seen(SAID[2:], host=site.secure, tls=True)[3:] == ["www.example.com:8443", "8443", "https"]
    redirected = site.ask([("X-Forwarded-Proto", "http")], host=site.secure, target="/x", tls=True)
    assert redirected == (308, f"https://{site.secure}/x")
    assert site.seen([("X-Forwarded-Proto", "http")], STRANGER, host=site.secure, tls=True)[5] == "https"


def test_fields_behind_a_proxy_protocol_header_are_judged_by_its_address(site):
    config = {"use_proxy_protocol": "true", "use_forwarded_headers": "true"}
    site = site(**config, proxy_real_ip_cidr=f"{LOAD_BALANCER}, 10.0.0.0/8")
    through_proxy = version1("10.0.0.7", destination_port=1234)
    assert site.seen(SAID[:1], before=through_proxy)[1] == "192.0.2.1"
    direct = version1("198.51.100.7", destination_port=1234)
    assert site.seen(SAID, before=direct) == [site.host, "198.51.100.7", "198.51.100.7", site.host, "1234", "http"]


def test_a_bad_range_trusts_nobody(site):
    site = site(use_forwarded_headers="true", proxy_real_ip_cidr="127.0.0.1/33")
    assert site.seen(SAID) == site.plain(LOAD_BALANCER)
    site.cppx.wait_for_log("proxy-real-ip-cidr", "127.0.0.1/33")
