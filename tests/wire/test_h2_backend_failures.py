"""HTTP/2 backends that go away, refuse, reset or answer nonsense; and clients that do so before them."""

import threading
import time

import pytest
from h2.settings import SettingCodes

from support.cppx import measured_memory
from support.h2 import Reset, exactly
from support.h2_backend import EVERY
from support.load import BLOCK, MIB, block, stalls_below
from support.manifests import ingress, rule, service_of
from support.waiting import milliseconds, scaled, wait_for
from support.wire import Truncated

BIG = 16 * MIB


@pytest.fixture
def h2c(start_cppx, make_h2_backend):
    """Starts a cppx before HTTP/2 backends with one handler: h2c(handler, names...)."""

    def start(handler, *names, **config):
        backends = [make_h2_backend(name, handler=handler) for name in names or ("one",)]
        objects = [
            *service_of("web", *backends, app_protocol="kubernetes.io/h2c"),
            ingress("web", rule("site.test", "web:80")),
        ]
        settings = {"proxy-body-size": "0", **{name.replace("_", "-"): value for name, value in config.items()}}
        cppx = start_cppx({"all.yaml": objects}, config=settings, workers=1, environment=measured_memory())
        return (cppx, *backends)

    return start


def fine(exchange):
    exchange.read_body()
    exchange.reply(body=b"fine")


def first_time(handler, then=fine):
    """The first request goes to one handler, all others to another."""
    lock, seen = threading.Lock(), []

    def choose(exchange):
        with lock:
            first = not seen
            seen.append(exchange)
        (handler if first else then)(exchange)

    return choose


def half(exchange):
    exchange.read_body()
    exchange.send_head(headers=[("x-part", "1")])
    exchange.send(b"half")


def half_then(action):
    def handler(exchange):
        if exchange.request.target != "/cut":
            fine(exchange)
            return
        half(exchange)
        action(exchange)

    return handler


@pytest.mark.parametrize("code", [0, 2, 8, 11])
def test_a_stream_reset_in_its_body_is_reset_at_the_client(h2c, code):
    """Never END_STREAM, and nobody else on either connection is touched."""
    cppx, backend = h2c(half_then(lambda exchange: exchange.reset(code)))
    with cppx.h2() as client:
        for _ in range(5):
            cut, good = client.start(path="/cut"), client.start("POST", path="/good", end=False)
            with pytest.raises(Reset):
                client.finish(cut)
            client.send(good, b"x", end=True)
            exactly(client.finish(good), 200, b"fine")
    assert backend.accepted == 1


def test_a_connection_that_ends_in_a_body_resets_the_client(h2c):
    cppx, _ = h2c(half_then(lambda exchange: exchange.close()))
    with cppx.h2() as client:
        for _ in range(5):
            with pytest.raises(Reset):
                client.finish(client.start(path="/cut"))
            exactly(client.ask(path="/good"), 200, b"fine")
    with cppx.connect() as connection:
        connection.send(b"GET /cut HTTP/1.1\r\nHost: site.test\r\n\r\n")
        with pytest.raises(Truncated):
            connection.read_response()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_refused_stream_is_tried_again(h2c, method):
    """RFC 9113 section 8.7: REFUSED_STREAM says that nothing was done."""
    cppx, one, two = h2c(first_time(lambda exchange: exchange.reset(7)), "one", "two")
    with cppx.h2() as client:
        exactly(client.ask(method), 200, b"fine")
    assert len(one.requests) + len(two.requests) == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_stream_beyond_the_last_one_of_a_goaway_is_tried_again(h2c, method):
    """RFC 9113 section 6.8: it was not begun either."""

    def away(exchange):
        exchange.goaway(last=0)
        exchange.close()

    cppx, one, two = h2c(first_time(away), "one", "two")
    with cppx.h2() as client:
        exactly(client.ask(method), 200, b"fine")
    assert len(one.requests) + len(two.requests) == 2


def test_a_reset_post_is_not_tried_again(h2c):
    cppx, backend = h2c(lambda exchange: exchange.reset(2))
    with cppx.h2() as client:
        stream = client.ask("POST", body=b"x")
        assert (stream.status, "502 Bad Gateway" in stream.text) == (502, True)
    assert len(backend.requests) == 1


def resets(code):
    """A handler that resets all streams but those for /warm."""

    def handler(exchange):
        exchange.read_body()
        if exchange.request.target == "/warm":
            exchange.reply(body=b"fine")
        else:
            exchange.reset(code)

    return handler


