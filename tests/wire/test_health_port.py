"""The health port: anybody may connect to it, and it must not cost what traffic needs."""

import contextlib
import time

import pytest

from support.client import Connection, request
from support.waiting import scaled

MOST_CONNECTIONS = 64
HEALTHZ = request(target="/healthz", host="localhost")


@pytest.fixture
def cppx(start_cppx):
    return start_cppx({}, workers=1)


@pytest.fixture
def connect(cppx):
    """Connects to the health port; everything is closed at the end."""
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(Connection(cppx.health_port))


def test_many_silent_clients_hold_few_descriptors(cppx, connect):
    before = cppx.open_files()
    clients = [connect() for _ in range(300)]
    assert cppx.health("/healthz") == 200
    assert cppx.open_files() - before <= MOST_CONNECTIONS
    # Those that have been silent for longest made room, and the last ones still get their answers.
    clients[0].expect_closed()
    assert clients[-1].ask(HEALTHZ).status == 200


def test_a_client_that_asks_is_kept_when_silent_ones_come(connect):
    asking = connect()
    for _ in range(6):
        assert asking.ask(HEALTHZ).status == 200
        for _ in range(MOST_CONNECTIONS // 3):
            connect()
    assert asking.ask(HEALTHZ).status == 200


@pytest.mark.slow
def test_a_client_has_five_seconds_for_each_request(connect):
    start = time.monotonic()
    silent, half, answered = connect(), connect(), connect()
    half.send(HEALTHZ[:10])
    assert answered.ask(HEALTHZ).status == 200
    for client in (silent, half, answered):
        client.expect_closed()
    assert 4 < time.monotonic() - start < scaled(9)
