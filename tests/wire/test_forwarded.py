"""X-Forwarded-* of trusted peers: use-forwarded-headers, enable-real-ip and what belongs to them."""

import pytest

from support.certificates import make_certificate
from support.client import Connection, request
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


@pytest.fixture
def site(start_cppx, make_backend):
    def start(**config):
        backend = make_backend("main")
        objects = [
            *service_of("main", backend),
            ingress("site", rule("site.test", "main:80")),
            ingress("secure", rule("secure.test", "main:80"), tls=[("secure", "secure.test")]),
            tls_secret("secure", make_certificate("secure.test")),
        ]
        cppx = start_cppx({"site.yaml": objects}, config={k.replace("_", "-"): v for k, v in config.items()})
        return Site(cppx, backend)

    return start


class Site:
    def __init__(self, cppx, backend):
        self.cppx = cppx
        self.backend = backend

    def ask(self, raw, source=LOAD_BALANCER):
        with Connection(self.cppx.http_port, source=source) as connection:
            return connection.ask(raw)

    def seen(self, headers, source=LOAD_BALANCER, before=b""):
        """What the backend was told about the client."""
        assert self.ask(before + request(headers=headers), source).status == 200
        names = ("Host", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto")
        told = self.backend.last.headers
        assert told.one("X-Forwarded-Scheme") == told.one("X-Scheme") == told.one("X-Forwarded-Proto")
        return [told.one(name) for name in names]

    def plain(self, address):
        """What a client is when nobody says anything about it."""
        return ["site.test", address, address, "site.test", str(self.cppx.http_port), "http"]


def test_a_trusted_peer_is_believed(site):
    site = site(**TRUSTED)
    assert site.seen(SAID) == ["www.example.com:8443", "192.0.2.1", "192.0.2.1", "www.example.com:8443", "8443", "https"]
    told = site.backend.last.headers
    assert told.one("X-Original-Forwarded-For") == "203.0.113.9, 192.0.2.1, 10.0.0.7"
    assert told.one("X-Original-Forwarded-Host") == "www.example.com:8443, inner.example.com"
    assert site.seen([]) == site.plain(LOAD_BALANCER)


def test_others_are_not(site):
    site = site(**TRUSTED)
    assert site.seen(SAID, source=STRANGER) == site.plain(STRANGER)
    assert site.backend.last.headers.one("X-Original-Forwarded-For") == SAID[0][1]
    assert site.backend.last.headers.one("X-Original-Forwarded-Host") == SAID[2][1]


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
    assert site.backend.last.headers.one("X-Original-Forwarded-For") == "198.51.100.7"
    assert site.backend.last.headers.one("CF-Connecting-IP") == "198.51.100.7"


@pytest.mark.parametrize("value", ["unknown", "192.0.2.300", "192.0.2.1;", "<script>", "10.0.0.1:99999"])
def test_what_is_no_address_is_not_taken_for_one(site, value):
    site = site(**TRUSTED)
    assert site.seen([("X-Forwarded-For", value)])[1:3] == [LOAD_BALANCER, LOAD_BALANCER]


@pytest.mark.parametrize("host", ["a b", "user@a", "a/b", "a:b", "", ",x.test", "a" * 300])
def test_what_is_no_host_is_not_taken_for_one(site, host):
    site = site(**TRUSTED)
    assert site.seen([("X-Forwarded-Host", host)])[0] == "site.test"


def test_routes_are_found_by_the_host_of_the_request(site):
    site = site(**TRUSTED)
    assert site.ask(request(host="unknown.test", headers=[("X-Forwarded-Host", "site.test")])).status == 404


@pytest.mark.parametrize(
    ("headers", "source", "status", "location"),
    [
        ([("X-Forwarded-Proto", "https")], LOAD_BALANCER, 200, None),
        ([("X-Forwarded-Proto", "https")], STRANGER, 308, "https://secure.test/x"),
        ([("X-Forwarded-Proto", "http")], LOAD_BALANCER, 308, "https://secure.test/x"),
        ([], LOAD_BALANCER, 308, "https://secure.test/x"),
        ([("X-Forwarded-Host", "example.com:80")], LOAD_BALANCER, 308, "https://example.com/x"),
        ([("X-Forwarded-Host", "example.com:80")], STRANGER, 308, "https://secure.test/x"),
        ([("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")], LOAD_BALANCER, 308, "https://secure.test/x"),
    ],
)
def test_the_redirect_to_https_goes_by_what_users_see(site, headers, source, status, location):
    site = site(**TRUSTED)
    response = site.ask(request(target="/x", host="secure.test", headers=headers), source)
    assert (response.status, response.headers.one("Location")) == (status, location)


def test_fields_behind_a_proxy_protocol_header_are_judged_by_its_address(site):
    config = {"use_proxy_protocol": "true", "use_forwarded_headers": "true"}
    site = site(**config, proxy_real_ip_cidr=f"{LOAD_BALANCER}, 10.0.0.0/8")
    through_proxy = version1("10.0.0.7", destination_port=1234)
    assert site.seen(SAID[:1], before=through_proxy)[1] == "192.0.2.1"
    direct = version1("198.51.100.7", destination_port=1234)
    assert site.seen(SAID, before=direct) == ["site.test", "198.51.100.7", "198.51.100.7", "site.test", "1234", "http"]


def test_a_bad_range_trusts_nobody(site):
    site = site(use_forwarded_headers="true", proxy_real_ip_cidr="127.0.0.1/33")
    assert site.seen(SAID) == site.plain(LOAD_BALANCER)
    site.cppx.wait_for_log("proxy-real-ip-cidr", "127.0.0.1/33")
