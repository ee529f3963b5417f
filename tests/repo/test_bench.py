"""bench/compare: what it reads from the load generators, and what it makes of it. No proxy is started."""

import subprocess
import sys

import pytest

from repo.repository import ROOT

sys.path.insert(0, str(ROOT / "bench"))

from comparison import loads, plot, proxies, report, rounds, workloads  # noqa: E402
from comparison.proxies.base import Place  # noqa: E402

H2LOAD = """\
starting benchmark...
Application protocol: h2
finished in 3.00s, 41000.33 req/s, 42.88MB/s
requests: 123001 total, 123129 started, 123001 done, 123001 succeeded, {failed} failed, {failed} errored, 0 timeout
status codes: 123001 2xx, 0 3xx, 0 4xx, {wrong} 5xx
traffic: 128.66MB (134905091) total, 1.17MB (1230010) space savings
"""


def result(cpu_us, **others):
    return {"cpu_us": cpu_us, "rate": 1000.0, "p50_us": 1, "p99_us": 2, "p999_us": 3, "memory_bytes": 1 << 20, "errors": 0, "requests": 9, **others}


def test_help_names_all_workloads_and_proxies():
    shown = subprocess.run([ROOT / "bench" / "compare", "--help"], capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0, shown.stderr
    text = " ".join(shown.stdout.split())
    for one in (*workloads.ALL, *proxies.ALL):
        assert one.name in text


def test_an_unknown_workload_is_refused():
    shown = subprocess.run([ROOT / "bench" / "compare", "--only=h1-1k,nonsense"], capture_output=True, text=True, timeout=60)
    assert shown.returncode != 0 and shown.stdout == ""


def test_json_of_wrk_and_of_our_own_generator():
    text = 'Running 3s test\n  1000 requests in 3.00s\n{"requests": 1000, "errors": 0, "p50_us": 12.5}\n'
    assert loads.parse_json_line(text) == {"requests": 1000, "errors": 0, "p50_us": 12.5}
    with pytest.raises(loads.LoadFailed, match="unable to connect"):
        loads.parse_json_line("unable to connect to localhost:1 Connection refused\n")


def test_h2load_summary_and_log():
    log = "".join(f"1700000000000000\t200\t{number}\n" for number in range(1, 1001))
    read = loads.parse_h2load(H2LOAD.format(failed=0, wrong=0), log)
    assert (read["requests"], read["errors"], read["seconds"]) == (123001, 0, 3.0)
    assert (read["p50_us"], read["p99_us"], read["p999_us"]) == (500, 990, 999)
    assert rounds.why_void(read) is None


@pytest.mark.parametrize(("failed", "wrong", "errors"), [(3, 0, 6), (0, 2, 2)])
def test_h2load_failures_and_statuses_make_a_run_void(failed, wrong, errors):
    read = loads.parse_h2load(H2LOAD.format(failed=failed, wrong=wrong), "")
    assert read["errors"] == errors and rounds.why_void(read)


def test_h2load_that_could_not_connect():
    with pytest.raises(loads.LoadFailed):
        loads.parse_h2load("h2load: connect failed\n", "")


def test_a_run_without_an_answer_is_void():
    assert rounds.why_void({"requests": 0, "errors": 0})


def test_ratios_are_taken_round_by_round():
    ours, theirs = [result(10), result(30), None, result(10)], [result(20), result(20), result(1), result(10)]
    assert report.ratio(ours, theirs, "cpu_us") == 1.0
    assert report.median(theirs, "cpu_us") == 15
    assert report.ratio([None], [result(1)], "cpu_us") is None


def test_tables_and_picture_leave_out_what_is_void():
    workload = next(one for one in workloads.ALL if one.name == "h1-1k")
    kinds = [kind() for kind in proxies.ALL if kind.name in ("cppx", "nginx", "floor")]
    summary = {workload.name: report.summarize(workload, {"cppx": [result(10)], "nginx": [result(20)], "floor": [None]})}
    overview = report.overview([workload], summary, kinds)
    assert overview.splitlines()[-1] == f"| {workload.title} | 10.0 | - | 20.0 (0.50) |"
    assert "| nginx | 20.0 | 0.50 | 1000 | 1 | 2 | 3 | 1.0 |" in report.workload_table(workload, summary[workload.name])
    assert plot.svg([workload], summary, kinds).count("<rect") == 3


def test_the_block_of_the_document_can_be_filled():
    text = (ROOT / "docs" / "performance.md").read_text()
    filled = report.fill_block(text, "new\n")
    assert "\nnew\n<!-- compare: end -->" in filled and filled.startswith(text[:200])
    with pytest.raises(ValueError):
        report.fill_block("no markers", "new\n")


@pytest.mark.parametrize("kind", proxies.ALL, ids=lambda kind: kind.name)
def test_every_proxy_writes_its_configuration(kind, tmp_path):
    for name in ("site.crt", "site.key"):
        (tmp_path / name).write_text("not a certificate\n")
    ports = {"http": 1001, "https": 1002, "grpc": 1003, "websocket": 1004, "origin": 1005, "grpc_origin": 1006}
    for variant in ("plain", "log"):
        place = Place(folder=tmp_path, variant=variant, certificate=tmp_path / "site.crt", key=tmp_path / "site.key", **ports)
        command = " ".join(map(str, kind().command(place)))
        written = command + "".join(path.read_text() for path in tmp_path.iterdir() if path.is_file())
        assert "1001" in written and "1005" in written
    known = {one.name for one in workloads.ALL}
    assert set(kind.unable) <= known


def test_what_has_no_result_is_said():
    able, unable = proxies.Cppx(), proxies.Floor()
    chosen = [one for one in workloads.ALL if one.name in ("h1-1k", "tls-1k", "grpc")]
    round_of = rounds.Rounds(None, [able, unable], chosen, seconds=1, open_files=100)
    round_of.results = {"h1-1k": {"cppx": [None, result(10)], "floor": [None]}, "tls-1k": {"cppx": [None]}, "grpc": {}}
    assert round_of.uncounted() == ["h1-1k by floor", "tls-1k by cppx", "grpc by cppx"]


@pytest.mark.parametrize("option", ["--cppx", "--before"])
def test_a_program_that_is_not_there(option):
    shown = subprocess.run([ROOT / "bench" / "compare", f"{option}=/nonexistent/cppx"], capture_output=True, text=True, timeout=60)
    assert shown.returncode != 0 and shown.stdout == "" and "no such program: /nonexistent/cppx" in shown.stderr