def tries_on_a_warm_connection(cppx, backend, method="GET"):
    """How often the backend has seen a request that got 502, on a connection that was used before and lives on."""
    with cppx.h2() as client:
        exactly(client.ask(path="/warm"), 200, b"fine")
        assert client.ask(method, "/reset").status == 502
        exactly(client.ask(path="/warm"), 200, b"fine")
    assert backend.accepted == 1
    return [seen.target for seen in backend.requests].count("/reset")


ONE_TRY = {
    "one try": {"proxy_next_upstream_tries": "1"},
    "no budget": {"retry_budget_percent": "0", "retry_budget_least": "0"},
    "off": {"proxy_next_upstream": "off"},
}


@pytest.mark.parametrize("code", [2, 8])
@pytest.mark.parametrize("limit", ["one try", "no budget"])
def test_a_stream_reset_on_a_warm_connection_is_a_try_like_any_other(h2c, limit, code):
    """A connection that goes on is no idle one that the backend has closed."""
    cppx, backend = h2c(resets(code), **ONE_TRY[limit])
    for number in range(1, 6):
        assert tries_on_a_warm_connection(cppx, backend) == number


@pytest.mark.parametrize("code", [2, 8])
def test_a_stream_reset_on_a_warm_connection_is_tried_three_times_in_all(h2c, code):
    assert tries_on_a_warm_connection(*h2c(resets(code))) == 3


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_stream_refused_on_a_warm_connection_is_tried_three_times_in_all(h2c, method):
    assert tries_on_a_warm_connection(*h2c(resets(7)), method) == 3


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("limit", ONE_TRY)
def test_a_stream_refused_on_a_warm_connection_is_tried_as_often_as_is_allowed(h2c, limit, method):
    assert tries_on_a_warm_connection(*h2c(resets(7), **ONE_TRY[limit]), method) == 1


@pytest.mark.parametrize("how", ["closed", "goaway"])
def test_a_request_on_a_warm_connection_that_ends_is_sent_again_whatever_the_tries(h2c, how):
    def handler(exchange):
        if exchange.request.target == "/warm" or exchange.request.connection == 2:
            fine(exchange)
        elif how == "closed":
            exchange.close()
        else:
            exchange.goaway(last=exchange.request.stream - 2)
            exchange.reset(7)

    cppx, backend = h2c(handler, proxy_next_upstream_tries="1")
    with cppx.h2() as client:
        exactly(client.ask(path="/warm"), 200, b"fine")
        exactly(client.ask(), 200, b"fine")
    assert [seen.connection for seen in backend.requests] == [1, 1, 2]


def test_streams_finish_after_a_goaway_and_new_ones_get_a_new_connection(h2c):
    go_on = threading.Event()

    def held(exchange):
        exchange.goaway(EVERY)
        assert go_on.wait(scaled(20))
        exchange.reply(body=b"held")

    cppx, backend = h2c(first_time(held))
    with cppx.h2() as client:
        slow = client.start()
        backend.wait_for_requests(1)
        client.ping()
        wait_for(lambda: client.ask(path="/new").status == 200 and backend.accepted == 2, 5, "a new connection")
        for _ in range(5):
            exactly(client.ask(path="/new"), 200, b"fine")
        go_on.set()
        exactly(client.finish(slow), 200, b"held")
    assert {seen.connection for seen in backend.requests if seen.target == "/"} == {1}


def test_a_goaway_with_every_answer_fails_nothing(h2c):
    """A backend that wants no more streams on a connection after its first answer, with ten at once under way."""

    def handler(exchange):
        exchange.read_body()
        exchange.goaway(EVERY)
        exchange.reply(body=b"fine")

    cppx, backend = h2c(handler)
    with cppx.h2() as client:
        for _ in range(10):
            for stream in [client.start() for _ in range(10)]:
                exactly(client.finish(stream), 200, b"fine")
    assert 10 <= backend.accepted <= 100


BAD = {
    "no status": [("x-a", "1")],
    "bad status": [(":status", "2x0")],
    "upper case": [(":status", "200"), ("X-Upper", "1")],
    "connection": [(":status", "200"), ("connection", "close")],
    "transfer-encoding": [(":status", "200"), ("transfer-encoding", "chunked")],
    "line feed": [(":status", "200"), ("x-a", "1\r\nx-b: 2")],
    "request pseudo": [(":status", "200"), (":path", "/")],
    "pseudo last": [("x-a", "1"), (":status", "200")],
    "two content-lengths": [(":status", "200"), ("content-length", "1"), ("content-length", "2")],
    "switching": [(":status", "101")],
}


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_response_is_502(h2c, name):
    def handler(exchange):
        exchange.read_body()
        if exchange.request.target == "/bad":
            exchange.send_fields(BAD[name], end=name != "switching")
        else:
            exchange.reply(body=b"fine")

    cppx, _ = h2c(handler)
    with cppx.h2() as client:
        assert client.ask("POST", "/bad", body=b"x").status == 502
        exactly(client.ask(path="/good"), 200, b"fine")


