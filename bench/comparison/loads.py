"""The load generators: how each is called, and what its output says.

A result is a dictionary: requests, errors, error (text), seconds, p50_us, p99_us, p999_us.
"""

import json
import pathlib
import re
import subprocess

from comparison.proxies.base import HOSTS, PATHS, RELEASE

WRK_SCRIPT = pathlib.Path(__file__).with_name("wrk.lua")
LOAD = RELEASE / "bench" / "native" / "load"
SLACK_SECONDS = 60


class LoadFailed(Exception):
    """The generator itself says that nothing came of it."""


def percentile(values, share):
    """Of a sorted list; 0 of an empty one."""
    return values[int((len(values) - 1) * share)] if values else 0


def parse_json_line(text):
    """The one line of JSON that wrk.lua and `load` print."""
    found = re.search(r"^\{.*\}$", text, re.MULTILINE)
    if not found:
        raise LoadFailed(text.strip().replace("\n", " / ")[-300:] or "no output")
    return json.loads(found.group())


def parse_h2load(text, log):
    """h2load's summary, and of its log (time, status, µs a line) the latencies."""
    numbers = re.search(r"^requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout$", text, re.MULTILINE)
    statuses = re.search(r"^status codes: (\d+) 2xx, (.*)$", text, re.MULTILINE)
    finished = re.search(r"^finished in ([\d.]+)(us|ms|s|m)?,", text, re.MULTILINE)
    if not numbers or not statuses or not finished:
        raise LoadFailed(text.strip().replace("\n", " / ")[-300:] or "no output")
    succeeded, failed, errored, timeout = map(int, numbers.groups())
    seconds = float(finished.group(1)) * {"us": 1e-6, "ms": 1e-3, "m": 60.0}.get(finished.group(2), 1.0)
    latencies = sorted(int(line.split("\t")[2]) for line in log.splitlines() if line.count("\t") >= 2)
    wrong = sum(map(int, re.findall(r"(\d+) [345]xx", statuses.group(2))))
    return {
        "requests": succeeded,
        "errors": failed + errored + timeout + wrong,
        "error": f"{failed} failed, {errored} errored, {timeout} timeout, {statuses.group(2)}",
        "seconds": seconds,
        "p50_us": percentile(latencies, 0.5),
        "p99_us": percentile(latencies, 0.99),
        "p999_us": percentile(latencies, 0.999),
    }


def run(command, core, seconds):
    done = subprocess.run(
        ["taskset", "-c", str(core), *map(str, command)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=seconds + SLACK_SECONDS,
        check=False,
    )
    return done.stdout.decode(errors="replace")


def wrk(target, core, seconds, folder, *, connections, path, tls=False, post=0, hosts=False):
    scheme = "https" if tls else "http"
    command = ["wrk", "--threads", 1, "--connections", connections, "--duration", f"{seconds}s", "--timeout", "10s"]
    command += ["--script", WRK_SCRIPT, "--header", f"Host: {target.host}"]
    command += [f"{scheme}://localhost:{target.port}{path}", "--"]
    if post:
        command.append(f"post={post}")
    if hosts:
        command += [f"hosts={HOSTS}", f"paths={PATHS}", f"suffix={path}"]
    return parse_json_line(run(command, core, seconds))


def h2load(target, core, seconds, folder, *, connections, streams, path, grpc=False):
    log = folder / "h2load.log"
    log.unlink(missing_ok=True)
    command = ["h2load", "--clients", connections, "--max-concurrent-streams", streams, "--duration", seconds]
    command += ["--npn-list", "h2", "--log-file", log, "--connect-to", f"127.0.0.1:{target.port}"]
    if grpc:
        # One message of 128 bytes with its prefix.
        body = folder / "call"
        body.write_bytes(b"\0\0\0\0\x80" + b"x" * 128)
        command += ["--data", body, "--header", "content-type: application/grpc", "--header", "te: trailers"]
    command.append(f"https://{target.host}:{target.port}{path}")
    text = run(command, core, seconds)
    return parse_h2load(text, log.read_text() if log.exists() else "")


def native(target, core, seconds, folder, *, mode, **options):
    """bench/native/load.cpp; its arguments by their names."""
    options = {"port": target.port, "host": target.host, "seconds": seconds, **options}
    command = [LOAD, mode, *(f"{name}={value}" for name, value in options.items())]
    return parse_json_line(run(command, core, seconds))
