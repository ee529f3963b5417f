"""A TLS socket that one thread reads while others write."""

import select
import ssl
import threading
import time


class SharedTls:
    """Python's ssl hands both directions to one SSL object of OpenSSL, which only one thread may use at a time; here
    each step is taken under a lock, and waiting is done outside of it. Everything else is the socket's own."""

    def __init__(self, sock):
        self._sock, self._lock, self._timeout = sock, threading.Lock(), sock.gettimeout()
        sock.setblocking(False)

    def __getattr__(self, name):
        return getattr(self._sock, name)

    def settimeout(self, seconds):
        self._timeout = seconds

    def recv(self, size):
        return self._until_done(lambda: self._sock.recv(size))

    def sendall(self, data):
        rest = memoryview(data)
        while rest:
            rest = rest[self._until_done(lambda: self._sock.send(rest)) :]

    def _until_done(self, step):
        end = None if self._timeout is None else time.monotonic() + self._timeout
        while True:
            try:
                with self._lock:
                    return step()
            except ssl.SSLWantReadError:
                wanted = [self._sock], []
            except ssl.SSLWantWriteError:
                wanted = [], [self._sock]
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError("timed out")
            select.select(*wanted, [], left)
