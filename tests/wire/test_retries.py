"""Retries on the next endpoint: what is retried, how often, how long, within which budget."""

import threading
import time

import pytest

from support.backend import answer, black_hole, refused_port, sends
from support.client import request
from support.manifests import ingress, rule, service_of
from support.waiting import scaled, wait_for

PREFIX = "nginx.ingress.kubernetes.io/"
GARBAGE = b"this is not HTTP\r\n\r\n"


def site_with(backends, app_protocol=None, **annotations):
    """http://site.test over the backends, with annotations written with underscores."""
    named = {PREFIX + name.replace("_", "-"): str(value) for name, value in annotations.items()}
    services = service_of("web", *backends, app_protocol=app_protocol)
    return {"all.yaml": [*services, ingress("web", rule("site.test", "web:80"), annotations=named)]}


def says(status):
    """A handler that reads the request and answers with `status`."""

    def handler(exchange):
        exchange.read_body()
        exchange.reply(status=status, body=b"refused")

    return handler


def closes(exchange):
    exchange.read_body()
    exchange.close()


def seen(*backends):
    return sum(len(backend.requests) for backend in backends)


@pytest.mark.parametrize("status", [403, 404, 429, 500, 502, 503, 504])
def test_chosen_codes_are_retried_on_the_next_endpoint(start_cppx, make_backend, status):
    bad, good = make_backend("bad", handler=says(status)), make_backend("good")
    cppx = start_cppx(site_with([bad, good], proxy_next_upstream=f"error http_{status}"))
    assert [cppx.get().text for _ in range(10)] == ["good"] * 10
    assert len(bad.requests) > 0
    # A request that is not idempotent gets the answer there is, also from the bad one.
    answers = {cppx.ask(request("POST", body=b"x")).status for _ in range(10)}
    assert answers == {200, status}


def test_a_chosen_code_from_everybody_is_passed_on(start_cppx, make_backend):
    backends = [make_backend(str(number), handler=says(503)) for number in range(4)]
    cppx = start_cppx(site_with(backends, proxy_next_upstream="http_503"))
    response = cppx.get()
    assert (response.status, response.body) == (503, b"refused")
    assert sorted(len(backend.requests) for backend in backends) == [0, 1, 1, 1], "three tries, each elsewhere"


def test_codes_that_are_not_chosen_are_not_retried(start_cppx, make_backend):
    backends = [make_backend(str(number), handler=says(502)) for number in range(2)]
    cppx = start_cppx(site_with(backends, proxy_next_upstream="error timeout http_503"))
    assert cppx.get().status == 502
    assert seen(*backends) == 1


def test_a_body_at_hand_is_sent_again_whole(start_cppx, make_backend):
    bad, good = make_backend("bad", handler=says(503)), make_backend("good")
    cppx = start_cppx(site_with([bad, good], proxy_next_upstream="http_503 non_idempotent"))
    for _ in range(4):
        assert cppx.ask(request("POST", body=b"0123456789")).text == "good"
    assert {received.body for received in bad.requests + good.requests} == {b"0123456789"}
    assert bad.requests


def test_a_body_that_was_streamed_is_not_sent_again(start_cppx, make_backend):
    backends = [make_backend(str(number), handler=says(503)) for number in range(2)]
    cppx = start_cppx(site_with(backends, proxy_next_upstream="error http_503 non_idempotent"))
    body = b"x" * 300_000
    with cppx.connect() as connection:
        connection.send(request("PUT", body=body)[:-200_000])
        connection.send(body[:200_000])
        assert connection.read_response().status == 503
    assert seen(*backends) == 1


def test_non_idempotent_requests_only_by_choice(start_cppx, make_backend):
    closing, good = make_backend("closing", handler=closes), make_backend("good")
    cppx = start_cppx(site_with([closing, good], proxy_next_upstream="error timeout non_idempotent"))
    assert [cppx.ask(request("POST", body=b"x")).text for _ in range(6)] == ["good"] * 6
    assert closing.requests


def test_a_response_that_is_not_http_by_choice(start_cppx, make_backend):
    bad, good = make_backend("bad", handler=sends(GARBAGE, close=True)), make_backend("good")
    cppx = start_cppx(site_with([bad, good], proxy_next_upstream="error timeout invalid_header"))
    assert [cppx.get().text for _ in range(6)] == ["good"] * 6
    assert bad.requests
    cppx.apply("all.yaml", site_with([bad, good])["all.yaml"])
    assert {cppx.get().status for _ in range(6)} == {200, 502}