@pytest.mark.parametrize("field", [("connection", "close"), ("x-long", "y" * 40_000)], ids=["malformed", "too long"])
@pytest.mark.parametrize(("words", "tries"), [("error", 1), ("invalid_header", 3)])
def test_a_bad_response_is_tried_again_as_an_invalid_header(h2c, words, tries, field):
    def handler(exchange):
        exchange.read_body()
        exchange.send_head(headers=[field], end=True)

    cppx, backend = h2c(handler, proxy_next_upstream=words)
    with cppx.h2() as client:
        assert client.ask().status == 502
    assert len(backend.requests) == tries


@pytest.mark.parametrize(("length", "body"), [("3", b"four"), ("5", b"four")])
def test_a_body_that_is_not_as_long_as_announced_does_not_look_complete(h2c, length, body):
    cppx, _ = h2c(lambda exchange: exchange.reply(headers=[("content-length", length)], body=body))
    with cppx.h2() as client:
        try:
            assert client.ask().status == 502
        except Reset:
            pass


def test_no_answer_in_time_is_504_and_resets_the_backends_stream(h2c):
    codes = []

    def handler(exchange):
        if exchange.request.target == "/silent":
            codes.append(exchange.expect_reset())
        else:
            fine(exchange)

    cppx, backend = h2c(handler, proxy_read_timeout=f"{int(scaled(700))}ms", proxy_next_upstream_tries="1")
    with cppx.h2() as client:
        exactly(client.ask(), 200, b"fine")
        assert client.ask(path="/silent").status == 504
        wait_for(lambda: codes, 5, "the end of the backend's stream")
        exactly(client.ask(), 200, b"fine")
    assert codes[0] in (2, 8)


def test_a_client_that_cancels_resets_the_backends_stream_and_no_other(h2c):
    codes, go_on = [], threading.Event()

    def handler(exchange):
        if exchange.request.target == "/cancelled":
            codes.append(exchange.expect_reset())
            return
        assert go_on.wait(scaled(20))
        exchange.reply(body=b"fine")

    cppx, backend = h2c(handler)
    with cppx.h2() as client:
        good = client.start(path="/good")
        cancelled = [client.start(path="/cancelled"), client.start("POST", "/cancelled", end=False)]
        backend.wait_for_requests(3)
        for stream in cancelled:
            client.cancel(stream)
        wait_for(lambda: len(codes) == 2, 5, "the resets")
        go_on.set()
        exactly(client.finish(good), 200, b"fine")
    assert codes == [8, 8] and backend.accepted == 1


