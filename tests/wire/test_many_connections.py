"""Thousands of client connections with a hundred thousand requests in progress: what they cost, and that all end well."""

import math
from dataclasses import dataclass

import pytest

from support.h2load import H2Load
from support.holding_backend import HoldingBackend
from support.manifests import ingress, rule, service_of
from support.waiting import SLOW, wait_for

WORKERS = 2
CONNECTIONS = 15_000
STREAMS = 100_000
STREAMS_OF_CLIENT = 128  # Default of http2-max-concurrent-streams.
# What it was when this was written, and a third more.
STREAM_BYTES = 9_800
CONNECTION_BYTES = {"plain": 25_200, "tls": 61_800}
STREAMS_PER_CONNECTION = 1000
OPEN = "nginx_ingress_controller_nginx_process_connections{"
REQUESTS = "nginx_ingress_controller_nginx_process_requests_total "
ERRORS = 'cppx_responses_total{status="5xx"}'
PATIENT = {name: "600" for name in ("proxy-read-timeout", "proxy-connect-timeout", "keep-alive", "client-header-timeout")}


def possible_connections(files):
    """As many as wanted or as cppx takes with so many files: seven of eight, without those that are for other things.
    Some less, as the kernel's dice do not give workers equal shares, and it needs some for the backend."""
    taken = (files - 256) * 7 // 8 - 200
    return min(int(CONNECTIONS / SLOW), taken - 6 * math.isqrt(taken))


def site_of(start_cppx, backend, **options):
    objects = [*service_of("hold", backend, app_protocol="kubernetes.io/h2c"), ingress("hold", rule("site.test", "hold:80"))]
    return start_cppx({"all.yaml": objects}, **options)


@dataclass
class Held:
    """What a cppx takes while it holds so many."""

    connections: int
    streams: int
    bytes: int


def hold(start_cppx, connections, each, tls):
    """Opens all connections with `each` requests, has them held, then answered; everything must end well."""
    streams = connections * each
    with HoldingBackend(STREAMS_PER_CONNECTION) as backend:
        cppx = site_of(start_cppx, backend, config=PATIENT, workers=WORKERS)
        before, files = cppx.own_memory_bytes(), cppx.open_files()
        port = cppx.https_port if tls else cppx.http_port
        with H2Load(port, "site.test", requests=streams, clients=connections, streams=each, tls=tls) as run:

            def all_held():
                assert run.process.poll() is None, f"over before its answers: {run.report()}"
                return backend.held() == streams

            wait_for(all_held, 90, f"{streams} streams to be held", every=0.1)
            assert cppx.metric(OPEN) == connections
            held = Held(connections, streams, cppx.own_memory_bytes() - before)
            backend.release()
            report = run.report()
        assert report.ok and report.total == streams, report
        wait_for(lambda: cppx.open_files() < files + 500, 20, "the client connections to be closed")
    return held


@pytest.mark.slow
@pytest.mark.timeout(300 * SLOW)
@pytest.mark.parametrize("kind", CONNECTION_BYTES)
def test_many_connections_with_many_streams(start_cppx, all_files, kind, record_property):
    connections = possible_connections(all_files)
    few = hold(start_cppx, connections, 1, kind == "tls")
    each = min(-(-int(STREAMS / SLOW) // connections), STREAMS_OF_CLIENT)
    many = hold(start_cppx, connections, each, kind == "tls")
    stream = (many.bytes - few.bytes) / (many.streams - few.streams)
    connection = few.bytes / connections - stream
    text = (
        f"{many.streams} streams on {connections} of {CONNECTIONS} connections ({all_files} files may be open):"
        f" {many.bytes / 2**20:.0f} MiB, {stream:.0f} bytes for a stream, {connection:.0f} for a connection"
    )
    record_property("memory", text)
    print(text)
    if SLOW == 1:  # A sanitizer takes memory of its own.
        assert stream < STREAM_BYTES and connection < CONNECTION_BYTES[kind], text


def test_a_burst_that_needs_many_connections(start_cppx):
    """All of them wait for the first connection when it turns out to take few."""
    with HoldingBackend(streams_per_connection=10, greeting=False) as backend:
        cppx = site_of(start_cppx, backend, workers=1)
        with H2Load(cppx.http_port, "site.test", requests=1000, clients=10, streams=100) as run:
            wait_for(lambda: cppx.metric(REQUESTS) == 1000, 10, "all requests")
            backend.greet()
            wait_for(lambda: backend.held() == 1000 or cppx.metric(ERRORS) > 0, 20, "them to be at the backend")
            assert cppx.metric(ERRORS) == 0
            assert backend.release() == 100
            report = run.report()
        assert report.ok and report.total == 1000, report
    assert cppx.metric("cppx_upstream_ejections_total ") == 0
