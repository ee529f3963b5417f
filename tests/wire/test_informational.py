"""Interim responses: 100 Continue made by the proxy, others passed on."""

from threading import Event

import pytest

from support.client import request
from support.wire import chunk

EXPECT = [("Expect", "100-continue")]


def test_continue_is_answered_by_the_proxy(site):
    with site.connect() as connection:
        connection.send(request("POST", headers=[*EXPECT, ("Content-Length", "5")]))
        assert connection.read_head().startswith(b"HTTP/1.1 100 Continue\r\n")
        connection.send(b"hello")
        response = connection.read_response("POST")
    assert (response.status, response.interim) == (200, [])
    assert site.backend.last.body == b"hello"
    assert not site.backend.last.headers.has("Expect")


def test_continue_for_a_chunked_body_and_in_any_case(site):
    with site.connect() as connection:
        for _ in range(2):
            connection.send(
                request("PUT", headers=[("expect", "100-Continue"), ("Transfer-Encoding", "chunked")])
            )
            assert connection.read_head().startswith(b"HTTP/1.1 100 ")
            connection.send(chunk(b"hello") + b"0\r\n\r\n")
            assert connection.read_response("PUT").status == 200
            assert site.backend.last.body == b"hello"


def test_no_second_continue_when_the_body_came_with_the_head(site):
    with site.connect() as connection:
        response = connection.ask(request("POST", headers=EXPECT, body=b"hello"))
        assert response.status == 200
        assert len(response.interim) <= 1
        assert connection.ask(request()).interim == []


def test_http_10_client_gets_no_continue(site):
    response = site.ask(request("POST", headers=EXPECT, body=b"hello", version="1.0"))
    assert (response.status, response.interim) == (200, [])


@pytest.mark.parametrize(
    ("headers", "host", "status"),
    [
        ([*EXPECT, ("Content-Length", "5")], "unknown.test", 404),
        ([*EXPECT, ("Content-Length", "2000000")], "site.test", 413),
    ],
)
def test_a_request_refused_by_its_head_gets_no_continue(site, headers, host, status):
    with site.connect() as connection:
        connection.send(request("POST", host=host, headers=headers))
        response = connection.read_response("POST")
        assert (response.status, response.interim) == (status, [])
    site.expect_untouched()


def test_early_hints_are_passed(site):
    def handler(exchange):
        exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: </b.js>\r\n\r\n")
        exchange.reply(body=b"done")

    site.backend.handler = handler
    with site.connect() as connection:
        for _ in range(3):
            response = connection.ask(request())
            assert (response.status, response.body) == (200, b"done")
            assert [hint.status for hint in response.interim] == [103]
            assert response.interim[0].headers.all("Link") == ["</a.css>; rel=preload", "</b.js>"]


def test_fields_of_the_connection_stay_behind(site):
    def handler(exchange):
        exchange.send(b"HTTP/1.1 103 Early Hints\r\nConnection: X-Hop\r\nX-Hop: 1\r\nTE: x\r\nLink: </a>\r\n\r\n")
        exchange.reply(body=b"done")

    site.backend.handler = handler
    assert list(site.get().interim[0].headers) == [("Link", "</a>")]
    with site.h2() as client:
        assert client.ask().interim == [(103, [("link", "</a>")])]


def test_early_hints_come_before_the_final_response_is_there(site):
    seen = Event()

    def handler(exchange):
        exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
        assert seen.wait(20), "the client did not see the hint"
        exchange.reply(body=b"done")

    site.backend.handler = handler
    with site.connect() as connection:
        connection.send(request())
        assert connection.read_head().startswith(b"HTTP/1.1 103 ")
        seen.set()
        assert connection.read_response().body == b"done"


def test_several_interim_responses(site):
    def handler(exchange):
        exchange.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 2 + b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        exchange.reply(body=b"done")

    site.backend.handler = handler
    response = site.get()
    assert [hint.status for hint in response.interim] == [102, 102, 103]
    assert response.body == b"done"


def test_interim_heads_count_each_for_itself(site):
    """Six of 12 KB, where one response head may have 32 KiB; and the word that the work goes on (RFC 2518 10.1)."""
    def handler(exchange):
        hint = b"HTTP/1.1 103 Early Hints\r\nLink: </" + b"a" * 12_000 + b">\r\n\r\n"
        exchange.send(hint * 6 + b"HTTP/1.1 102 Processing\r\n\r\n" * 100)
        exchange.reply(body=b"done")

    site.backend.handler = handler
    response = site.get()
    assert [hint.status for hint in response.interim] == [103] * 6 + [102] * 100
    assert (response.status, response.body) == (200, b"done")


def test_interim_heads_have_a_bound_together(site):
    """A client of HTTP/2 that does not read would make them pile up, each as long as one head may be."""
    hint = b"HTTP/1.1 102 Processing\r\nX-A: " + b"a" * 12_000 + b"\r\n\r\n"

    def handler(exchange):
        exchange.send(hint * 12)
        exchange.expect_peer_gone()

    site.backend.handler = handler
    assert site.get().status == 502
    with site.h2() as client:
        assert client.ask().status == 502


def test_the_word_that_work_goes_on_has_an_end(site):
    def handler(exchange):
        exchange.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 300)
        exchange.expect_peer_gone()

    site.backend.handler = handler
    assert site.get().status == 502


def test_http_10_client_gets_no_interim_responses(site):
    def handler(exchange):
        exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        exchange.reply(body=b"done")

    site.backend.handler = handler
    response = site.ask(request(version="1.0"))
    assert (response.status, response.interim, response.body) == (200, [], b"done")


def test_a_continue_of_the_backend_is_not_taken_for_the_answer(site):
    def handler(exchange):
        exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        exchange.read_body()
        exchange.reply(body=b"done")

    site.backend.handler = handler
    response = site.ask(request("POST", body=b"x"))
    assert (response.status, response.body) == (200, b"done")
