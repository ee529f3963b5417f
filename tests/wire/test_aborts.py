"""One side goes away in the middle of a message: the other side can tell, and nobody else suffers."""

import contextlib
import os
import ssl
import threading
import time

import pytest

from support.backend import tls_handshake
from support.client import client_context, request
from support.manifests import ingress, rule, service_of
from support.waiting import wait_for
from support.wire import Truncated, chunk


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_client_that_leaves_in_its_body_ends_the_backends_request(site, how, framing):
    ended = []

    def handler(exchange):
        try:
            exchange.read_body()
            ended.append("complete")
        except Truncated:
            ended.append("truncated")
            raise

    site.backend.handler = handler
    head = [("Content-Length", "100")] if framing == "length" else [("Transfer-Encoding", "chunked")]
    connection = site.connect()
    connection.send(request("POST", headers=head) + (b"x" * 50 if framing == "length" else chunk(b"x" * 50)))
    site.backend.wait_for_requests(1)
    getattr(connection, how)()
    wait_for(lambda: ended, what="the end of the backend's request")
    assert ended == ["truncated"]
    site.backend.clear()
    assert site.get().status == 200


@pytest.fixture
def freed(site):
    """Set when the backend, which does not answer, finds its connection ended."""
    gone = threading.Event()

    def handler(exchange):
        exchange.expect_peer_gone()
        gone.set()

    site.backend.handler = handler
    return gone


def test_a_client_that_leaves_while_waiting_frees_the_backend(site, freed):
    connection = site.connect()
    connection.send(request())
    site.backend.wait_for_requests(1)
    connection.reset()
    assert freed.wait(20), "the backend's connection was kept"


@pytest.mark.parametrize("way", ["tls", "pipelined"])
def test_a_client_that_leaves_in_good_order_frees_the_backend(site, freed, way):
    """Its close_notify is something to read, and says that nothing more comes."""
    connection = site.connect_tls()
    connection.send(request() * (2 if way == "pipelined" else 1))
    site.backend.wait_for_requests(1)
    # It is sent; that it is not answered as long as there is no response is no matter.
    connection.sock.settimeout(0.1)
    with contextlib.suppress(OSError):
        connection.sock.unwrap()
    connection.close()
    assert freed.wait(20), "the backend's connection was kept"


def test_a_client_that_leaves_in_the_response_frees_the_backend(site):
    gone = threading.Event()

    def handler(exchange):
        exchange.ended = True
        exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                exchange.send(chunk(b"x" * 10000))
        except OSError:
            gone.set()

    site.backend.handler = handler
    connection = site.connect()
    connection.send(request())
    connection.read_response_head()
    connection.reset()
    assert gone.wait(20), "the backend could send for ever"


def test_a_client_that_closes_its_sending_side_still_gets_its_answer(site):
    with site.connect() as connection:
        connection.send(request("POST", body=b"all of it"))
        connection.finish_sending()
        assert connection.read_response("POST").status == 200
    assert site.backend.last.body == b"all of it"


PARTIAL = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    "chunked, between chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "chunked, in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
    "chunked, in a size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n1",
    "chunked, before the last line": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
    "chunked, in a trailer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nX-A: b",
}


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("form", PARTIAL)
def test_a_backend_that_leaves_in_its_body_never_looks_complete(site, form, how, version):
    """The head may have been sent already: then the message stays visibly cut."""
    go_on = threading.Event()

    def handler(exchange):
        exchange.send(PARTIAL[form])
        go_on.wait(20)
        getattr(exchange, how)()

    site.backend.handler = handler
    with site.connect() as connection:
        connection.send(request(version=version))
        try:
            response = connection.read_response_head()
            go_on.set()
            assert response.status == 200
            b"".join(connection.body_of(response))
        except Truncated:
            return
        # An HTTP/1.0 client has no framing for a chunked response: only a reset could tell, RFC 9112 section 8.
        assert version == "1.0" and "chunked" in form, f"looked complete: {response.raw_head}"


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_others_go_on_while_a_backend_fails(site, tls):
    def handler(exchange):
        if exchange.request.target == "/cut":
            exchange.send(PARTIAL["length"])
            exchange.close()
        else:
            exchange.reply(body=b"fine")

    site.backend.handler = handler
    with site.connect_tls("site.test") if tls else site.connect() as steady:
        for _ in range(20):
            with site.connect_tls("site.test") if tls else site.connect() as connection:
                connection.send(request(target="/cut"))
                with pytest.raises(Truncated):
                    connection.read_response()
            assert steady.ask(request()).body == b"fine"


