"""h2spec against cppx: every case of RFC 9113 and RFC 7541 that it knows."""

import pytest

from support.h2spec import program, read_report, run_h2spec
from support.manifests import ingress, rule, service_of
from support.waiting import SLOW

pytestmark = pytest.mark.timeout(300 * SLOW)  # The first run builds h2spec.

# Bytes that are not the preface are HTTP/1.1 on the http port, and are answered as such: with 400, not with frames.
NOT_HTTP2 = {"http2/3.5: Sends invalid connection preface"}
# RFC 9113 section 5.3.2 has done away with the tree of priorities: what depends on what is not looked at.
NO_PRIORITIES = {"http2/5.3.1: Sends PRIORITY frame that depend on itself"}


@pytest.fixture(scope="session")
def h2spec():
    return program()


@pytest.mark.parametrize("tls", [False, True], ids=["prior knowledge", "tls"])
def test_no_case_fails(h2spec, start_cppx, make_backend, tmp_path, tls):
    backend = make_backend("web")
    objects = [*service_of("web", backend), ingress("web", rule(None, "web:80"))]  # It sends an address as authority.
    cppx = start_cppx({"all.yaml": objects})
    port, flags = (cppx.https_port, ["-t", "-k"]) if tls else (cppx.http_port, [])
    count, failures = run_h2spec(port, tmp_path / "report.xml", *flags)
    assert count > 140
    expected = NO_PRIORITIES if tls else NO_PRIORITIES | NOT_HTTP2
    unexpected = {name: what for name, what in failures.items() if name not in expected}
    assert not unexpected, "\n".join(f"{name}: {what}" for name, what in unexpected.items())


def test_a_server_that_is_none_fails(h2spec, make_backend, tmp_path):
    """The report is read so that failures are seen: a backend of HTTP/1.1 does not pass."""
    backend = make_backend("web")
    count, failures = run_h2spec(backend.port, tmp_path / "report.xml", "http2/6.7", "generic/1")
    assert count >= 4 and len(failures) == count


def test_a_report_without_cases_is_no_success(tmp_path):
    (tmp_path / "report.xml").write_text("<testsuites></testsuites>")
    assert read_report(tmp_path / "report.xml") == (0, {})
