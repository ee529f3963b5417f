"""HTTP/2 backends (prior knowledge) without rules: what one sends, and when, is up to the test."""

import queue
import socket
import threading

from hyperframe.frame import HeadersFrame, SettingsFrame

from support.backend import Backend
from support.h2_raw import PREFACE, RawClient
from support.waiting import scaled


class RawBackend(Backend):
    """Its connections are in the hands of the test, each as a RawClient that is the server's end of it.

    A connection begins with these SETTINGS, and its kernel takes in little more than `receive_buffer` bytes unread.
    """

    def __init__(self, name="backend", settings=None, receive_buffer=None):
        self._settings = SettingsFrame(0, settings=settings or {})
        self._receive_buffer = receive_buffer
        self._peers = queue.Queue()
        self._ended = threading.Event()
        super().__init__(name, on_connect=self._hand_over)

    def peer(self, seconds=5.0):
        """The next connection of cppx; queue.Empty when none is made."""
        return self._peers.get(timeout=scaled(seconds))

    def stop(self):
        self._ended.set()
        super().stop()

    def _hand_over(self, wire):
        if self._receive_buffer:
            wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        assert wire.read_exact(len(PREFACE)) == PREFACE
        peer = RawClient(wire, begin=False)
        peer.send(self._settings)
        self._peers.put(peer)
        self._ended.wait()
        return "done"


def next_request(peer, path="/"):
    """Waits for the request for `path` and returns the number of its stream."""

    def asks(frame):
        return isinstance(frame, HeadersFrame) and dict(peer.heads[frame.stream_id][0])[b":path"] == path.encode()

    return peer.read_until(asks, f"a request for {path}").stream_id
