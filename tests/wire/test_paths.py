"""Which path rule answers, and the redirect that adds a slash."""

import pytest

from support.backend import Backend
from support.client import request
from support.cppx import Cppx
from support.manifests import ingress, rule, service_of

NAMES = ("root", "foo", "foo-exact", "foo-bar", "slashed", "specific", "exact-only", "a", "older", "newer", "spare")


@pytest.fixture(scope="module")
def paths(cppx_binary, tmp_path_factory):
    backends = [Backend(name) for name in NAMES]
    objects = [entry for backend in backends for entry in service_of(backend.name, backend)]
    objects += [
        ingress(
            "mixed",
            rule(
                "mixed.test",
                ("/", "Prefix", "root:80"),
                ("/foo", "Prefix", "foo:80"),
                ("/foo", "Exact", "foo-exact:80"),
                ("/foo/bar", "Prefix", "foo-bar:80"),
                ("/slashed/", "Prefix", "slashed:80"),
                ("/specific", "ImplementationSpecific", "specific:80"),
                ("/exact-only", "Exact", "exact-only:80"),
                ("/a/b/c", "Prefix", "a:80"),
            ),
        ),
        ingress("no-root", rule("no-root.test", ("/foo", "Prefix", "foo:80"), ("/deep/er/", "Prefix", "slashed:80"))),
        ingress("no-path", rule("no-path.test", (None, "ImplementationSpecific", "specific:80"))),
        ingress("spare", rule("spare.test", ("/foo", "Prefix", "foo:80")), default="spare:80"),
        ingress("z-older", rule("twice.test", "older:80"), created="2020-01-01T00:00:00Z"),
        ingress("a-newer", rule("twice.test", "newer:80"), created="2021-01-01T00:00:00Z"),
    ]
    with Cppx(tmp_path_factory.mktemp("paths") / "manifests", {"all.yaml": objects}) as cppx:
        cppx.backends = {backend.name: backend for backend in backends}
        yield cppx
    for backend in backends:
        backend.stop()


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/", "root"),
        ("/other", "root"),
        ("/?foo", "root"),
        ("/foo", "foo-exact"),
        ("/foo?x=/foo/bar", "foo-exact"),
        ("/foo/", "foo"),
        ("/foo/x", "foo"),
        ("/foobar", "root"),
        ("/fo", "root"),
        ("/Foo", "root"),
        ("/FOO/x", "root"),
        ("/foo/bar", "foo-bar"),
        ("/foo/bar/", "foo-bar"),
        ("/foo/bar/baz", "foo-bar"),
        ("/foo/barbaz", "foo"),
        ("/slashed/", "slashed"),
        ("/slashed/x", "slashed"),
        ("/slashedx", "root"),
        ("/specific", "specific"),
        ("/specific/x", "specific"),
        ("/specificx", "root"),
        ("/exact-only", "exact-only"),
        ("/exact-only?q", "exact-only"),
        ("/exact-only/", "root"),
        ("/exact-only/x", "root"),
        ("/a/b/c/d", "a"),
        ("/a/b", "root"),
        # Matched as decoded, without dot segments, with slashes merged.
        ("/x/../foo", "foo-exact"),
        ("/x/../foo/y", "foo"),
        ("/foo/../x", "root"),
        ("/foo/./bar", "foo-bar"),
        ("/foo/x/..", "foo"),
        ("//foo", "foo-exact"),
        ("//foo//bar", "foo-bar"),
        ("/%66oo", "foo-exact"),
        ("/f%6Fo/x", "foo"),
        # An encoded slash is data: it does not divide elements.
        ("/foo%2Fbar", "root"),
        ("/foo%2fbar/x", "root"),
        ("/foo/x%2Fy", "foo"),
        ("/foo/bar%2Fbaz", "foo"),
        ("/foo/bar/%2F../baz", "foo-bar"),
        ("/x/%2e%2e/foo", "foo-exact"),
        ("/x/%2E./foo", "foo-exact"),
        ("/foo%3Fbar", "root"),
        ("/foo%23", "root"),
        ("/%2566oo", "root"),
    ],
)
def test_path_decides_the_backend(paths, target, expected):
    response = paths.get("mixed.test", target)
    assert (response.status, response.text) == (200, expected)


@pytest.mark.parametrize(
    "target",
    [
        "/foo/../foo/./x%2Fy//z?a=%2F&b=c d".replace(" ", "%20"),
        "/%66oo/%7Euser",
        "//foo//x",
        "/foo/x/..",
        "/foo/?",
        "/foo/x?",
        "/foo/;p=1",
        "/foo/%C3%A4?q=%ff",
        "/foo/!$&'()*+,=:@",
    ],
)
def test_the_backend_gets_the_target_byte_for_byte(paths, target):
    assert paths.get("mixed.test", target).status == 200
    seen = [request for backend in paths.backends.values() for request in backend.requests]
    assert target in [request.target for request in seen]


@pytest.mark.parametrize("target", ["/../foo", "/..", "/foo/../../x", "/%2e%2e/x", "/x/%2e%2e/%2e%2e/y", "/%zz", "/%4", "/a%00b"])
def test_paths_that_leave_the_root_or_do_not_decode_are_refused(paths, target):
    assert paths.get("mixed.test", target).status == 400


@pytest.mark.parametrize(
    ("host", "target", "location"),
    [
        ("mixed.test", "/slashed", "http://mixed.test/slashed/"),
        ("mixed.test", "/slashed?a=1&b=/", "http://mixed.test/slashed/?a=1&b=/"),
        ("mixed.test:8080", "/slashed", "http://mixed.test/slashed/"),
        ("no-root.test", "/deep/er", "http://no-root.test/deep/er/"),
    ],
)
def test_missing_slash_is_added_by_redirect(paths, host, target, location):
    response = paths.get(host, target)
    assert (response.status, response.headers.one("Location")) == (301, location)


def test_missing_slash_over_https_redirects_to_https(paths):
    with paths.connect_tls("mixed.test") as connection:
        response = connection.ask(request(target="/slashed", host="mixed.test"))
    assert (response.status, response.headers.one("Location")) == (301, "https://mixed.test/slashed/")


@pytest.mark.parametrize("target", ["/", "/foobar", "/fo", "/deep", "/deep/erx"])
def test_no_matching_path_is_404(paths, target):
    assert paths.get("no-root.test", target).status == 404


def test_missing_path_is_the_root(paths):
    assert paths.get("no-path.test", "/any/thing").text == "specific"


def test_default_backend_of_an_ingress_serves_the_other_paths_of_its_host(paths):
    assert paths.get("spare.test", "/foo/x").text == "foo"
    assert paths.get("spare.test", "/other").text == "spare"


def test_the_oldest_ingress_wins_a_path(paths):
    assert {paths.get("twice.test").text for _ in range(6)} == {"older"}


def test_options_asterisk_is_not_routed_as_a_path(paths):
    before = sum(len(backend.requests) for backend in paths.backends.values())
    response = paths.ask(request("OPTIONS", "*", host="mixed.test"))
    assert response.status in (200, 204, 400, 404, 405)
    assert sum(len(backend.requests) for backend in paths.backends.values()) == before


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "REPORT", "QUERY", "VERSION-CONTROL", "BAN"])
def test_any_method_is_passed(paths, method):
    response = paths.ask(request(method, "/foo/x", host="mixed.test", body=b"" if method != "GET" else None))
    assert (response.status, response.text) == (200, "foo")
    assert paths.backends["foo"].last.method == method
