"""A real browser: a page over HTTP/2, and a WebSocket of that page on the same connection."""

import contextlib
import json
import shutil
import subprocess
import threading
import urllib.parse

import pytest
from websockets.sync.server import serve

from support.certificates import make_certificate
from support.manifests import ingress, rule, service_of, tls_secret
from support.waiting import SLOW, scaled, wait_for
from support.websocket_echo import echo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 * SLOW)]

PAGE = """<!doctype html><title>cppx</title><script>
const said = [];
const done = (outcome) => fetch("/report?" + encodeURIComponent(JSON.stringify(outcome)));
window.onerror = (message) => done({error: String(message)});
const socket = new WebSocket(`wss://${location.host}/socket?x=1`, ["chat.v1"]);
socket.binaryType = "arraybuffer";
socket.onopen = () => { socket.send("gr\\u00fc\\u00df dich"); socket.send(new Uint8Array(100000).fill(7)); socket.send("close me"); };
socket.onmessage = (event) => said.push(typeof event.data == "string" ? event.data : new Uint8Array(event.data).length);
socket.onclose = (event) => done({
  said, code: event.code, reason: event.reason, clean: event.wasClean, protocol: socket.protocol,
  page: performance.getEntriesByType("navigation")[0].nextHopProtocol,
});
</script>"""

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--ignore-certificate-errors",
    "--host-resolver-rules=MAP site.test 127.0.0.1, MAP * ~NOTFOUND",
    "--remote-debugging-port=0",
]


@contextlib.contextmanager
def browsing(url, folder):
    """Chromium on a page, until the end of the block; gives the path of its log of network events."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert program, "there is no Chromium here: tools/install test"
    log = folder / "net-log.json"
    with open(folder / "chromium.log", "w") as output:
        command = [program, *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}", url]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            yield log
        finally:
            process.terminate()
            try:
                process.wait(scaled(10))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def test_a_page_and_its_websocket_over_http2(start_cppx, make_backend, tmp_path):
    def pages(exchange):
        if exchange.request.target == "/":
            exchange.reply(headers=[("Content-Type", "text/html; charset=utf-8")], body=PAGE.encode())
        else:
            exchange.reply(status=200 if exchange.request.target.startswith("/report") else 404)

    def report():
        for seen in web.requests:
            if seen.target.startswith("/report?"):
                return json.loads(urllib.parse.unquote(seen.target.partition("?")[2]))
        return None

    web = make_backend("web", handler=pages)
    with serve(echo, "127.0.0.1", 0, max_size=None, subprotocols=["chat.v1"]) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        objects = [
            *service_of("web", web),
            *service_of("echo", server.socket.getsockname()[:2]),
            ingress("site", rule("site.test", "web:80", ("/socket", "Prefix", "echo:80")), tls=[("pair", "site.test")]),
            tls_secret("pair", make_certificate("site.test")),
        ]
        cppx = start_cppx({"all.yaml": objects})
        try:
            with browsing(f"https://site.test:{cppx.https_port}/", tmp_path) as log:
                outcome = wait_for(report, 60, f"the page's report, see {tmp_path / 'chromium.log'}", every=0.05)
        finally:
            server.shutdown()
            thread.join()
    assert outcome == {
        "said": ["gr\u00fc\u00df dich", 100000],
        "code": 4001,
        "reason": "as asked",
        "clean": True,
        "protocol": "chat.v1",
        "page": "h2",
    }
    assert ":protocol: websocket" in log.read_text(errors="replace"), "the WebSocket had a connection of its own"
