"""limit-rps, limit-rpm and limit-connections: how much one client may ask of an Ingress."""

import threading

import pytest

from support.client import Connection, request
from support.manifests import ingress, rule, service_of
from support.waiting import wait_for

PREFIX = "nginx.ingress.kubernetes.io"


@pytest.fixture
def limited(start_cppx, make_backend):
    def start(config=None, handler=None, **annotations):
        backend = make_backend("main", **({"handler": handler} if handler else {}))
        marks = {f"{PREFIX}/{name.replace('_', '-')}": str(value) for name, value in annotations.items()}
        objects = [
            *service_of("main", backend),
            ingress("limited", rule("site.test", "main:80", ("/other", "Prefix", "main:80")), annotations=marks),
            ingress("also", rule("also.test", "main:80"), annotations=marks),
            ingress("free", rule("free.test", "main:80")),
        ]
        return start_cppx({"all.yaml": objects}, config=config), backend

    return start


def statuses(cppx, count, source="127.0.0.1", host="site.test", target="/", one_connection=False):
    """Status of each of `count` requests in a row."""
    found = []
    if one_connection:
        with Connection(cppx.http_port, source=source) as connection:
            for _ in range(count):
                found.append(connection.ask(request(host=host, target=target)).status)
        return found
    for _ in range(count):
        with Connection(cppx.http_port, source=source) as connection:
            found.append(connection.ask(request(host=host, target=target)).status)
    return found


@pytest.mark.parametrize("one_connection", [True, False])
def test_a_burst_at_once_whatever_the_connections(limited, one_connection):
    """The workers count together: one connection gets as much as many do."""
    cppx, backend = limited(limit_rpm=2, limit_burst_multiplier=3)
    found = statuses(cppx, 20, one_connection=one_connection)
    assert found == [200] * 7 + [503] * 13
    assert len(backend.requests) == 7


def test_the_multiplier_is_five_unless_given(limited):
    cppx, _ = limited(limit_rpm=1)
    assert statuses(cppx, 10) == [200] * 6 + [503] * 4


def test_requests_come_through_again_at_the_rate(limited):
    cppx, _ = limited(limit_rps=10, limit_burst_multiplier=1)
    assert statuses(cppx, 60, one_connection=True).count(503) > 0
    wait_for(lambda: cppx.get().status == 200, 5, "the rate to have room")


def test_each_client_has_its_own(limited):
    cppx, _ = limited(limit_rpm=1, limit_burst_multiplier=1)
    for source in ("127.0.0.1", "127.0.0.2"):
        assert statuses(cppx, 4, source=source) == [200, 200, 503, 503]


def test_the_paths_of_an_ingress_count_together_and_ingresses_apart(limited):
    cppx, _ = limited(limit_rpm=1, limit_burst_multiplier=1)
    assert statuses(cppx, 2) == [200, 200]
    assert statuses(cppx, 1, target="/other") == [503]
    assert statuses(cppx, 3, host="also.test") == [200, 200, 503]
    assert statuses(cppx, 20, host="free.test") == [200] * 20


def test_both_rates_hold(limited):
    cppx, _ = limited(limit_rps=100, limit_rpm=1, limit_burst_multiplier=1)
    assert statuses(cppx, 4) == [200, 200, 503, 503]


def test_the_status_may_be_another(limited):
    cppx, _ = limited(config={"limit-req-status-code": "429"}, limit_rpm=1, limit_burst_multiplier=1)
    assert statuses(cppx, 3) == [200, 200, 429]
    response = cppx.get()
    assert "429 Too Many Requests" in response.text
    assert response.headers.one("Connection") == "keep-alive"


@pytest.mark.parametrize("name", ["limit-allowlist", "limit-whitelist"])
def test_some_are_exempt(limited, name):
    cppx, _ = limited(limit_rpm=1, limit_burst_multiplier=1, **{name: "10.0.0.0/8, 127.0.0.1"})
    assert statuses(cppx, 10) == [200] * 10
    assert statuses(cppx, 3, source="127.0.0.2") == [200, 200, 503]