def test_off_means_off(start_cppx, make_backend):
    holder, dead = refused_port("127.0.0.9")
    good = make_backend("good")
    cppx = start_cppx(site_with([good, ("127.0.0.9", dead)], proxy_next_upstream="off"), workers=1)
    assert sorted(cppx.get().status for _ in range(4)) == [200, 200, 502, 502]
    holder.close()


def test_timeouts_of_an_ingress(start_cppx, make_backend):
    silent, good = make_backend("silent", handler=lambda exchange: exchange.expect_peer_gone()), make_backend("good")
    patience = f"{int(scaled(400))}ms"
    files = site_with([silent, good], proxy_read_timeout=patience)
    cppx = start_cppx(files)
    assert [cppx.get().text for _ in range(4)] == ["good"] * 4
    assert {cppx.ask(request("POST", body=b"x")).status for _ in range(4)} == {200, 504}
    # Without `timeout` among the words nobody else is asked.
    cppx.apply("all.yaml", site_with([silent, good], proxy_read_timeout=patience, proxy_next_upstream="error")["all.yaml"])
    assert {cppx.get().status for _ in range(4)} == {200, 504}


def test_the_connect_timeout_of_an_ingress(start_cppx, make_backend):
    good = make_backend("good")
    with black_hole("127.0.0.10") as hole:
        cppx = start_cppx(site_with([good, hole], proxy_connect_timeout="200ms"))
        assert [cppx.get().text for _ in range(4)] == ["good"] * 4


@pytest.mark.parametrize(("words", "tries"), [("timeout", 3), ("error", 1)])
def test_an_http2_backend_that_never_says_anything_took_too_long_to_connect(start_cppx, make_backend, words, tries):
    silent = make_backend("silent", on_connect=lambda wire: wire.read_to_end() and "done")
    site = site_with([silent], "kubernetes.io/h2c", proxy_connect_timeout="200ms", proxy_next_upstream=words)
    cppx = start_cppx(site, config={"upstream-ejection-failures": "0"}, workers=1)
    start = time.monotonic()
    assert cppx.get().status == 504
    assert time.monotonic() - start > 0.15 * tries
    wait_for(lambda: silent.accepted >= tries, what="all connections to be counted")
    assert silent.accepted == tries


def test_timeouts_are_those_of_the_route(start_cppx, make_backend):
    """Another Ingress on the same Service waits as the ConfigMap says."""
    backend = make_backend(handler=lambda exchange: exchange.expect_peer_gone())
    objects = [
        *service_of("web", backend),
        ingress("short", rule("short.test", "web:80"), annotations={PREFIX + "proxy-read-timeout": "100ms"}),
        ingress("long", rule("long.test", "web:80")),
    ]
    cppx = start_cppx({"all.yaml": objects}, config={"proxy-next-upstream-tries": "1"})
    with cppx.connect() as waiting:
        waiting.send(request(host="long.test"))
        backend.wait_for_requests(1)
        assert cppx.get("short.test").status == 504
        backend.handler = answer
        backend.close_connections()
        assert waiting.read_response().status == 502, "still waiting until its connection ended"


def test_tries_of_an_ingress(start_cppx, make_backend):
    backends = [make_backend(str(number), handler=closes) for number in range(5)]
    cppx = start_cppx(site_with(backends, proxy_next_upstream_tries=4))
    assert cppx.get().status == 502
    assert sorted(len(backend.requests) for backend in backends) == [0, 1, 1, 1, 1]


def test_with_fewer_endpoints_than_tries_the_same_one_again(start_cppx, make_backend):
    backend = make_backend(handler=closes)
    cppx = start_cppx(site_with([backend]))
    assert cppx.get().status == 502
    assert len(backend.requests) == 3


def test_no_limit_of_tries_is_still_bounded(start_cppx, make_backend):
    backends = [make_backend(str(number), handler=closes) for number in range(5)]
    cppx = start_cppx(site_with(backends, proxy_next_upstream_tries=0))
    assert cppx.get().status == 502
    assert [len(backend.requests) for backend in backends] == [1] * 5


def test_the_total_time_bounds_the_tries(start_cppx, make_backend):
    backends = [make_backend(str(number), handler=lambda exchange: exchange.expect_peer_gone()) for number in range(4)]
    cppx = start_cppx(
        site_with(
            backends,
            proxy_next_upstream_tries=4,
            proxy_read_timeout=f"{int(scaled(400))}ms",
            proxy_next_upstream_timeout=f"{int(scaled(700))}ms",
        )
    )
    assert cppx.get().status == 504
    wait_for(lambda: seen(*backends) >= 2, what="the second one to have it")
    assert seen(*backends) == 2, "the second one ends beyond the limit: there is no third"


