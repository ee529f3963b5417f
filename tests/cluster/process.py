"""A program of the test cluster, with its log kept in a file."""

import signal
import subprocess

from support.waiting import scaled


class Process:
    """A program running in the network namespace. Its log is standard error, and standard output if `stdout`."""

    def __init__(self, name, network, log, command, environment=None, stdout=True):
        self.name = name
        self.network = network
        self.log = log
        self.command = [str(part) for part in command]
        self.environment = environment
        self.stdout = stdout
        self._popen = None

    def start(self):
        with open(self.log, "ab") as log:
            self._popen = subprocess.Popen(
                self.network.command(*self.command),
                stdin=subprocess.DEVNULL,
                stdout=log if self.stdout else subprocess.DEVNULL,
                stderr=log,
                env=self.environment,
            )
        return self

    @property
    def pid(self):
        return self._popen.pid

    def running(self):
        return self._popen is not None and self._popen.poll() is None

    def check(self):
        """Fails when the program has ended by itself."""
        code = self._popen.poll()
        assert code is None, f"{self.name} ended with {code}; the end of {self.log}:\n{self.last_lines()}"

    def signal(self, number):
        self._popen.send_signal(number)

    def pause(self):
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)

    def kill(self):
        self.signal(signal.SIGKILL)
        self._popen.wait()

    def stop(self, seconds=10):
        """SIGTERM, then SIGKILL. Returns the exit code; None when it had to be killed."""
        if not self.running():
            return self._popen.returncode if self._popen else None
        self.resume()
        self._popen.terminate()
        try:
            return self._popen.wait(scaled(seconds))
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def last_lines(self, count=40):
        return "\n".join(self.text().splitlines()[-count:])
