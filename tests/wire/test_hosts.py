"""Which host an Ingress rule answers to."""

import pytest

from support.backend import Backend
from support.client import request
from support.cppx import Cppx
from support.manifests import ingress, rule, service_of


@pytest.fixture(scope="module")
def hosts(cppx_binary, tmp_path_factory):
    names = ("exact", "wildcard", "nested", "rest", "plain", "default")
    backends = [Backend(name) for name in names]
    objects = [entry for backend in backends for entry in service_of(backend.name, backend)]
    objects += [
        ingress("exact", rule("a.example.test", "exact:80")),
        ingress("wildcard", rule("*.example.test", "wildcard:80")),
        ingress("nested", rule("*.deep.example.test", "nested:80")),
        ingress("rest", rule("UPPER.test".lower(), "rest:80")),
        ingress("no-host", rule(None, ("/no-host", "Prefix", "plain:80"))),
        ingress("catch-all", default="default:80"),
    ]
    with Cppx(tmp_path_factory.mktemp("hosts") / "manifests", {"all.yaml": objects}) as cppx:
        yield cppx
    for backend in backends:
        backend.stop()


@pytest.mark.parametrize(
    ("host", "target", "expected"),
    [
        ("a.example.test", "/", "exact"),
        ("A.Example.TEST", "/", "exact"),
        ("a.example.test:8080", "/", "exact"),
        ("a.example.test.", "/", "exact"),
        ("b.example.test", "/", "wildcard"),
        ("B.EXAMPLE.TEST:1", "/", "wildcard"),
        ("with-dash_and_underscore.example.test", "/", "wildcard"),
        ("example.test", "/", "default"),
        ("x.b.example.test", "/", "default"),
        ("deep.example.test", "/", "wildcard"),
        ("x.deep.example.test", "/", "nested"),
        ("upper.test", "/", "rest"),
        ("unknown.test", "/", "default"),
        ("unknown.test", "/no-host", "plain"),
        ("unknown.test", "/no-host/below", "plain"),
        ("127.0.0.1", "/", "default"),
        ("[::1]:80", "/", "default"),
    ],
)
def test_host_decides_the_backend(hosts, host, target, expected):
    response = hosts.get(host, target)
    assert (response.status, response.text) == (200, expected)


def test_a_known_host_does_not_fall_back_to_paths_of_the_host_less_rule(hosts):
    assert hosts.get("a.example.test", "/no-host").text == "exact"


def test_http_10_without_host_goes_to_the_host_less_server(hosts):
    response = hosts.ask(request(host=None, target="/no-host", version="1.0"))
    assert (response.status, response.text) == (200, "plain")


def test_absolute_form_names_the_host(hosts):
    response = hosts.ask(request(target="http://a.example.test/x?y=1", host="a.example.test"))
    assert (response.status, response.text) == (200, "exact")


def test_absolute_form_wins_over_a_different_host_header(hosts):
    response = hosts.ask(request(target="http://a.example.test/x", host="b.example.test"))
    assert (response.status, response.text) in [(200, "exact"), (400, response.text)]


def test_one_connection_may_name_many_hosts(hosts):
    with hosts.connect() as connection:
        for host, expected in [("a.example.test", "exact"), ("b.example.test", "wildcard"), ("z.test", "default")]:
            assert connection.ask(request(host=host)).text == expected
