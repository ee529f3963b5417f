"""The access log: one line for each request, in the form of ingress-nginx unless the ConfigMap has another."""

import base64
import json
import os
import re
import signal

import grpc
import pytest
from websockets.sync.client import connect as connect_websocket

from support.backend import refused_port
from support.certificates import make_certificate
from support.client import Connection, request
from support.grpc_service import GrpcServer, open_stub
from support.manifests import config_map, ingress, rule, service, service_of, tls_secret
from support.proxy_protocol import local, version1, version2
from support.waiting import scaled, wait_for
from support.websocket import H2WebSocket
from support.websocket_echo import echo_site
from support.wire import chunk

PREFIX = "nginx.ingress.kubernetes.io/"
TIME = r"\d+\.\d{3}"


def usual(asked, status, body, length, tries=(), upstream="default-main-80", agent="-", user="-", identifier="[0-9a-f]{32}"):
    """A pattern for a whole line. `tries`: (address, response length or None for any, status) each."""
    if tries:
        addresses = ", ".join(re.escape(address) for address, _, _ in tries)
        lengths = ", ".join(r"\d+" if size is None else str(size) for _, size, _ in tries)
        times = ", ".join(TIME for _ in tries)
        statuses = ", ".join(str(status) for _, _, status in tries)
    else:
        addresses = lengths = times = statuses = "-"
    date = r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}"
    return re.compile(
        rf'127\.0\.0\.1 - {re.escape(user)} \[{date}\] "{re.escape(asked)}" {status} {body} "-" "{re.escape(agent)}" '
        rf"{length} {TIME} \[{upstream}\] \[\] {addresses} {lengths} {times} {statuses} {identifier}"
    )


@pytest.fixture
def logged(start_cppx, make_backend):
    """A cppx with one worker whose access log is read, before a backend: logged(config, objects)."""

    def start(config=None, objects=(), handler=None, **options):
        backend = make_backend("main")
        if handler:
            backend.handler = handler
        certificate = make_certificate("secure.test")
        site = [
            *service_of("main", backend),
            ingress("site", rule("site.test", "main:80")),
            ingress("secure", rule("secure.test", "main:80"), tls=[("secure", "secure.test")]),
            tls_secret("secure", certificate),
            *objects,
        ]
        cppx = start_cppx({"all.yaml": site}, config=config, workers=1, access_log=True, **options)
        return cppx, backend

    return start


def place(backend):
    return f"{backend.address}:{backend.port}"


def only_line(cppx):
    """The line of the one request there was, when it is certain that there is no other."""
    before = cppx.wait_for_access()
    assert cppx.get(target="/marker").status == 200
    lines = cppx.wait_for_access(len(before) + 1)
    assert len(lines) == 2 and "/marker" in lines[1], lines
    return lines[0]


def metric(cppx, name):
    with Connection(cppx.health_port) as connection:
        text = connection.ask(request(target="/metrics", host="localhost")).text
    return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name + " "))


def test_a_request_over_http1(logged):
    cppx, backend = logged()
    raw = request(target="/a?x=1", headers=[("User-Agent", "curl/8.0"), ("Authorization", "Basic am9lOnB3")])
    assert cppx.ask(raw).status == 200
    sent_on = backend.last.headers.one("X-Request-ID")
    pattern = usual("GET /a?x=1 HTTP/1.1", 200, 4, len(raw), [(place(backend), 4, 200)], agent="curl/8.0", user="joe", identifier=sent_on)
    assert pattern.fullmatch(only_line(cppx)), cppx.access_lines


def test_the_identifier_of_the_client_is_kept(logged):
    cppx, _ = logged()
    cppx.get(headers=[("X-Request-ID", "mine-1")])
    assert only_line(cppx).endswith(" mine-1")


def test_requests_on_one_connection_have_a_line_each(logged):
    cppx, backend = logged()
    with cppx.connect() as connection:
        for number in range(3):
            assert connection.ask(request(target=f"/{number}")).status == 200
    lines = cppx.wait_for_access(3)
    for number, line in enumerate(lines):
        raw = request(target=f"/{number}")
        assert usual(f"GET /{number} HTTP/1.1", 200, 4, len(raw), [(place(backend), 4, 200)]).fullmatch(line), line


