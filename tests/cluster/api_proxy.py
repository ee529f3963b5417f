"""A proxy between cppx and the API server that a test makes slow, rude or absent."""

import contextlib
import select
import socket
import struct
import threading
import time

from cluster.control_plane import API_PORT

_HEAD_END = b"\r\n\r\n"
_PIECE = 16 * 1024


def failure(status, reason, message, headers=()):
    """The bytes of an answer as an API server gives it when it cannot or will not."""
    body = f'{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"{message}","code":{status}}}'
    lines = [f"HTTP/1.1 {status} {reason}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += ["Connection: close", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


class ApiProxy:
    """Plain HTTP in, TLS to the API server: one request a connection. A context manager.

    `requests` are the (time, target) that came. Everything else is changed while it runs:
    - `answer` maps a part of a target to the bytes that are answered instead of asking the server;
    - `bytes_per_second` limits each connection, None: as fast as it goes;
    - `replacing` are (old, new) of the same length, replaced in what the server sends.
    """

    def __init__(self, cluster, port=26443):
        self.cluster = cluster
        self.port = port
        self.answer = {}
        self.bytes_per_second = None
        self.replacing = ()
        self.requests = []
        self._cutting = None
        self._cut = threading.Event()
        self._lock = threading.Lock()
        self._connections = set()
        self._listener = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def kubeconfig(self, token):
        """A kubeconfig that leads to this proxy."""
        return self.cluster.control_plane.write_kubeconfig(f"proxy-{self.port}", {"token": token}, server=self.url)

    def start(self):
        """Listens (again)."""
        with self.cluster.network.entered():
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self):
        """Refuses connections from now on and breaks those there are, as when the server is killed."""
        if self._listener is not None:
            # Closing alone leaves a thread in accept(), and with it the socket listening.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.break_connections()

    def break_connections(self):
        with self._lock:
            connections, self._connections = self._connections, set()
        for connection in connections:
            _reset(connection)

    def cut_next(self, part):
        """The next piece that the server sends to a watch whose target contains `part` is passed on by half."""
        self._cut.clear()
        self._cutting = part
        return self._cut

    def count(self, *parts):
        """How many requests had all these in their target."""
        return sum(all(part in target for part in parts) for _, target in list(self.requests))

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.add(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with contextlib.suppress(OSError, ValueError), contextlib.closing(client):
            head = b""
            while _HEAD_END not in head:
                received = client.recv(_PIECE)
                if not received:
                    return
                head += received
            target = head.split(b" ", 2)[1].decode()
            self.requests.append((time.monotonic(), target))
            ready = next((answer for part, answer in list(self.answer.items()) if part in target), None)
            if ready is not None:
                client.sendall(ready)
                return
            self._pass_on(client, head, target)
        with self._lock:
            self._connections.discard(client)

    def _pass_on(self, client, head, target):
        with self.cluster.network.entered():
            plain = socket.create_connection(("127.0.0.1", API_PORT), timeout=10)
        with self.cluster.control_plane.context.wrap_socket(plain, server_hostname="localhost") as server:
            server.settimeout(None)
            server.sendall(self._request(head))
            while True:
                # Either side may end it. Of TLS, bytes may be there that the socket no longer shows.
                if not server.pending() and client in select.select([server, client], [], [])[0]:
                    return
                piece = server.recv(_PIECE)
                if not piece or not self._deliver(client, target, piece):
                    return

    def _request(self, head):
        lines = head[: -len(_HEAD_END)].split(b"\r\n")
        if self.replacing:
            lines = [line for line in lines if not line.lower().startswith(b"accept-encoding:")]
        return b"\r\n".join([*lines, b"Connection: close"]) + _HEAD_END

    def _deliver(self, client, target, piece):
        """False when the connection ends here."""
        for old, new in self.replacing:
            assert len(old) == len(new)
            piece = piece.replace(old, new)
        if self._cutting and self._cutting in target and "watch=1" in target and not piece.startswith(b"HTTP/"):
            self._cutting = None
            client.sendall(piece[: len(piece) // 2])
            self._cut.set()
            return False
        while piece and self.bytes_per_second:
            step = max(1, self.bytes_per_second // 20)
            client.sendall(piece[:step])
            piece = piece[step:]
            time.sleep(0.05)
        client.sendall(piece)
        return True


def _reset(connection):
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
