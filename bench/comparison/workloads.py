"""What is measured. One request in progress for each connection or stream, as many as the numbers here say."""

import dataclasses

from comparison import loads
from comparison.proxies.base import GRPC_HOST, HOST


@dataclasses.dataclass(frozen=True)
class Workload:
    """A load on one variant of each proxy. `port` is the name of a port of the proxy."""

    name: str
    title: str
    load: object = None
    options: dict = dataclasses.field(default_factory=dict)
    variant: str = "plain"
    port: str = "http"
    host: str = HOST
    #: Not a load: memory of open connections (idle.py).
    idle: bool = False


def handshakes(version, resume):
    word = "resumed" if resume else "full"
    options = {"mode": "connect", "connections": 16, "path": "/1024", "tls": 1, "version": version, "resume": int(resume)}
    title = f"TLS {version} handshake, {word}, and 1 KiB"
    return Workload(f"tls{version.replace('.', '')}-{word}", title, loads.native, options, port="https")


ALL = (
    Workload("h1-1k", "HTTP/1.1, 1 KiB", loads.wrk, {"connections": 32, "path": "/1024"}),
    Workload("h1-64k", "HTTP/1.1, 64 KiB", loads.wrk, {"connections": 16, "path": "/65536"}),
    Workload("h1-1m", "HTTP/1.1, 1 MiB", loads.wrk, {"connections": 8, "path": "/1048576"}),
    Workload("post-16k", "POST of 16 KiB", loads.wrk, {"connections": 32, "path": "/64", "post": 16384}),
    Workload("h1-1k-log", "HTTP/1.1, 1 KiB, access log", loads.wrk, {"connections": 32, "path": "/1024"}, "log"),
    Workload("hosts", "10 000 hosts x 10 paths, random", loads.wrk, {"connections": 32, "path": "/1024", "hosts": True}, "hosts"),
    Workload("connect-1k", "New connection for each request", loads.native, {"mode": "connect", "connections": 16, "path": "/1024"}),
    Workload("tls-1k", "TLS, 1 KiB", loads.wrk, {"connections": 32, "path": "/1024", "tls": True}, port="https"),
    Workload("tls-64k", "TLS, 64 KiB", loads.wrk, {"connections": 16, "path": "/65536", "tls": True}, port="https"),
    handshakes("1.2", resume=False),
    handshakes("1.2", resume=True),
    handshakes("1.3", resume=False),
    handshakes("1.3", resume=True),
    Workload("h2-1k", "HTTP/2 over TLS, 1 KiB, 4 x 32 streams", loads.h2load, {"connections": 4, "streams": 32, "path": "/1024"}, port="https"),
    Workload(
        "grpc",
        "gRPC unary, 128 bytes, 4 x 32 streams",
        loads.h2load,
        {"connections": 4, "streams": 32, "path": "/bench.Echo/Call", "grpc": True},
        port="grpc",
        host=GRPC_HOST,
    ),
    Workload("websocket", "WebSocket echo, 64 bytes", loads.native, {"mode": "websocket", "connections": 32, "path": "/"}, port="websocket"),
    Workload("idle", "Memory of idle connections", idle=True),
    Workload("idle-tls", "Memory of idle TLS connections", options={"tls": 1}, port="https", idle=True),
)
