"""Clients that have ended their direction and read on: what becomes of them is nobody else's affair."""

import contextlib
import pathlib
import threading

from support.client import request
from support.load import BLOCK, MIB, stalls_below
from support.manifests import ingress, rule, service_of
from support.waiting import scaled
from support.wire import Truncated

MUCH = 16 * MIB
STEP = 6144
STEPS = 6


def unread(cppx, connection):
    """Bytes that the kernel holds for a client: sent by cppx, and not read."""
    port = connection.sock.getsockname()[1]
    total = 0
    for line in pathlib.Path(f"/proc/{cppx.process.pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote = (int(address.partition(":")[2], 16) for address in fields[1:3])
        sent, received = (int(queue, 16) for queue in fields[4].split(":"))
        if (local, remote) == (cppx.http_port, port):
            total += sent
        elif (local, remote) == (port, cppx.http_port):
            total += received
    return total


def test_a_response_whose_end_waits_for_a_half_closed_client_leaves_no_mark(start_cppx, make_backend):
    """All of it has come from the backend, whose connection will be free; but the client, which does not read, is given
    up for gone, and reads it after all. One of many sizes around what the kernel takes leaves such a last part."""
    cut = threading.Event()
    sent = [0]

    def handler(exchange):
        if exchange.request.target == "/wait":
            exchange.expect_peer_gone()
            cut.set()
            return
        left = int(exchange.request.target[1:])
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % left)
        while left > 0:
            exchange.send(b"x" * min(left, BLOCK))
            left -= BLOCK
            sent[0] += BLOCK

    backend = make_backend(handler=handler)
    objects = [*service_of("web", backend), ingress("web", rule("site.test", "web:80"))]
    cppx = start_cppx({"all.yaml": objects}, workers=1)
    with contextlib.ExitStack() as stack:

        def ask_for(target):
            connection = stack.enter_context(cppx.connect(receive_buffer=4096))
            connection.send(request(target=f"/{target}"))
            return connection

        first = ask_for(MUCH)
        stalls_below(lambda: sent[0], MUCH)
        taken = unread(cppx, first)
        clients = [ask_for(taken + step * STEP) for step in range(STEPS)]
        stalls_below(lambda: sent[0], (STEPS + 1) * MUCH)
        # Looked at as often as the others, and the backend can tell when it is given up.
        last = ask_for("wait")
        backend.wait_for_requests(STEPS + 2)
        for client in [*clients, last]:
            client.finish_sending()
        assert cut.wait(scaled(5)), "a half-closed client is never given up"
        for client in clients:
            with contextlib.suppress(Truncated):
                client.read_response()
        assert [cppx.get(target="/1").status for _ in range(STEPS + 1)] == [200] * (STEPS + 1)