@pytest.mark.parametrize("tls", [False, True])
def test_a_request_over_http2(logged, tls):
    cppx, backend = logged()
    with cppx.h2(tls, server_name="secure.test") as client:
        host = "secure.test" if tls else "site.test"
        assert client.ask(path="/a?x=1", host=host, headers=[("user-agent", "h2")]).status == 200
    line = cppx.wait_for_access()[0]
    assert usual("GET /a?x=1 HTTP/2.0", 200, 4, r"\d\d", [(place(backend), 4, 200)], agent="h2").fullmatch(line), line


def test_a_grpc_call(logged):
    with GrpcServer("pods") as server:
        annotations = {PREFIX + "backend-protocol": "GRPC"}
        objects = [
            *service_of("grpc", (server.address, server.port)),
            ingress("grpc", rule("grpc.test", "grpc:80"), annotations=annotations),
        ]
        cppx, _ = logged(objects=objects)
        with open_stub(cppx.http_port, "grpc.test") as stub:
            assert stub.echo(b"12345", timeout=scaled(10)) == b"12345"
        line = cppx.wait_for_access()[0]
        # A message has five bytes in front of it.
        asked = "POST /cppx.test.Echo/Echo HTTP/2.0"
        agent = re.search(r'"(grpc-python[^"]*)"', line).group(1)
        pattern = usual(asked, 200, 10, r"\d+", [(place(server), 10, 200)], "default-grpc-80", agent)
        assert pattern.fullmatch(line), line


def test_a_grpc_call_that_no_backend_answers(logged):
    annotations = {PREFIX + "backend-protocol": "GRPC"}
    cppx, _ = logged(objects=[service("none"), ingress("none", rule("grpc.test", "none:80"), annotations=annotations)])
    with open_stub(cppx.http_port, "grpc.test") as stub, pytest.raises(grpc.RpcError):
        stub.echo(b"12345", timeout=scaled(10))
    line = cppx.wait_for_access()[0]
    asked = "POST /cppx.test.Echo/Echo HTTP/2.0"
    agent = re.search(r'"(grpc-python[^"]*)"', line).group(1)
    assert usual(asked, 503, 0, r"\d+", upstream="default-none-80", agent=agent).fullmatch(line), line


def test_a_client_that_leaves_after_100_continue(logged):
    cppx, backend = logged()
    connection = cppx.connect()
    connection.send(request("POST", headers=[("Content-Length", "100"), ("Expect", "100-continue")]))
    assert connection.read_head().startswith(b"HTTP/1.1 100 ")
    connection.reset()
    line = cppx.wait_for_access(seconds=20)[0]
    assert usual("POST / HTTP/1.1", 499, 0, r"\d+", [(place(backend), 0, "-")]).fullmatch(line), line


def test_a_body_counts_as_it_went_over_the_wire(logged):
    def in_chunks(exchange):
        exchange.read_body()
        exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"x" * 100) + b"0\r\n\r\n")

    cppx, backend = logged(handler=in_chunks)
    raw = request("POST", headers=[("Transfer-Encoding", "chunked")]) + chunk(b"y" * 50) + b"0\r\n\r\n"
    with cppx.connect() as connection:
        connection.send(raw)
        assert connection.read_response().body == b"x" * 100
    framed = len(chunk(b"x" * 100) + b"0\r\n\r\n")
    line = cppx.wait_for_access()[0]
    assert usual("POST / HTTP/1.1", 200, framed, len(raw), [(place(backend), 100, 200)]).fullmatch(line), line


