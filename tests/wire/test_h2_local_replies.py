"""Answers cppx makes itself, over HTTP/2: the same as over HTTP/1.1."""

import pytest

from support.backend import black_hole, refused_port
from support.certificates import make_certificate
from support.client import request
from support.cppx import Cppx
from support.h2 import Reset, exactly
from support.manifests import ingress, rule, service_of, tls_secret

LIMIT = 1024 * 1024  # The default of proxy-body-size.


@pytest.fixture(scope="module")
def replies(cppx_binary, tmp_path_factory):
    holder, closed = refused_port("127.0.0.9")
    objects = [
        *service_of("refused", ("127.0.0.9", closed)),
        ingress("refused", rule("refused.test", "refused:80")),
        ingress("missing", rule("missing.test", "no-such-service:80")),
        ingress("slash", rule("slash.test", ("/dir/", "Prefix", "refused:80"), ("/only", "Exact", "refused:80"))),
        ingress("tls", rule("tls.test", "no-such-service:80"), tls=[("pair", "tls.test")]),
        tls_secret("pair", make_certificate("tls.test")),
    ]
    with Cppx(tmp_path_factory.mktemp("replies") / "manifests", {"all.yaml": objects}) as cppx:
        yield cppx
    holder.close()


CASES = [
    ("unknown.test", "/", 404),
    ("missing.test", "/x", 503),
    ("refused.test", "/", 502),
    ("slash.test", "/dir", 301),
    ("slash.test", "/none", 404),
    ("slash.test", "/only/not", 404),
    ("tls.test", "/x?a=b", 308),
    ("unknown.test", "/healthz", 200),
]


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(("host", "path", "status"), CASES)
def test_status_head_and_page(replies, host, path, status, tls):
    if tls and status == 308:
        status = 503
    with replies.h2(tls, server_name=host) as client:
        newer = client.ask(path=path, host=host)
        head = client.ask("HEAD", path=path, host=host)
    with replies.connect_tls(host) if tls else replies.connect() as connection:
        older = connection.ask(request(target=path, host=host))
    assert newer.status == head.status == older.status == status
    assert bytes(newer.body) == older.body
    assert not head.body
    differ = ("date", "connection")
    expected = [(name.lower(), value) for name, value in older.headers if name.lower() not in differ]
    assert [pair for pair in newer.headers if pair[0] not in differ] == expected
    assert [pair for pair in head.headers if pair[0] not in differ] == expected
    assert newer.headers.one("date")


def test_bodies_that_nobody_reads_do_not_use_up_the_connections_window(replies):
    """Requests refused by their heads, each with a body on its way: 20 of them are more than the first window."""
    with replies.h2() as client:
        for _ in range(20):
            stream = client.start("POST", host="unknown.test", end=False)
            try:
                client.send(stream, b"x" * 10_000, end=True)
            except Reset as end:
                assert end.code in (0, None)
            assert client.head(stream).status == 404
            client.ping()
        assert client.h2.outbound_flow_control_window > 0
        exactly(client.ask(path="/healthz", host="unknown.test"))


def test_no_connection_in_time_is_504(start_cppx):
    with black_hole() as address:
        objects = [*service_of("hole", address), ingress("hole", rule("hole.test", "hole:80"))]
        cppx = start_cppx({"all.yaml": objects}, config={"proxy-connect-timeout": "150ms"})
        with cppx.h2() as client:
            stream = client.ask(host="hole.test")
            assert (stream.status, "504 Gateway Time-out" in stream.text) == (504, True)


@pytest.mark.parametrize("length", [LIMIT + 1, 10**15, 2**63 - 1])
def test_a_content_length_over_the_limit_is_413_at_once(site, length):
    with site.h2() as client:
        stream = client.start("POST", headers=[("content-length", str(length))], end=False)
        assert client.finish(stream).status == 413
        assert "413 Request Entity Too Large" in stream.text
        exactly(client.ask(path="/marker"), 200, b"main")
    assert [seen.target for seen in site.backend.requests] == ["/marker"]


@pytest.mark.parametrize("length", ["-1", "+5", "5a", "", "5, 5", "0x5", str(2**64), "1" * 40])
def test_a_content_length_that_is_no_number_is_refused(site, length):
    with site.raw_h2() as client:
        client.send(client.head(1, client.request_fields(method="POST", headers=[("content-length", length)]), end=False))
        frame = client.read_until(lambda frame: frame.stream_id == 1, "an answer")
        if 1 in client.heads:
            assert client.status_of(1) in (400, 413)
        else:
            assert frame.error_code == 1
    site.expect_untouched()


def test_a_body_of_unknown_length_is_413_once_it_exceeds_the_limit(site):
    with site.h2() as client:
        stream = client.start("POST", end=False)
        try:
            client.send(stream, b"x" * (LIMIT + 100_000), end=True)
        except Reset as end:
            assert end.code in (0, None)
        client.head(stream)
        assert stream.status == 413
        exactly(client.ask(path="/marker"), 200, b"main")
    assert [seen.target for seen in site.backend.requests if seen.complete] == ["/marker"]


def test_a_body_of_exactly_the_limit_passes(site):
    with site.h2() as client:
        exactly(client.ask("POST", body=b"x" * LIMIT), 200, b"main")
    assert len(site.backend.last.body) == LIMIT
