"""A network between one cppx and the API server that can be cut."""

import contextlib
import socket
import threading


class Relay:
    """Passes TCP connections on to a port. While cut, connections stay open and no byte passes. A context manager."""

    def __init__(self, network, port, target):
        self.port = port
        self._network = network
        self._target = target
        self._open = threading.Event()
        self._open.set()
        self._sockets = set()
        self._lock = threading.Lock()

    def __enter__(self):
        with self._network.entered():
            self._listener = socket.create_server(("127.0.0.1", self.port))
        self._start(self._accept)
        return self

    def __exit__(self, *_):
        # Closing alone leaves a thread in accept(), and with it the socket listening.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._open.set()
        self._drop()

    def cut(self):
        self._open.clear()

    def mend(self):
        """What waited is lost, as after a long silence; new connections pass."""
        self._drop()
        self._open.set()

    @staticmethod
    def _start(run, *arguments):
        threading.Thread(target=run, args=arguments, daemon=True).start()

    def _drop(self):
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._start(self._serve, client)

    def _serve(self, client):
        self._open.wait()
        with contextlib.suppress(OSError):
            with self._network.entered():
                server = socket.create_connection(("127.0.0.1", self._target))
            with self._lock:
                self._sockets |= {client, server}
            self._start(self._pump, client, server)
            self._start(self._pump, server, client)

    def _pump(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._open.wait()
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