def test_answers_of_our_own(logged):
    objects = [
        service("empty"),
        ingress("paths", rule("paths.test", ("/only", "Exact", "main:80"), ("/none", "Exact", "empty:80"))),
    ]
    cppx, _ = logged(objects=objects)
    for target, status, upstream in (
        ("/nothing", 404, "upstream-default-backend"),
        ("/none", 503, "default-empty-80"),
    ):
        cppx.clear_access()
        raw = request(target=target, host="paths.test")
        page = cppx.ask(raw)
        assert page.status == status
        line = cppx.wait_for_access()[0]
        assert usual(f"GET {target} HTTP/1.1", status, len(page.body), len(raw), upstream=upstream).fullmatch(line), line
    cppx.clear_access()
    raw = request(target="/x", host="secure.test")
    page = cppx.ask(raw)
    assert page.status == 308
    line = cppx.wait_for_access()[0]
    assert usual("GET /x HTTP/1.1", 308, len(page.body), len(raw)).fullmatch(line), line


def test_hosts_of_nobody_are_logged_when_asked_for(logged):
    cppx, _ = logged()
    assert cppx.get(host="unknown.test").status == 404
    assert cppx.get(host="unknown.test", target="/healthz").status == 200
    assert cppx.get(target="/first").status == 200
    assert '"GET /first HTTP/1.1"' in only_line(cppx)
    cppx, _ = logged({"enable-access-log-for-default-backend": "true"})
    raw = request(host="unknown.test")
    page = cppx.ask(raw)
    line = only_line(cppx)
    assert usual("GET / HTTP/1.1", 404, len(page.body), len(raw), upstream="upstream-default-backend").fullmatch(line), line


def test_tries_are_listed(logged, make_backend):
    def closes(exchange):
        exchange.read_body()
        exchange.close()

    holder, port = refused_port()
    bad = make_backend("bad", handler=closes)
    objects = [*service_of("bad", bad, ("127.0.0.1", port)), ingress("bad", rule("bad.test", "bad:80"))]
    cppx, _ = logged({"proxy-next-upstream-tries": "2"}, objects)
    with holder:
        assert cppx.get(host="bad.test").status == 502
    line = only_line(cppx)
    refused = f"127.0.0.1:{port}"
    patterns = [
        usual("GET / HTTP/1.1", 502, r"\d+", r"\d+", [(one, 0, 502), (other, 0, 502)], "default-bad-80")
        for one, other in ((place(bad), refused), (refused, place(bad)))
    ]
    assert any(pattern.fullmatch(line) for pattern in patterns), line


def test_a_try_that_helped_follows_one_that_did_not(logged, make_backend):
    def unavailable(exchange):
        exchange.read_body()
        exchange.reply(status=503, body=b"no")

    bad, good = make_backend("bad", handler=unavailable), make_backend("good")
    objects = [*service_of("two", bad, good), ingress("two", rule("two.test", "two:80"))]
    cppx, _ = logged({"proxy-next-upstream": "http_503"}, objects)
    for _ in range(2):
        assert cppx.get(host="two.test").status == 200
    tries = [(place(bad), 0, 503), (place(good), 4, 200)]
    pattern = usual("GET / HTTP/1.1", 200, 4, r"\d+", tries, "default-two-80")
    lines = cppx.wait_for_access(2)
    assert any(pattern.fullmatch(line) for line in lines), lines


def test_a_backend_that_is_too_slow(logged):
    cppx, backend = logged(
        {"proxy-read-timeout": "100ms", "proxy-next-upstream-tries": "1"}, handler=lambda exchange: exchange.expect_peer_gone()
    )
    raw = request()
    page = cppx.ask(raw)
    line = cppx.wait_for_access()[0]
    assert usual("GET / HTTP/1.1", 504, len(page.body), len(raw), [(place(backend), 0, 504)]).fullmatch(line), line
    taken = float(re.search(r"\d+ (\d+\.\d{3}) \[", line).group(1))
    assert 0.09 <= taken < scaled(3)


@pytest.mark.parametrize("http2", [False, True])
def test_a_client_that_leaves_before_the_answer(logged, http2):
    cppx, backend = logged(handler=lambda exchange: exchange.expect_peer_gone())
    if http2:
        with cppx.h2() as client:
            stream = client.start()
            client.flush()
            backend.wait_for_requests(1)
            client.cancel(stream)
            client.flush()
            line = cppx.wait_for_access(seconds=20)[0]
    else:
        connection = cppx.connect()
        connection.send(request())
        backend.wait_for_requests(1)
        connection.reset()
        line = cppx.wait_for_access(seconds=20)[0]
    asked = f"GET / HTTP/{'2.0' if http2 else '1.1'}"
    assert usual(asked, 499, 0, r"\d+", [(place(backend), 0, "-")]).fullmatch(line), line


