"""Both sides send and read at the same time, much more than any buffer holds: neither direction waits for the other."""

import hashlib
import random
import select
import ssl
import time

import pytest

from support.backend import tls_handshake
from support.certificates import make_certificate
from support.client import request
from support.load import MIB
from support.manifests import ingress, rule, service_of, tls_secret
from support.waiting import scaled

UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "websocket")]
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
LENGTH = 8 * MIB
REQUEST_DATA, RESPONSE_DATA = random.Random(1).randbytes(LENGTH), random.Random(2).randbytes(LENGTH)
NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def both_ways(wire, outgoing):
    """Sends `outgoing` while it reads LENGTH bytes, on one thread, as TLS connections of Python want it. The hash of what came."""
    came, count, left = hashlib.sha256(wire.buffer), len(wire.buffer), memoryview(outgoing)
    wire.sock.setblocking(False)
    end = time.monotonic() + scaled(30)
    while count < LENGTH or left:
        assert time.monotonic() < end, f"{count} bytes came and {len(left)} are left to send"
        moved = 0
        try:
            data = wire.sock.recv(65536) if count < LENGTH else b""
            assert data or count == LENGTH, f"the end after {count} bytes"
            came.update(data)
            count += len(data)
            moved += len(data)
        except NOT_NOW:
            pass
        try:
            sent = wire.sock.send(left[:65536]) if left else 0
            left = left[sent:]
            moved += sent
        except NOT_NOW:
            pass
        if not moved:
            select.select([wire.sock], [wire.sock] if left else [], [], 0.05)
    wire.sock.settimeout(scaled(10))
    return came.hexdigest()


def hash_of(data):
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("backend_tls", [False, True], ids=["to http", "to https"])
@pytest.mark.parametrize("client_tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("what", ["tunnel", "bodies"])
def test_neither_direction_waits_for_the_other(start_cppx, make_backend, what, client_tls, backend_tls):
    came = []

    def handler(exchange):
        exchange.ended = True
        exchange.send(SWITCH if what == "tunnel" else b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LENGTH)
        came.append(both_ways(exchange.wire, RESPONSE_DATA[:-1]))
        exchange.send(RESPONSE_DATA[-1:])  # A whole response is the end of its request.
        exchange.expect_peer_gone()

    backend = make_backend(handler=handler, on_connect=tls_handshake() if backend_tls else None)
    annotations = {"nginx.ingress.kubernetes.io/backend-protocol": "HTTPS"} if backend_tls else {}
    objects = [
        *service_of("web", backend),
        ingress("web", rule("site.test", "web:80"), tls=[("pair", "site.test")], annotations=annotations),
        tls_secret("pair", make_certificate("site.test")),
    ]
    cppx = start_cppx({"all.yaml": objects}, config={"ssl-redirect": "false", "proxy-body-size": "0"}, workers=1)
    with cppx.connect_tls("site.test") if client_tls else cppx.connect() as connection:
        headers = UPGRADE if what == "tunnel" else [("Content-Length", LENGTH)]
        connection.send(request("GET" if what == "tunnel" else "POST", headers=headers))
        assert connection.read_response_head().status == (101 if what == "tunnel" else 200)
        assert both_ways(connection, REQUEST_DATA) == hash_of(RESPONSE_DATA)
    assert came == [hash_of(REQUEST_DATA)]