def test_a_client_of_http_11_that_leaves_resets_the_backends_stream(h2c):
    codes = []
    cppx, backend = h2c(lambda exchange: codes.append(exchange.expect_reset()))
    connection = cppx.connect()
    connection.send(b"GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
    backend.wait_for_requests(1)
    connection.reset()
    wait_for(lambda: codes, 5, "the reset")
    assert codes == [8]


def test_a_client_that_does_not_read_stops_its_stream_and_no_other(h2c):
    """Both streams are on one connection to the backend."""
    sent = [0]

    def handler(exchange):
        if exchange.request.target != "/stuck":
            exchange.reply(body=b"y" * 200_000)
            return
        exchange.send_head()
        for number in range(BIG // BLOCK):
            exchange.send(block(number))
            sent[0] += BLOCK
        exchange.send(end=True)

    cppx, backend = h2c(handler)
    before = cppx.memory_bytes()
    with cppx.h2(automatic=False) as stuck, cppx.h2(automatic=False) as others, cppx.h2() as client:
        # As many as would take all of the room that one connection to a backend may have had.
        for _ in range(20):
            others.start(path="/stuck")
        stalls_below(lambda: sent[0], 20 * BIG // 2)
        sent[0] = 0
        stream = stuck.start(path="/stuck")
        stalls_below(lambda: sent[0], BIG // 2)
        for _ in range(5):
            exactly(client.ask(path="/quick"), 200, b"y" * 200_000)
        assert cppx.memory_bytes() - before < 12 * MIB
        while not stream.over:
            stuck.consume(stream)
            stuck.wait_until(lambda: stream.held or stream.over, "more")
        assert len(stream.body) == BIG
    assert backend.accepted == 1


def test_a_backend_that_does_not_read_stops_the_client_and_no_other(h2c):
    go_on = threading.Event()

    def handler(exchange):
        if exchange.request.target == "/stuck":
            assert go_on.wait(scaled(30))
        exchange.reply(body=b"%d" % len(exchange.read_body()))

    cppx, backend = h2c(handler)
    sent = [0]

    def upload():
        with cppx.h2(timeout=40) as client:
            stream = client.start("POST", "/stuck", end=False)
            for number in range(BIG // BLOCK):
                client.send(stream, block(number))
                sent[0] += BLOCK
            client.send(stream, end=True)
            exactly(client.finish(stream), 200, b"%d" % BIG)
            sent.append("whole")

    thread = threading.Thread(target=upload)
    thread.start()
    try:
        stalls_below(lambda: sent[0], BIG // 2)
        with cppx.h2() as client:
            for _ in range(5):
                exactly(client.ask("POST", "/quick", body=b"x" * 5000), 200, b"5000")
    finally:
        go_on.set()
        thread.join(scaled(40))
    assert sent[1:] == ["whole"]


@pytest.mark.parametrize("end", [b"", b"0\r\n\r\n"], ids=["the rest is to come", "all is there"])
def test_what_is_left_of_a_refused_body_is_not_the_next_request(h2c, end):
    """The backend answers and resets without reading, while the body that is at hand is still being passed on."""

    def handler(exchange):
        exchange.reply(status=403, body=b"no")
        exchange.reset(0)

    cppx, backend = h2c(handler)
    backend.settings = {SettingCodes.INITIAL_WINDOW_SIZE: 100}
    hidden = b"GET /hidden HTTP/1.1\r\nHost: site.test\r\n\r\n"
    body = b"1\r\nx\r\n" * 2600 + b"%x\r\n%s\r\n" % (len(hidden), hidden) + end
    for _ in range(5):
        with cppx.connect() as connection:
            connection.send(b"POST / HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
            response = connection.read_response()
            assert (response.status, response.body) == (403, b"no")
            assert response.headers.one("connection") == "close"
            connection.finish_sending()
            connection.expect_closed()


def test_a_body_that_goes_slowly_but_goes_is_not_given_up(h2c):
    """proxy-send-timeout is between two writes, and a part of 64 KiB takes many."""

    def handler(exchange):
        taken = 0
        for piece in exchange.body_pieces():
            taken += len(piece)
            time.sleep(scaled(0.03))
        exchange.reply(body=b"%d" % taken)

    cppx, backend = h2c(handler, proxy_send_timeout=milliseconds(scaled(1.5)))
    backend.settings = {SettingCodes.INITIAL_WINDOW_SIZE: 1024}
    size = 100_000
    with cppx.h2(timeout=60) as client:
        exactly(client.ask("POST", body=b"x" * size), 200, b"%d" % size)


@pytest.mark.parametrize("code", [2, 8])
def test_resets_of_many_streams_at_once_do_not_eject(h2c, code):
    """They say nothing about the connection, which goes on."""
    ready = threading.Barrier(5, timeout=scaled(20))

    def handler(exchange):
        if exchange.request.target == "/bad":
            ready.wait()
            exchange.reset(code)
        else:
            fine(exchange)

    cppx, *_ = h2c(handler, "one", "two", proxy_next_upstream="off", upstream_ejection_time="60s")
    with cppx.h2() as client:
        for _ in range(3):
            streams = [client.start(path="/bad") for _ in range(10)]
            assert {client.finish(stream).status for stream in streams} == {502}
    assert cppx.metric("cppx_upstream_ejections_total") == 0


def test_a_connection_that_many_wait_for_fails_once(start_cppx, make_backend, make_h2_backend):
    go_on = threading.Event()

    def closes(_):
        assert go_on.wait(scaled(20))
        return "done"

    bad, good = make_backend("bad", on_connect=closes), make_h2_backend("good")
    objects = [*service_of("web", bad, good, app_protocol="kubernetes.io/h2c"), ingress("web", rule("site.test", "web:80"))]
    cppx = start_cppx({"all.yaml": objects}, config={"upstream-ejection-time": "60s"}, workers=1)
    with cppx.h2() as client:
        streams = [client.start() for _ in range(12)]
        # The others wait for the connection to the bad one.
        good.wait_for_requests(6)
        go_on.set()
        assert [client.finish(stream).status for stream in streams] == [200] * 12
    assert cppx.metric("cppx_upstream_ejections_total") == 0