def test_more_bytes_than_content_length_do_not_reach_the_next_answer(site):
    """A backend that sends too much: the surplus is nobody's response."""

    def handler(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")

    site.backend.handler = handler
    with site.connect() as connection:
        for _ in range(10):
            assert connection.ask(request()).body == b"ok"


def test_an_unasked_answer_on_an_idle_connection_is_nobodys_response(site):
    """A backend that speaks on a pooled connection before the next request: that connection is not used again."""
    spoke = threading.Event()

    def handler(exchange):
        exchange.reply(body=b"mine")
        if exchange.request.target == "/first":
            exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
            spoke.set()

    site.backend.handler = handler
    with site.connect() as connection:
        for _ in range(10):
            spoke.clear()
            assert connection.ask(request(target="/first")).body == b"mine"
            assert spoke.wait(20)
            assert connection.ask(request(target="/second")).body == b"mine"


def test_many_aborted_clients_leave_nothing_behind(site):
    def handler(exchange):
        if exchange.request.target == "/hang":
            exchange.expect_peer_gone()
        else:
            exchange.reply()

    site.backend.handler = handler
    site.get()
    files = site.cppx.open_files()
    for _ in range(100):
        connection = site.connect()
        connection.send(request(target="/hang"))
        connection.reset()
    wait_for(lambda: site.cppx.open_files() <= files + 5, 10, "the files of aborted clients to be closed")


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("part", [0, 3, 5, 20])
def test_a_tls_backend_that_leaves_within_a_record_never_looks_complete(start_cppx, make_backend, version, part):
    """Between records its end is the body's, as nginx has it: not all backends say close_notify."""
    def handler(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"half of it")
        record = b"\x17\x03\x03\x00\x40" + bytes(64)
        os.write(exchange.wire.sock.fileno(), record[:part])
        exchange.close()

    backend = make_backend(handler=handler, on_connect=tls_handshake(version))
    rules = ingress("web", rule("site.test", "web:80"), annotations={"nginx.ingress.kubernetes.io/backend-protocol": "HTTPS"})
    cppx = start_cppx({"all.yaml": [*service_of("web", backend), rules]})
    with cppx.connect() as connection:
        connection.send(request())
        response = connection.read_response_head()
        assert response.status == 200
        with pytest.raises(Truncated) if part else contextlib.nullcontext():
            assert b"".join(connection.body_of(response)) == b"half of it"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_a_tls_client_that_ends_in_a_small_body_is_not_waited_for(site, version):
    """That its side has ended is told once, by TLS, and has to be known wherever it is asked for afterwards."""
    context = client_context(minimum=version, maximum=version)
    with site.connect_tls(context=context) as connection:
        connection.send(request("POST", host="secure.test", headers=[("Content-Length", "1000")]) + b"x" * 100)
        with pytest.raises(OSError) as ended:
            connection.sock.unwrap()  # close_notify, and waits for that of the other side
        assert not isinstance(ended.value, TimeoutError)
    site.expect_untouched()


@pytest.mark.parametrize("protocol", ["http1", "http2"])
def test_who_leaves_before_a_small_body_is_whole_costs_no_backend_connection(start_cppx, make_backend, protocol):
    backend = make_backend()
    objects = [*service_of("web", backend), ingress("web", rule("site.test", "web:80"))]
    cppx = start_cppx({"all.yaml": objects}, workers=1)
    assert cppx.get().status == 200
    stays = []  # in seconds: nobody is waited for longer than for a quarter of one
    if protocol == "http2":
        with cppx.h2() as client:
            for _ in range(20):
                begun = time.monotonic()
                client.cancel(client.start("POST", headers=[("content-length", "1000")], end=False))
                stays.append(time.monotonic() - begun)
            assert client.ask().status == 200
    else:
        for _ in range(20):
            begun = time.monotonic()
            with cppx.connect() as connection:
                connection.send(request("POST", headers=[("Content-Length", "1000")]) + b"x" * 100)
            stays.append(time.monotonic() - begun)
    assert cppx.get().status == 200
    late = sum(stay >= 0.2 for stay in stays)
    assert late < len(stays)
    assert backend.accepted <= 1 + late
    assert sum(seen.method != "GET" for seen in backend.requests) + len(backend.fragments) <= late