def test_a_client_that_leaves_within_the_answer(logged):
    def endless(exchange):
        exchange.read_body()
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        exchange.expect_peer_gone()

    cppx, backend = logged(handler=endless)
    connection = cppx.connect()
    connection.send(request())
    connection.read_response_head()
    connection.reset()
    line = cppx.wait_for_access(seconds=20)[0]
    assert usual("GET / HTTP/1.1", 200, r"\d+", r"\d+", [(place(backend), None, 200)]).fullmatch(line), line


@pytest.mark.parametrize(
    ("raw", "asked", "status", "agent"),
    [
        (request(host=None, headers=[("User-Agent", "x")]), "GET / HTTP/1.1", 400, "x"),
        (b"\x16\x03\x01\xff\"\\\r\n\r\n", r"\x16\x03\x01\xFF\x22\x5C", 400, "-"),
        (b"GET /a b HTTP/1.1\r\n\r\n", "GET /a b HTTP/1.1", 400, "-"),
        (b"GET / HTTP/9.9\r\n\r\n", "GET / HTTP/9.9", 505, "-"),
        (b"GET /" + b"a" * 9000, "GET /" + "a" * 8000, 414, "-"),
        (request(headers=[("X", "b" * 40000)]), "GET / HTTP/1.1", 431, "-"),
        (b"GET /slow HTTP/1.1\r\nHo", "GET /slow HTTP/1.1", 408, "-"),
        (request("TRACE"), "TRACE / HTTP/1.1", 405, "-"),
    ],
)
def test_what_is_no_request(logged, raw, asked, status, agent):
    cppx, _ = logged({"client-header-timeout": "1s" if status == 408 else "60s"})
    with cppx.connect() as connection:
        connection.send(raw)
        assert connection.read_response().status == status
    line = cppx.wait_for_access()[0]
    pattern = usual("ASKED", status, r"\d+", r"\d+", upstream="", agent=agent).pattern
    more = "a*" if status == 414 else ""
    assert re.fullmatch(pattern.replace("ASKED", re.escape(asked) + more), line), line[:500]


def test_a_plain_request_at_the_port_of_tls(logged):
    cppx, _ = logged()
    with Connection(cppx.https_port) as connection:
        connection.send(request())
        assert connection.read_response().status == 400
    line = cppx.wait_for_access()[0]
    assert usual("-", 400, r"\d+", 0, upstream="").fullmatch(line), line


def test_bad_requests_over_http2(logged):
    cppx, _ = logged()
    with cppx.h2() as client:
        assert client.ask(method="TRACE").status == 405
    line = cppx.wait_for_access()[0]
    assert usual("-", 405, r"\d+", r"\d+", upstream="").fullmatch(line), line


def test_a_websocket_is_logged_at_its_end(cppx_binary, tmp_path):
    with echo_site(tmp_path / "manifests", log=True) as cppx:
        with connect_websocket(f"ws://site.test:{cppx.http_port}/chat", sock=Connection(cppx.http_port).sock) as client:
            client.send("hello")
            assert client.recv(timeout=scaled(10)) == "hello"
            assert cppx.access_lines == []
        line = cppx.wait_for_access()[0]
        asked = r'"GET /chat HTTP/1\.1" 101 (\d\d) "-" "[^"]+" \d+ ' + TIME
        assert re.search(rf"{asked} \[default-echo-80\] \[\] 127\.0\.0\.1:\d+ \1 {TIME} 101 [0-9a-f]{{32}}$", line), line
        cppx.clear_access()
        with cppx.h2() as client:
            socket = H2WebSocket(client)
            socket.send("hello")
            assert socket.recv() == "hello"
            socket.close()
            assert socket.recv() is None
            assert cppx.access_lines == []
        line = cppx.wait_for_access()[0]
        assert re.search(rf'"GET /chat\?x=1 HTTP/2\.0" 200 11 .* 11 {TIME} 101 [0-9a-f]{{32}}$', line), line