@pytest.mark.parametrize("tries", [1, 3])
def test_the_total_time_bounds_the_second_try_of_a_connection_that_was_used_before(start_cppx, make_backend, tries):
    def handler(exchange):
        if exchange.request.target == "/warm":
            exchange.reply()
            return
        time.sleep(0.4)
        exchange.close()

    backend = make_backend(handler=handler)
    site = site_with([backend], proxy_next_upstream_timeout="200ms", proxy_next_upstream_tries=tries)
    cppx = start_cppx(site, workers=1)
    assert cppx.get(target="/warm").status == 200
    assert cppx.get().status == 502
    assert [seen.target for seen in backend.requests] == ["/warm", "/"]
    assert backend.accepted == 1


def test_the_budget_bounds_retries_over_all_requests(start_cppx, make_backend):
    """No retry is free: with a budget of 50 % and nothing beside it every second request gets one."""
    backends = [make_backend(str(number), handler=says(503)) for number in range(3)]
    config = {"retry-budget-percent": "50", "retry-budget-least": "0", "proxy-next-upstream-tries": "2"}
    cppx = start_cppx(site_with(backends, proxy_next_upstream="http_503"), config=config, workers=1)
    assert [cppx.get().status for _ in range(40)] == [503] * 40
    # What has been earned fades with time, so there may be fewer.
    assert 40 < seen(*backends) <= 60


def test_without_a_budget_there_is_no_retry(start_cppx, make_backend):
    backends = [make_backend(str(number), handler=closes) for number in range(3)]
    config = {"retry-budget-percent": "0", "retry-budget-least": "0"}
    cppx = start_cppx(site_with(backends), config=config)
    assert [cppx.get().status for _ in range(5)] == [502] * 5
    assert seen(*backends) == 5


@pytest.mark.parametrize("protocol", [None, "kubernetes.io/h2c"], ids=["http1", "http2"])
def test_a_chosen_code_is_passed_on_while_the_body_is_still_to_come(start_cppx, make_backend, make_h2_backend, protocol):
    """Nothing of it has been read, but somebody waits for it: it goes nowhere else."""
    make = make_h2_backend if protocol else make_backend

    def refuse(exchange):
        exchange.reply(status=503, body=b"refused")

    backends = [make(str(number), handler=refuse) for number in range(2)]
    cppx = start_cppx(site_with(backends, protocol, proxy_next_upstream="error http_503"))
    with cppx.connect() as connection:
        connection.send(request("PUT", headers=[("Content-Length", "100")]))
        response = connection.read_response("PUT")
        assert (response.status, response.body) == (503, b"refused")
    assert seen(*backends) == 1
    assert cppx.metric("cppx_upstream_retries_total") == 0


def test_a_body_that_has_not_begun_goes_to_the_one_that_answers(start_cppx, make_backend):
    """After one that says nothing, and one that is not there."""
    gone, good = make_backend("gone", handler=lambda exchange: exchange.close()), make_backend("good")
    holder, port = refused_port()
    config = {"upstream-ejection-failures": "0", "retry-budget-least": "100"}
    site = site_with([gone, ("127.0.0.1", port), good], proxy_next_upstream_tries=3)
    cppx = start_cppx(site, workers=1, config=config)
    with holder:
        for number in range(6):
            with cppx.connect() as connection:
                connection.send(request("PUT", headers=[("Content-Length", "4")]))
                good.wait_for_requests(number + 1)
                connection.send(b"body")
                assert connection.read_response("PUT").status == 200
            assert good.last.body == b"body"
    assert len(gone.requests) > 0


@pytest.mark.parametrize("affinity", [{}, {"affinity": "cookie"}, {"upstream_hash_by": "$request_uri"}], ids=["none", "cookie", "hash"])
@pytest.mark.parametrize("before", [0, 4])
def test_a_retry_goes_to_the_endpoints_of_now(start_cppx, make_backend, affinity, before):
    """Those that the request began with are gone when the one that it waits for ends too."""
    go_on = threading.Event()

    def holds(exchange):
        assert go_on.wait(scaled(20))
        exchange.close()

    old = [make_backend(f"old-{number}") for number in range(2)]
    new = make_backend("new")
    cppx = start_cppx(site_with(old, **affinity), workers=1)
    with cppx.connect() as connection:
        for _ in range(before):  # their connections are used again
            assert connection.ask(request()).status == 200
        for backend in old:
            backend.handler = holds
        connection.send(request(target="/held"))
        wait_for(lambda: seen(*old) == before + 1, 5, "the request at one of those that were")
        cppx.apply("all.yaml", site_with([new], **affinity)["all.yaml"])
        wait_for(lambda: cppx.get().text == "new", 5, "the new one")
        go_on.set()
        response = connection.read_response()
        assert (response.status, response.text) == (200, "new")
    assert seen(*old) == before + 1
