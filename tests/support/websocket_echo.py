"""A WebSocket server that answers with what it is told, and a cppx before it."""

import contextlib
import threading

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from support.cppx import Cppx
from support.manifests import ingress, rule, service_of


def echo(websocket):
    with contextlib.suppress(ConnectionClosed):
        for message in websocket:
            if message == "close me":
                websocket.close(4001, "as asked")
            else:
                websocket.send(message)


@contextlib.contextmanager
def echo_site(folder, log=False, **options):
    """A cppx that serves http://site.test from an echo server, which takes `options` of the library. `log`: its access log is read."""
    with serve(echo, "127.0.0.1", 0, max_size=None, ping_interval=None, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        objects = [*service_of("echo", server.socket.getsockname()[:2]), ingress("echo", rule("site.test", "echo:80"))]
        with Cppx(folder, {"all.yaml": objects}, access_log=log) as cppx:
            yield cppx
        server.shutdown()
        thread.join()
