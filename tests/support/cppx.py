"""The cppx process under test."""

import functools
import os
import pathlib
import re
import signal
import subprocess
import threading

from support.client import Connection, ask, request
from support.h2 import H2Client
from support.h2_raw import RawClient
from support.manifests import INGRESS_CLASS, config_map, ingress, rule, to_yaml
from support.waiting import scaled, wait_for
from support.wire import Truncated

SANITIZER = re.compile(
    r"(AddressSanitizer|ThreadSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error:)"
)
SERVING = re.compile(
    r"serving http on 127\.0\.0\.1:(\d+), https on 127\.0\.0\.1:(\d+), health on [\d.]+:(\d+)"
)


def binary():
    """The program under test: app/cppx of the build folder named by CPPX_BUILD_DIR."""
    root = pathlib.Path(__file__).resolve().parents[2]
    folder = pathlib.Path(os.environ.get("CPPX_BUILD_DIR", root / "build" / "dev"))
    return (root / folder / "app" / "cppx").resolve()


@functools.cache
def built_with_thread_sanitizer():
    """Whether the program under test is."""
    return b"__tsan_init" in binary().read_bytes()


def has_undefined_sanitizer():
    """Whether the program under test looks at objects by UndefinedBehaviorSanitizer, which opens pipes for it."""
    return b"__ubsan_handle" in binary().read_bytes()


def measured_memory():
    """Environment of a cppx whose memory is measured: freed blocks that AddressSanitizer keeps are no growth."""
    options = [os.environ.get("ASAN_OPTIONS", ""), "quarantine_size_mb=2", "thread_local_quarantine_size_kb=64"]
    # And blocks that nobody keeps go back to the system, where they are not counted.
    options.append("allocator_release_to_os_interval_ms=100")
    return {"ASAN_OPTIONS": ":".join(option for option in options if option)}


