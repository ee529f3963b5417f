"""h2o with one thread."""

import json
import os

from comparison.proxies.base import HOSTS, MOST_CONNECTIONS, PATHS, Proxy, host_name, path_name


class H2o(Proxy):
    name = "h2o"
    package = "apt-get install h2o"
    executable = "h2o"
    unable = {"grpc": "speaks only HTTP/1.1 to backends", "tls13-resumed": "makes a full handshake instead of a resumed one"}
    less_work = "sets X-Forwarded-For, X-Forwarded-Proto and Via only, no request id"

    def command(self, place):
        origin = f"http://127.0.0.1:{place.origin}"
        hosts = {"*": {"paths": {"/": {"proxy.reverse.url": origin}}}}
        if place.variant == "hosts":
            paths = {path_name(number): {"proxy.reverse.url": origin + path_name(number)} for number in range(PATHS)}
            hosts = {host_name(number): {"paths": paths} for number in range(HOSTS)} | hosts
        tls = {"certificate-file": str(place.certificate), "key-file": str(place.key), "minimum-version": "TLSv1.2"}
        config = [
            ("listen", {"host": "127.0.0.1", "port": place.http}),
            ("listen", {"host": "127.0.0.1", "port": place.https, "ssl": tls}),
            ("num-threads", 1),
            ("max-connections", MOST_CONNECTIONS),
            ("http1-request-timeout", 300),
            ("proxy.preserve-host", "ON"),
            ("proxy.timeout.keepalive", 60000),
            ("proxy.websocket", "ON"),
            ("hosts", hosts),
        ]
        if os.geteuid() == 0:
            config.append(("user", "root"))
        if place.variant == "log":
            config.append(("access-log", str(place.log)))
        # JSON is YAML; a key that comes twice is not JSON any more.
        text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in config)
        return [self.program(), "-m", "worker", "-c", place.write("h2o.yaml", text)]
