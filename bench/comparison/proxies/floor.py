"""Copies bytes: what the way through one more process costs at least (bench/native/floor.c)."""

from comparison.proxies.base import RELEASE, Proxy

NO_TLS = "copies bytes and does no TLS"


class Floor(Proxy):
    name = "floor"
    package = "cmake --preset release -DCPPX_BENCH=ON && ninja -C build/release cppx_bench_native"
    unable = {
        **dict.fromkeys(("tls-1k", "tls-64k", "tls12-full", "tls12-resumed", "tls13-full", "tls13-resumed"), NO_TLS),
        **dict.fromkeys(("h2-1k", "grpc", "idle-tls"), NO_TLS),
        "h1-1k-log": "keeps no log",
    }
    websocket_port = "websocket"
    files_per_connection = 2

    def program(self):
        path = RELEASE / "bench" / "native" / "floor"
        return path if path.exists() else None

    def version(self):
        return "of this repository"

    def command(self, place):
        # An upgraded connection cannot be given to the next client.
        return [self.program(), f"{place.http}:{place.origin}:reuse", f"{place.websocket}:{place.origin}"]