# What a field may hold; anything else in it is refused.
HOSTILE = [("X-Evil", '"}\t\\'), ("X-Evil", "\xe4"), ("User-Agent", '"} {"injected": true')]


def test_json_stays_json_whatever_clients_send(logged):
    parts = {"evil": "$http_x_evil", "agent": "$http_user_agent", "user": "$remote_user", "none": "$http_x_none", "uri": "$uri"}
    cppx, _ = logged({"log-format-escape-json": "true", "log-format-upstream": json.dumps(parts)})
    name = 'a"\r\n{"injected"}'
    credentials = base64.b64encode(f"{name}:x".encode()).decode()
    assert cppx.get(target="/%22%0d%0aX", headers=[*HOSTILE, ("Authorization", f"Basic {credentials}")]).status == 200
    assert json.loads(only_line(cppx)) == {
        "evil": '"}\t\\, \ufffd',
        "agent": '"} {"injected": true',
        "user": name,
        "none": "",
        "uri": '/"\r\nX',
    }


@pytest.mark.parametrize("escape", ["default", "none"])
def test_nothing_a_client_sends_ends_its_line(logged, escape):
    config = {"log-format-upstream": '"$http_x_evil" "$remote_user" "$uri" "$http_user_agent"'}
    if escape == "none":
        config["log-format-escape-none"] = "true"
    cppx, _ = logged(config, objects=[])
    credentials = base64.b64encode(b"a\r\nb:x").decode()
    assert cppx.get(target="/%0aX", headers=[*HOSTILE, ("Authorization", f"Basic {credentials}")]).status == 200
    assert cppx.get(target="/marker").status == 200
    first, last = cppx.wait_for_access(2)
    evil = r"\x22}\x09\x5C, \xE4" if escape == "default" else '"}\\x09\\, \ufffd'
    agent = r"\x22} {\x22injected\x22: true" if escape == "default" else HOSTILE[2][1]
    assert first == rf'"{evil}" "a\x0D\x0Ab" "/\x0AX" "{agent}"'
    assert '"/marker"' in last


def test_all_that_a_line_can_tell(logged):
    variables = {
        "args": "x=1&y=2",
        "arg_y": "2",
        "body_bytes_sent": "4",
        "bytes_sent": r"\d{2,3}",
        "connection": r"\d+",
        "connection_requests": "2",
        "content_length": "3",
        "content_type": "text/plain",
        "cookie_c": "cake",
        "document_uri": "/a b",
        "host": "secure.test",
        "http_host": "Secure.test:8443",
        "http_x_two": "1, 2",
        "ingress_name": "secure",
        "location_path": "/",
        "msec": r"\d{10}\.\d{3}",
        "namespace": "default",
        "pid": "PID",
        "proxy_alternative_upstream_name": "",
        "proxy_protocol_addr": "-",
        "proxy_upstream_name": "default-main-80",
        "query_string": "x=1&y=2",
        "realip_remote_addr": r"127\.0\.0\.1",
        "remote_addr": r"203\.0\.113\.9",
        "remote_port": "",
        "remote_user": "joe",
        "req_id": "[0-9a-f]{32}",
        "request": r"PUT /a%20b\?x=1&y=2 HTTP/1\.1",
        "request_id": "[0-9a-f]{32}",
        "request_length": "LENGTH",
        "request_method": "PUT",
        "request_time": TIME,
        "request_uri": r"/a%20b\?x=1&y=2",
        "scheme": "https",
        "server_name": r"secure\.test",
        "server_port": "PORT",
        "server_protocol": r"HTTP/1\.1",
        "service_name": "main",
        "service_port": "80",
        "ssl_cipher": "TLS_AES_256_GCM_SHA384|TLS_AES_128_GCM_SHA256|TLS_CHACHA20_POLY1305_SHA256",
        "ssl_protocol": r"TLSv1\.3",
        "ssl_server_name": r"secure\.test",
        "status": "200",
        "the_real_ip": r"203\.0\.113\.9",
        "time_iso8601": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d",
        "time_local": r"\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}",
        "upstream_addr": "UPSTREAM",
        "upstream_connect_time": TIME,
        "upstream_header_time": TIME,
        "upstream_response_length": "4",
        "upstream_response_time": TIME,
        "upstream_status": "200",
        "uri": "/a b",
        "geoip_city": "-",
    }
    names = list(variables)
    config = {
        "log-format-upstream": "|".join(f"${{{name}}}" for name in names),
        "use-forwarded-headers": "true",
    }
    cppx, backend = logged(config)
    fields = [
        ("Content-Type", "text/plain"),
        ("Cookie", "c=cake"),
        ("X-Two", "1"),
        ("X-Two", "2"),
        ("X-Forwarded-For", "203.0.113.9"),
        ("Authorization", "Basic am9lOnB3"),
    ]
    raw = request("PUT", "/a%20b?x=1&y=2", "Secure.test:8443", fields, b"abc")
    with cppx.connect_tls("secure.test") as connection:
        assert connection.ask(request(host="secure.test")).status == 200
        assert connection.ask(raw).status == 200
    variables |= {
        "pid": str(cppx.process.pid),
        "request_length": str(len(raw)),
        "server_port": str(cppx.https_port),
        "upstream_addr": re.escape(place(backend)),
    }
    values = cppx.wait_for_access(2)[1].split("|")
    wrong = {name: value for name, value in zip(names, values, strict=True) if not re.fullmatch(variables[name], value)}
    assert not wrong, wrong
    assert "geoip_city" in cppx.wait_for_log("UnknownVariable")


