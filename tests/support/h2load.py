"""h2load, a client for HTTP/1.1 and HTTP/2 that is quicker than what it loads: run, and what it says."""

import re
import subprocess
from dataclasses import dataclass

from support.waiting import scaled

REQUESTS = re.compile(
    r"^requests: (\d+) total, .*?(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout$", re.MULTILINE
)
STATUSES = re.compile(r"^status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx$", re.MULTILINE)
BODIES = re.compile(r"\((\d+)\) data$", re.MULTILINE)


@dataclass
class Report:
    total: int
    succeeded: int
    lost: int  # Failed, errored or timed out.
    good: int  # Of status 2xx.
    body_bytes: int

    @property
    def ok(self):
        return self.lost == 0 and self.succeeded == self.good == self.total > 0


def read_report(text):
    requests, statuses, bodies = REQUESTS.search(text), STATUSES.search(text), BODIES.search(text)
    assert requests and statuses and bodies, f"h2load said:\n{text}"
    total, succeeded, *lost = map(int, requests.groups())
    return Report(total, succeeded, sum(lost), int(statuses.group(1)), int(bodies.group(1)))


class H2Load:
    """One run of h2load against `port` under the name `host`; a context manager, which ends it."""

    def __init__(self, port, host, *, requests, clients, streams=1, paths=("/",), tls=False, http1=False, flags=()):
        scheme = "https" if tls else "http"
        command = ["h2load", "-n", requests, "-c", clients, "-m", streams, "--connect-to", f"127.0.0.1:{port}"]
        command += [*(["--h1"] if http1 else []), *flags, *(f"{scheme}://{host}{path}" for path in paths)]
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def report(self, seconds=60.0):
        """Waits for the end of the run."""
        text, _ = self.process.communicate(timeout=scaled(seconds))
        return read_report(text)
