"""TLS clients whose records after the handshake are not what most send."""

import ssl
import threading

import pytest

from support.certificates import make_certificate
from support.client import Connection, request
from support.manifests import ingress, rule, service_of, tls_secret
from support.tls_records import HANDSHAKE, TlsRecords
from support.waiting import scaled

NAME = "secure.test"
CLIENT_HELLO = b"\1\0\0\0"


@pytest.fixture
def connect(start_cppx, make_backend):
    """A connection with TlsRecords to a backend with that handler."""

    def begin(version, handler):
        backend = make_backend(handler=handler)
        objects = [
            *service_of("web", backend),
            ingress("web", rule(NAME, "web:80"), tls=[("pair", NAME)]),
            tls_secret("pair", make_certificate(NAME)),
        ]
        cppx = start_cppx({"all.yaml": objects}, workers=1)
        connection = Connection(cppx.https_port)
        connection.sock = TlsRecords(connection.sock, NAME, version)
        return connection

    return begin


@pytest.mark.parametrize("during", ["nothing", "a download"])
def test_a_client_that_renegotiates_is_closed(connect, during):
    """OpenSSL would answer each try with a warning, for as long as there are more."""
    size = 0 if during == "nothing" else 50_000_000

    def handler(exchange):
        exchange.read_body()
        exchange.reply(body=bytes(size))

    with connect(ssl.TLSVersion.TLSv1_2, handler) as connection:
        connection.send(request(host=NAME))
        assert connection.read_response_head().status == 200
        connection.sock.send_records(HANDSHAKE, CLIENT_HELLO, times=10)
        connection.sock.wait_for_end()


def test_a_client_may_renew_its_keys_throughout_a_download(connect):
    pieces = 50
    taken = threading.Semaphore(1)

    def handler(exchange):
        exchange.read_body()
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (100 * pieces))
        for _ in range(pieces):
            assert taken.acquire(timeout=scaled(10))
            exchange.send(b"x" * 100)

    with connect(ssl.TLSVersion.TLSv1_3, handler) as connection:
        connection.send(request(host=NAME))
        response = connection.read_response_head()
        body, renewed = b"", 0
        for piece in connection.body_of(response):
            connection.sock.renew_keys()
            body, renewed = body + piece, renewed + 1
            if len(body) % 100 == 0:
                taken.release()
        assert body == b"x" * 100 * pieces
        assert renewed >= pieces
        taken.release(pieces)
        assert connection.ask(request(host=NAME)).status == 200