@pytest.mark.parametrize(
    ("header", "line"),
    [
        (version1("192.0.2.1", source_port=1234), "192.0.2.1 1234 192.0.2.1 127.0.0.1"),
        (version1("192.0.2.1", source_port=1234, destination_port=0), "192.0.2.1 1234 192.0.2.1 127.0.0.1"),
        (version2("192.0.2.1", source_port=1234), "192.0.2.1 1234 192.0.2.1 127.0.0.1"),
        (local(), r"127.0.0.1 \d+ - 127.0.0.1"),
    ],
)
def test_the_client_of_a_proxy_header(logged, header, line):
    config = {"use-proxy-protocol": "true", "log-format-upstream": "$remote_addr $remote_port $proxy_protocol_addr $realip_remote_addr"}
    cppx, _ = logged(config)
    with cppx.connect() as connection:
        connection.send(header + request())
        assert connection.read_response().status == 200
    [written] = cppx.wait_for_access()
    assert re.fullmatch(line, written), written


def test_urls_and_ingresses_that_are_left_out(logged):
    quiet = ingress("quiet", rule("quiet.test", "main:80"), annotations={PREFIX + "enable-access-log": "false"})
    cppx, _ = logged({"skip-access-log-urls": "/healthz, /ready?full=1"}, [quiet])
    assert cppx.get(target="/healthz").status == 200
    assert cppx.get(target="/ready?full=1").status == 200
    assert cppx.get(host="quiet.test").status == 200
    assert cppx.get(target="/ready").status == 200
    assert '"GET /ready HTTP/1.1"' in only_line(cppx)


@pytest.mark.parametrize("key", ["disable-access-log", "disable-http-access-log"])
def test_it_is_switched_off_and_on_while_running(logged, key):
    cppx, _ = logged({key: "true"})
    assert cppx.get(target="/unseen").status == 200
    assert cppx.ask(b"no request\r\n\r\n").status == 400
    cppx.apply("config.yaml", [config_map("cppx", {"log-format-upstream": "$request_uri"})])
    assert cppx.get(target="/seen").status == 200
    wait_for(lambda: "/seen" in cppx.access_lines, what="the line")
    assert "/unseen" not in "".join(cppx.access_lines)
    assert not [line for line in cppx.access_lines if "no request" in line]


