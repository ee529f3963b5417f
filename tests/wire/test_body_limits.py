"""proxy-body-size: 413."""

import pytest

from support.client import request
from support.manifests import ingress, rule, service_of
from support.wire import Truncated, chunk, chunked

LIMIT = 1024 * 1024  # The default, 1m.


def test_a_body_of_exactly_the_limit_passes(site):
    assert site.ask(request("POST", body=b"x" * LIMIT)).status == 200
    assert len(site.backend.last.body) == LIMIT


@pytest.mark.parametrize("length", [LIMIT + 1, 10**15, 2**63 - 1])
def test_a_longer_content_length_is_413_at_once(site, length):
    with site.connect() as connection:
        connection.send(request("POST", headers=[("Content-Length", str(length))]))
        response = connection.read_response("POST")
        assert response.status == 413
        assert "413 Request Entity Too Large" in response.text
    site.expect_untouched()


@pytest.mark.parametrize("length", [2**63, 2**64, 2**64 + 1, 10**40])
def test_a_content_length_beyond_any_number_is_refused(site, length):
    with site.connect() as connection:
        connection.send(request("POST", headers=[("Content-Length", str(length))]))
        assert connection.read_response("POST").status in (400, 413)
        connection.expect_closed()
    site.expect_untouched()


def test_what_follows_a_413_is_never_taken_for_a_request(site):
    with site.connect() as connection:
        connection.send(
            request("POST", headers=[("Content-Length", str(LIMIT + 1))]) + request(target="/inside-the-body")
        )
        assert connection.read_response("POST").status == 413
    site.expect_untouched()


def test_a_chunked_body_is_413_once_it_exceeds_the_limit(site):
    with site.connect() as connection:
        connection.send(request("POST", headers=[("Transfer-Encoding", "chunked")]))
        try:
            for _ in range(LIMIT // 65536 + 2):
                connection.send(chunk(b"x" * 65536))
            connection.send(b"0\r\n\r\n")
        except OSError:
            pass
        try:
            assert connection.read_response("POST").status == 413
        except Truncated as end:
            assert end.reset, "closed without an answer"
    assert not any(seen.complete for seen in site.backend.requests)
    assert site.get().status == 200


def test_a_single_chunk_beyond_the_limit(site):
    with site.connect() as connection:
        try:
            connection.send(request("POST", headers=[("Transfer-Encoding", "chunked")]) + chunk(b"x" * (LIMIT + 1)))
        except OSError:
            pass
        try:
            assert connection.read_response("POST").status == 413
        except Truncated as end:
            assert end.reset, "closed without an answer"
    assert not any(seen.complete for seen in site.backend.requests)


@pytest.mark.parametrize(("size", "limit"), [("8k", 8192), ("100", 100), ("2m", 2 * LIMIT)])
def test_the_limit_is_configurable(start_cppx, make_backend, size, limit):
    backend = make_backend("web")
    objects = [*service_of("web", backend), ingress("web", rule("site.test", "web:80"))]
    cppx = start_cppx({"all.yaml": objects}, config={"proxy-body-size": size})
    assert cppx.ask(request("POST", body=b"x" * limit)).status == 200
    with cppx.connect() as connection:
        connection.send(request("POST", headers=[("Content-Length", str(limit + 1))]))
        assert connection.read_response("POST").status == 413


def test_chunked_bodies_up_to_the_limit_pass(site):
    body = chunked(*[b"x" * 65536] * (LIMIT // 65536))
    assert site.ask(request("POST", headers=[("Transfer-Encoding", "chunked")]) + body).status == 200
    assert len(site.backend.last.body) == LIMIT
