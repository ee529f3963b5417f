"""nginx, with the lines that ingress-nginx writes where they bear on the work."""

import os

from comparison.proxies.base import HOST, HOSTS, MOST_CONNECTIONS, PATHS, Proxy, host_name, path_name

MAIN = """\
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{
  use epoll;
  multi_accept on;
  worker_connections {connections};
}}
http {{
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  server_names_hash_max_size 65536;
  server_names_hash_bucket_size 128;
  log_format upstreaminfo '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_length $request_time [] [$upstream_addr] $upstream_response_length $upstream_response_time $upstream_status $req_id';
  access_log {access_log};
  map $http_x_request_id $req_id {{ default $http_x_request_id; "" $request_id; }}
  map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
  map $scheme $pass_port {{ default {http}; https 443; }}
  upstream origin {{
    server 127.0.0.1:{origin};
    keepalive 320;
    keepalive_requests 1000000000;
  }}
  upstream grpc_origin {{
    server 127.0.0.1:{grpc_origin};
    keepalive 320;
    keepalive_requests 1000000000;
  }}
  ssl_certificate {certificate};
  ssl_certificate_key {key};
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:SSL:10m;
  ssl_session_tickets off;
  ssl_session_timeout 10m;
  proxy_http_version 1.1;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection $connection_upgrade;
{headers}
  server {{
    listen 127.0.0.1:{http} backlog=4096;
    listen 127.0.0.1:{https} backlog=4096 ssl http2;
    server_name {host};
    location / {{ proxy_pass http://origin; }}
  }}
  server {{
    listen 127.0.0.1:{grpc} backlog=4096 ssl http2;
    location / {{ grpc_pass grpc://grpc_origin; }}
  }}
{hosts}
}}
"""

FIELDS = {
    "Host": "$http_host",
    "X-Request-ID": "$req_id",
    "X-Real-IP": "$remote_addr",
    "X-Forwarded-For": "$remote_addr",
    "X-Forwarded-Host": "$http_host",
    "X-Forwarded-Port": "$pass_port",
    "X-Forwarded-Proto": "$scheme",
    "X-Forwarded-Scheme": "$scheme",
    "X-Scheme": "$scheme",
}


def many_hosts(place):
    for number in range(HOSTS):
        yield f"  server {{ listen 127.0.0.1:{place.http}; server_name {host_name(number)};"
        for path in map(path_name, range(PATHS)):
            yield f"    location {path} {{ proxy_pass http://origin; }}"
        yield "  }"


class Nginx(Proxy):
    name = "nginx"
    package = "apt-get install nginx-light"
    executable = "nginx"

    def command(self, place):
        lines = [f"  proxy_set_header {name} {value};" for name, value in FIELDS.items()]
        lines += [f"  grpc_set_header {name} {value};" for name, value in FIELDS.items() if name != "Host"]
        lines += ["  grpc_set_header Host $host;"]
        text = MAIN.format(
            **vars(place),
            host=HOST,
            connections=MOST_CONNECTIONS,
            user="user root;" if os.geteuid() == 0 else "",
            access_log=f"{place.log} upstreaminfo" if place.variant == "log" else "off",
            headers="\n".join(lines),
            hosts="\n".join(many_hosts(place)) if place.variant == "hosts" else "",
        )
        return [self.program(), "-p", place.folder, "-e", place.folder / "error.log", "-c", place.write("nginx.conf", text)]
