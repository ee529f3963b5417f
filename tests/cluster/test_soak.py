"""A short soak; `tests/cluster/soak.py --seconds 300` is the long one."""

import shutil

import pytest

from cluster.soak import Soak, read_report

SECONDS = 20

QUIET = """\
Running 1s test @ http://127.0.0.1/
  148213 requests in 3.00s, 29.68MB read
Requests/sec:  49363.46
"""
NOISY = """\
  100 requests in 3.00s, 29.68MB read
  Socket errors: connect 0, read 3, write 0, timeout 1
  Non-2xx or 3xx responses: 7
Requests/sec:     33.33
"""


def test_a_report_without_errors_passes():
    load = read_report("quiet", QUIET)
    assert load.ok
    assert (load.requests, load.per_second) == (148213, 49363.46)


def test_a_report_with_errors_fails():
    load = read_report("noisy", NOISY)
    assert not load.ok
    assert load.socket_errors == "connect 0, read 3, write 0, timeout 1"
    assert load.bad_responses == 7


def test_no_request_fails_while_pods_and_certificates_change(cluster, space, start_cppx):
    if shutil.which("wrk") is None:
        pytest.skip("wrk is not installed")
    outcome = Soak(cluster, space, start_cppx(), SECONDS).run()
    assert outcome.ok, "\n".join(outcome.lines())
    assert outcome.scalings >= SECONDS // 2 - 2
    assert outcome.certificates_seen >= SECONDS // 2
    assert outcome.pods_gone > 0
