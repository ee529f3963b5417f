"""Requests that run while a test does something else."""

import threading

from support.client import request
from support.waiting import wait_for


class Traffic:
    """Requests one after the other in a thread, on a connection that is kept as long as cppx keeps it."""

    def __init__(self, cluster, port, host):
        self.count = 0
        self.failures = []
        self._connect = lambda: cluster.connect(port)
        self._raw = request(host=host)
        self._connection = self._connect()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._stop.is_set() and not self.failures:
            try:
                self._ask()
                self.count += 1
            except Exception as error:  # noqa: BLE001  whatever it is, the client did not get its answer
                self.failures.append(f"after {self.count} answers: {error!r}")

    def _ask(self):
        response = self._connection.ask(self._raw)
        assert response.status == 200, response.raw_head
        if response.headers.one("connection") == "close":
            self._connection.close()
            self._connection = self._connect()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self._connection.close()

    def expect_going_on(self):
        """Waits for a good number of further answers; none may have failed."""
        before = self.count
        wait_for(lambda: self.failures or self.count >= before + 200, 20, "200 more answers")
        assert self.failures == []