def test_a_bad_range_exempts_nobody_and_the_limit_stays(limited):
    cppx, _ = limited(limit_rpm=1, limit_burst_multiplier=1, limit_allowlist="127.0.0.1/40")
    assert statuses(cppx, 3) == [200, 200, 503]
    cppx.wait_for_log("limit-allowlist", "InvalidAnnotation")


def test_the_client_is_the_one_a_trusted_proxy_names(limited):
    config = {"use-forwarded-headers": "true", "proxy-real-ip-cidr": "127.0.0.1"}
    cppx, _ = limited(config=config, limit_rpm=1, limit_burst_multiplier=1)

    def ask(client):
        return cppx.get(headers=[("X-Forwarded-For", client)]).status

    for client in ("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"):
        assert [ask(client) for _ in range(3)] == [200, 200, 503]


def test_redirects_and_missing_endpoints_come_before_limits(start_cppx):
    marks = {f"{PREFIX}/limit-rpm": "1", f"{PREFIX}/limit-burst-multiplier": "1"}
    objects = [
        ingress("to-https", rule("secure.test", "nowhere:80"), tls=[(None, "secure.test")], annotations=marks),
        ingress("empty", rule("empty.test", "nowhere:80"), annotations=marks),
    ]
    cppx = start_cppx({"all.yaml": objects}, config={"limit-req-status-code": "429"})
    assert statuses(cppx, 5, host="secure.test") == [308] * 5
    assert statuses(cppx, 5, host="empty.test") == [503] * 5


class Holding:
    """A backend that answers when it is told to."""

    def __init__(self):
        self.go = threading.Event()

    def __call__(self, exchange):
        exchange.read_body()
        self.go.wait(30)
        exchange.reply()


def test_so_many_at_the_same_time(limited):
    holding = Holding()
    cppx, backend = limited(config={"limit-conn-status-code": "429"}, handler=holding, limit_connections=3)
    connections = [cppx.connect() for _ in range(3)]
    for connection in connections:
        connection.send(request())
    backend.wait_for_requests(3)
    assert statuses(cppx, 5) == [429] * 5
    assert len(backend.requests) == 3
    holding.go.set()
    for connection in connections:
        assert connection.read_response().status == 200
    # What is idle does not count.
    assert statuses(cppx, 5) == [200] * 5
    for connection in connections:
        assert connection.ask(request()).status == 200
        connection.close()


def test_others_and_other_ingresses_are_not_held_up(limited):
    holding = Holding()
    cppx, backend = limited(handler=holding, limit_connections=1)
    with cppx.connect() as first, cppx.connect() as also, cppx.connect(source="127.0.0.2") as other:
        first.send(request())
        also.send(request(host="also.test"))
        other.send(request())
        backend.wait_for_requests(3)
        assert statuses(cppx, 1) == [503]
        holding.go.set()
        for connection in (first, also, other):
            assert connection.read_response().status == 200


def test_clients_that_leave_are_not_counted_any_more(limited):
    holding = Holding()
    cppx, backend = limited(handler=holding, limit_connections=2)
    left = [cppx.connect() for _ in range(2)]
    for connection in left:
        connection.send(request())
    backend.wait_for_requests(2)
    assert statuses(cppx, 1) == [503]
    for connection in left:
        connection.reset()
    # The backend still holds both: only that nobody waits for its answers lets others in.
    admitted = []

    def admit():
        connection = cppx.connect(timeout=0.3)
        connection.send(request())
        try:
            assert connection.read_response_head().status == 503
            connection.close()
        except TimeoutError:
            admitted.append(connection)
        return len(admitted) == 2

    wait_for(admit, 15, "the requests to be given up")
    holding.go.set()
    for connection in admitted:
        connection.sock.settimeout(10)
        assert connection.read_response().status == 200
        connection.close()


def test_the_metrics_count_what_was_refused(limited):
    cppx, _ = limited(limit_rpm=1, limit_burst_multiplier=1)
    statuses(cppx, 5)
    assert cppx.metric("cppx_requests_limited_total ") == 3
