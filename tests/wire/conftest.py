"""A cppx shared by all tests that only send requests; files for those that open thousands of connections."""

import resource

import pytest

from support.backend import Backend
from support.certificates import make_certificate
from support.cppx import Cppx
from support.manifests import ingress, rule, service_of, tls_secret


class Site:
    """A shared cppx with one scripted backend behind http://site.test (no TLS) and https://secure.test."""

    def __init__(self, cppx, backend, certificate):
        self.cppx = cppx
        self.backend = backend
        self.certificate = certificate

    def connect(self, **options):
        return self.cppx.connect(**options)

    def connect_tls(self, server_name="secure.test", **options):
        return self.cppx.connect_tls(server_name, **options)

    def h2(self, tls=True, **options):
        return self.cppx.h2(tls, **options)

    def raw_h2(self, tls=True, **options):
        return self.cppx.raw_h2(tls, **options)

    def ask(self, raw):
        return self.cppx.ask(raw)

    def get(self, *args, **options):
        return self.cppx.get(*args, **options)

    def ask_tls(self, raw, server_name="secure.test"):
        with self.connect_tls(server_name) as connection:
            return connection.ask(raw)

    def seen(self, raw, tls=False):
        """Sends a request that must succeed and returns it as the backend saw it."""
        before = len(self.backend.requests)
        response = self.ask_tls(raw) if tls else self.ask(raw)
        assert response.status == 200, response.raw_head
        assert len(self.backend.requests) == before + 1
        return self.backend.last

    def expect_untouched(self):
        """Checks that nothing but a request sent now reaches the backend: neither whole nor in part."""
        assert self.get(target="/marker").status == 200
        assert [request.target for request in self.backend.requests] == ["/marker"]
        assert self.backend.fragments == []


@pytest.fixture(scope="session")
def shared_site(cppx_binary, tmp_path_factory):
    certificate = make_certificate("secure.test", "also.test")
    with Backend("main") as backend:
        objects = [
            *service_of("main", backend),
            ingress("site", rule("site.test", "main:80")),
            ingress("secure", rule("secure.test", "main:80"), tls=[("secure", "secure.test")]),
            tls_secret("secure", certificate),
        ]
        folder = tmp_path_factory.mktemp("site") / "manifests"
        with Cppx(folder, {"site.yaml": objects}) as cppx:
            yield Site(cppx, backend, certificate)


@pytest.fixture
def site(shared_site):
    shared_site.backend.clear()
    yield shared_site
    assert not shared_site.backend.errors, shared_site.backend.errors
    assert shared_site.cppx.process.poll() is None, f"cppx crashed:\n{shared_site.cppx.log}"
    shared_site.cppx.check_log()


@pytest.fixture
def all_files():
    """Lets programs started here open as many files as may be. Gives the number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