class Cppx:
    """A running cppx on manifests of its own. `files` maps file names to lists of objects or to text, `ports`
    are those for http, https and health (0: any free one). `source` is a flag that says where objects come from, if
    not from the manifests; `open_files` how many it may open, if not as many as there may be.

    Its access log is thrown away, unless `access_log` asks for it: then its lines are in `access_lines`.
    """

    running = []

    def __init__(
        self,
        folder,
        files,
        config=None,
        flags=(),
        workers=2,
        environment=None,
        ports=(0, 0, 0),
        access_log=False,
        closed_output=False,
        source=None,
        open_files=None,
    ):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._marks = 0
        self._lines = []
        self._keep_access_log = access_log
        self._closed_output = closed_output
        self._access_lines = []
        self._environment = environment or {}
        self._own = [f"--workers={workers}", *flags]
        self._ports = ports
        self._source = source or f"--manifests={self.folder}"
        self._open_files = open_files
        self.write("class.yaml", [INGRESS_CLASS])
        if config is not None:
            self.write("config.yaml", [config_map("cppx", config)])
            self._own.append("--configmap=default/cppx")
        for name, content in files.items():
            self.write(name, content)
        self.process = None
        self.http_port = self.https_port = self.health_port = 0

    def start(self):
        self.launch()
        wait_for(self._find_ports, 20, "cppx to listen")
        wait_for(lambda: self.health("/readyz") == 200, 20, "cppx to be ready")
        return self

    def launch(self):
        """Starts the process, and waits for nothing: no port is known."""
        http, https, health = self._ports
        command = [binary(), self._source, f"--http-port={http}", f"--https-port={https}"]
        command += [f"--healthz-port={health}", "--bind-address=127.0.0.1", *self._own]
        if self._closed_output:
            command = ["sh", "-c", 'exec "$0" "$@" >&-', *command]
        if self._open_files:
            command = ["sh", "-c", f'ulimit -n {self._open_files} && exec "$0" "$@"', *command]
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if self._keep_access_log else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, **self._environment},
        )
        Cppx.running.append(self)
        self._readers = [threading.Thread(target=self._read, args=(self.process.stderr, self._lines), daemon=True)]
        if self._keep_access_log:
            sink = (self.process.stdout, self._access_lines)
            self._readers.append(threading.Thread(target=self._read, args=sink, daemon=True))
        for reader in self._readers:
            reader.start()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def log(self):
        return "".join(self._lines)

    @property
    def log_lines(self):
        return list(self._lines)

    @property
    def access_lines(self):
        """Lines of the access log so far, without their ends."""
        return [line.rstrip("\n") for line in list(self._access_lines)]

    def wait_for_access(self, count=1, seconds=5.0):
        """Waits until the access log has so many lines; returns all of them."""
        wait_for(lambda: len(self._access_lines) >= count, seconds, f"{count} lines in the access log")
        return self.access_lines

    def clear_access(self):
        self._access_lines.clear()

    def write(self, name, content):
        """Puts a manifest file in place, whole, without waiting. Objects or text."""
        text = content if isinstance(content, str) else to_yaml(content)
        draft = self.folder.parent / f"{self.folder.name}.{name}.draft"
        draft.write_text(text)
        draft.rename(self.folder / name)

    def remove(self, name):
        (self.folder / name).unlink()

    def apply(self, name, objects):
        """Writes objects and waits until all workers serve them: the file carries a host that tells."""
        self._marks += 1
        host = f"mark-{self._marks}.marker.test"
        mark = ingress(f"mark-{name.split('.')[0]}", rule(host, "no-such-service:80"), namespace="marker")
        self.write(name, [*objects, mark])
        self.wait_until_served(lambda: self.status_of(host) == 503, f"{name} to be applied")

    def wait_until_served(self, check, what, seconds=5.0):
        """Waits until `check`, which opens a connection each time, holds six times in a row: on every worker."""
        wait_for(lambda: all(check() for _ in range(6)), seconds, what)

    def status_of(self, host, target="/"):
        return ask(self.http_port, request(target=target, host=host)).status

    def health(self, target):
        """Status at the health port; None when nobody answers."""
        try:
            return ask(self.health_port, request(target=target, host="localhost")).status
        except (OSError, Truncated):
            return None

    def metric(self, name):
        """The value of the first metric whose line begins with `name`."""
        text = ask(self.health_port, request(target="/metrics", host="localhost")).text
        return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))

    def connect(self, **options):
        return Connection(self.http_port, **options)

    def connect_tls(self, server_name=None, **options):
        return Connection.tls(self.https_port, server_name, **options)

    def h2(self, tls=False, server_name="site.test", **options):
        """An HTTP/2 connection: with prior knowledge on the http port, by ALPN on the https port."""
        if tls:
            return H2Client.tls(self.https_port, server_name, **options)
        return H2Client.plain(self.http_port, **options)

    def raw_h2(self, tls=False, server_name="site.test", **options):
        """An HTTP/2 connection for frames of any kind."""
        if tls:
            return RawClient.tls(self.https_port, server_name, **options)
        return RawClient.plain(self.http_port, **options)

    def ask(self, raw):
        return ask(self.http_port, raw)

    def get(self, host="site.test", target="/", headers=()):
        return self.ask(request(target=target, host=host, headers=headers))

    def memory_bytes(self):
        """Resident memory of the process."""
        return self._memory("VmRSS")

    def peak_memory_bytes(self):
        """The most that it ever was, by the kernel's own account."""
        return self._memory("VmHWM")

    def own_memory_bytes(self):
        """Memory of the process as far as it is its own: pages that are shared count in parts."""
        rollup = pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE).group(1)) * 1024

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def _memory(self, name):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+) kB", status).group(1)) * 1024

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait_for_log(self, *patterns, since=0, seconds=5.0):
        """Waits for one log line that matches all patterns and returns it."""

        def find():
            for line in self._lines[since:]:
                if all(re.search(pattern, line) for pattern in patterns):
                    return line
            return None

        return wait_for(find, seconds, f"a log line with {patterns}")

    def stop(self):
        """SIGTERM; fails when the process had crashed, does not end, or a sanitizer spoke."""
        if self not in Cppx.running:
            return
        Cppx.running.remove(self)
        early = self.process.poll()
        if early is None:
            self.terminate()
        try:
            code = self.process.wait(scaled(10))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = "still running 10 s after SIGTERM"
        self._read_to_the_end()
        assert early is None or early == 0, f"cppx ended by itself with {early}:\n{self.log}"
        assert code == 0, f"cppx ended with {code}:\n{self.log}"

    def wait_for_end(self, seconds=10.0):
        """The exit code of a process that ends by itself, which is no failure here."""
        code = self.process.wait(scaled(seconds))
        Cppx.running.remove(self)
        self._read_to_the_end()
        return code

    def _read_to_the_end(self):
        for reader in self._readers:
            reader.join(scaled(5))
            # Closing waits for whoever reads: for ever, when a process that was left behind has the other end.
            assert not reader.is_alive(), f"something holds the output of cppx that has ended:\n{self.log}"
        self.process.stderr.close()
        if self._keep_access_log:
            self.process.stdout.close()
        self.check_log()

    def check_log(self):
        assert not SANITIZER.search(self.log), f"a sanitizer spoke:\n{self.log}"

    @staticmethod
    def _read(stream, lines):
        for line in stream:
            lines.append(line.decode("utf-8", "replace"))

    def _find_ports(self):
        code = self.process.poll()
        assert code is None, f"cppx ended with {code}:\n{self.log}"
        found = SERVING.search(self.log)
        if found:
            self.http_port, self.https_port, self.health_port = map(int, found.groups())
        return found