def lines_of(path):
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("key", ["access-log-path", "http-access-log-path"])
@pytest.mark.parametrize("told", [False, True], ids=["seen", "SIGUSR1"])
def test_a_file_is_appended_to_and_may_be_rotated(logged, tmp_path, key, told):
    path, old = tmp_path / "access.log", tmp_path / "access.log.1"
    path.write_text("before\n")
    config = {"log-format-upstream": "$request_uri", "access-log-path": str(tmp_path / "other"), key: str(path)}
    cppx, _ = logged(config)
    assert cppx.get(target="/1").status == 200
    wait_for(lambda: lines_of(path) == ["before", "/1"], what="the first line")
    path.rename(old)
    if told:
        cppx.process.send_signal(signal.SIGUSR1)
        wait_for(path.exists, what="the new file")
        assert cppx.get(target="/2").status == 200
        wait_for(lambda: lines_of(path) == ["/2"], what="the line in the new file")
        assert lines_of(old) == ["before", "/1"]
    else:
        path.touch()
        # Some may still go to the old one.
        wait_for(lambda: cppx.get(target="/2").status == 200 and lines_of(path), what="a line in the new file")
        assert set(lines_of(path)) == {"/2"}
    assert cppx.access_lines == []


def test_a_path_that_cannot_be_written_stops_nobody(logged, tmp_path):
    folder = tmp_path / "logs"
    path = folder / "access.log"
    cppx, _ = logged({"access-log-path": str(path), "log-format-upstream": "$request_uri"})
    for _ in range(5):
        assert cppx.get().status == 200
    wait_for(lambda: metric(cppx, "cppx_access_log_lines_dropped_total") == 5, what="the dropped lines to be counted")
    cppx.wait_for_log("warning access log: cannot open", re.escape(str(path)), "No such file or directory")
    assert len([line for line in cppx.log_lines if "access log:" in line]) == 1
    folder.mkdir()
    # It is tried again once a second, when there is something to write.
    wait_for(lambda: cppx.get(target="/there").status == 200 and lines_of(path), 10, "the file to be written")
    cppx.wait_for_log("info access log", "is written again", r"\d+ lines were dropped")
    assert set(lines_of(path)) == {"/there"}


def test_a_full_disk_stops_nobody(logged):
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    cppx, _ = logged({"access-log-path": "/dev/full"})
    assert [cppx.get().status for _ in range(5)] == [200] * 5
    wait_for(lambda: metric(cppx, "cppx_access_log_lines_dropped_total") == 5, what="the dropped lines to be counted")
    cppx.wait_for_log("No space left on device")
    assert len([line for line in cppx.log_lines if "No space left on device" in line]) == 1


def test_a_closed_standard_output_harms_nobody(start_cppx, make_backend):
    backend = make_backend("main")
    objects = [*service_of("main", backend), ingress("site", rule("site.test", "main:80"))]
    # The number of the closed stream must not become that of a client's connection.
    cppx = start_cppx({"all.yaml": objects}, workers=1, closed_output=True)
    for _ in range(3):
        with cppx.connect() as connection:
            assert connection.ask(request()).status == 200
            assert connection.ask(request()).status == 200


def test_standard_error_can_have_it(logged):
    cppx, _ = logged({"access-log-path": "/dev/stderr"})
    assert cppx.get(target="/here").status == 200
    cppx.wait_for_log('"GET /here HTTP/1.1" 200 4 ')
    assert cppx.access_lines == []


def test_nothing_is_lost_at_the_end(logged):
    cppx, _ = logged({"log-format-upstream": "$request_uri"})
    with cppx.connect() as connection:
        for number in range(500):
            connection.send(request(target=f"/{number}"))
            assert connection.read_response().status == 200
    cppx.stop()
    assert cppx.access_lines == [f"/{number}" for number in range(500)]


def test_another_format_is_in_force_for_the_next_request(logged):
    cppx, _ = logged({"log-format-upstream": "one $request_uri"})
    assert cppx.get(target="/a").status == 200
    assert cppx.wait_for_access() == ["one /a"]
    cppx.apply("config.yaml", [config_map("cppx", {"log-format-upstream": "two $request_uri"})])
    assert cppx.get(target="/b").status == 200
    wait_for(lambda: cppx.access_lines[-1] == "two /b", what="the line in the new form")
