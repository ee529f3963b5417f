"""What all proxies have in common."""

import dataclasses
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]
RELEASE = ROOT / "build" / "release"

# Clients ask for this name in all workloads but two; it resolves everywhere, so that wrk can send it as server name.
HOST = "localhost"
GRPC_HOST = "grpc.test"
HOSTS = 10_000
PATHS = 10
# What every proxy is told to expect; more idle connections than this less some are not opened either.
MOST_CONNECTIONS = 60_000

# "plain" is what most workloads ask; "log" has an access log; "hosts" has 10 000 hosts with 10 paths each.
VARIANTS = ("plain", "log", "hosts")


def host_name(number):
    return f"h{number}.hosts.test"


def path_name(number):
    return f"/p{number}"


@dataclasses.dataclass
class Place:
    """What one instance of a proxy is given: a folder of its own, ports to listen on, what lies behind it."""

    folder: pathlib.Path
    variant: str
    http: int
    https: int
    grpc: int
    websocket: int
    origin: int
    grpc_origin: int
    certificate: pathlib.Path
    key: pathlib.Path

    @property
    def log(self):
        return self.folder / "access.log"

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path


class Proxy:
    """A kind of proxy. `unable` says which workloads it cannot do at all, and why."""

    name = ""
    package = ""
    executable = ""
    version_flag = "-v"
    unable = {}
    #: What it does less than the others, if its configuration cannot say it.
    less_work = ""
    #: The workload's requests go to these of the ports.
    websocket_port = "http"
    grpc_port = "grpc"
    #: Connections that it holds for one of a client.
    files_per_connection = 1

    def program(self):
        """Where it is installed; None if it is not."""
        return shutil.which(self.executable)

    def version(self):
        shown = subprocess.run([self.program(), self.version_flag], capture_output=True, text=True, check=False)
        # A program may say where it lies, and that may have a number in its name.
        text = (shown.stdout + shown.stderr).replace(str(self.program()), "")
        found = re.search(r"\d+\.\d+(\.\d+)?", text)
        return found.group() if found else "unknown"

    def command(self, place):
        """Writes the configuration into place.folder; what to run."""
        raise NotImplementedError
