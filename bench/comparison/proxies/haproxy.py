"""HAProxy with one thread; hosts and paths in a map, as its ingress controllers have them."""

from comparison.proxies.base import HOSTS, MOST_CONNECTIONS, PATHS, Proxy, host_name, path_name

MAIN = """\
global
  nbthread 1
  maxconn {connections}
  no strict-limits
  {log_target}
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 60s
  timeout tunnel 300s
  timeout http-keep-alive 300s
  maxconn {connections}
  http-reuse always
  {log_format}
frontend requests
  bind 127.0.0.1:{http} backlog 4096
  bind 127.0.0.1:{https} backlog 4096 ssl crt {pem} alpn h2,http/1.1
{headers}
  {choice}
  default_backend origin
frontend grpc
  bind 127.0.0.1:{grpc} backlog 4096 ssl crt {pem} alpn h2
{headers}
  default_backend grpc_origin
backend origin
  server one 127.0.0.1:{origin}
backend grpc_origin
  server one 127.0.0.1:{grpc_origin} proto h2
"""

HEADERS = """\
  http-request set-header X-Request-ID %[uuid()] unless { req.hdr(X-Request-ID) -m found }
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Host %[req.hdr(Host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
  http-request set-header X-Forwarded-Scheme %[ssl_fc,iif(https,http)]
  http-request set-header X-Scheme %[ssl_fc,iif(https,http)]"""


class HAProxy(Proxy):
    name = "haproxy"
    package = "apt-get install haproxy"
    executable = "haproxy"

    def command(self, place):
        pem = place.write("site.pem", place.certificate.read_text() + place.key.read_text())
        logged = place.variant == "log"
        choice = ""
        if place.variant == "hosts":
            names = [host_name(host) + path_name(path) for host in range(HOSTS) for path in range(PATHS)]
            routes = place.write("routes.map", "".join(f"{name} origin\n" for name in names))
            choice = f"use_backend %[base,lower,map_beg({routes},origin)]"
        text = MAIN.format(
            **vars(place),
            pem=pem,
            connections=MOST_CONNECTIONS,
            headers=HEADERS,
            log_target="log stdout format raw local0" if logged else "",
            log_format="log global\n  option httplog" if logged else "",
            choice=choice,
        )
        return [self.program(), "-db", "-f", place.write("haproxy.cfg", text)]
