"""What happened to objects, in the order in which the API server says it happened."""

import contextlib
import json
import socket
import threading

from support.waiting import wait_for


class History:
    """Every version of the objects of some resources from now on. A context manager."""

    def __init__(self, control_plane, *paths, seconds=300):
        self._watches = [control_plane.open_watch(path, seconds) for path in paths]
        self._versions = []
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._read, args=(response,), daemon=True) for _, response in self._watches
        ]

    def __enter__(self):
        for connection, _ in self._watches:
            # A quiet watch is no broken one.
            connection.sock.settimeout(None)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        for connection, _ in self._watches:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for connection, _ in self._watches:
            connection.close()

    def _read(self, response):
        with contextlib.suppress(OSError, ValueError):
            for line in response:
                event = json.loads(line)
                with self._lock:
                    self._versions.append((event["type"], event["object"]))

    def versions(self):
        """(revision, object), oldest first: one order for all kinds, that of etcd."""
        with self._lock:
            known = list(self._versions)
        return sorted(
            ((int(o["metadata"]["resourceVersion"]), o) for kind, o in known if kind in ("ADDED", "MODIFIED")),
            key=lambda item: item[0],
        )

    def wait_until(self, revision, kind):
        """Waits until a revision of a kind has been seen."""
        wait_for(
            lambda: any(r >= revision and o["kind"] == kind for r, o in self.versions()),
            20,
            f"revision {revision} of {kind} to be seen",
            every=0.05,
        )
