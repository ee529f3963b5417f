"""nghttpx with one worker."""

from comparison.proxies.base import GRPC_HOST, HOST, HOSTS, PATHS, Proxy, host_name, path_name

MAIN = """\
frontend=127.0.0.1,{http};no-tls
frontend=127.0.0.1,{https}
backend=127.0.0.1,{origin}
backend=127.0.0.1,{grpc_origin};{grpc_host}/;proto=h2
workers=1
backlog=4096
rlimit-nofile={open_files}
backend-keep-alive-timeout=60s
backend-connections-per-host=1000
frontend-read-timeout=300s
frontend-keep-alive-timeout=300s
tls-min-proto-version=TLSv1.2
add-x-forwarded-for=yes
strip-incoming-x-forwarded-for=yes
no-via=yes
errorlog-file={folder}/error.log
add-request-header=X-Request-ID: 0123456789abcdef0123456789abcdef
add-request-header=X-Real-IP: 127.0.0.1
add-request-header=X-Forwarded-Host: {host}
add-request-header=X-Forwarded-Port: 443
add-request-header=X-Forwarded-Scheme: http
add-request-header=X-Scheme: http
private-key-file={key}
certificate-file={certificate}
{more}
"""


class Nghttpx(Proxy):
    name = "nghttpx"
    package = "apt-get install nghttp2-proxy"
    executable = "nghttpx"
    less_work = "the same request id and other fields for every request: they are fixed text"
    grpc_port = "https"

    def command(self, place):
        more = [f"accesslog-file={place.log}"] if place.variant == "log" else []
        if place.variant == "hosts":
            for host in map(host_name, range(HOSTS)):
                patterns = ":".join(host + path_name(path) + "/" for path in range(PATHS))
                more.append(f"backend=127.0.0.1,{place.origin};{patterns}")
        text = MAIN.format(
            **vars(place), grpc_host=GRPC_HOST, host=HOST, open_files=1_000_000, more="\n".join(more)
        )
        return [self.program(), f"--conf={place.write('nghttpx.conf', text)}"]
