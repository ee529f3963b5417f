"""Fixtures of all black-box tests."""

import itertools
import os
import sys
import threading
import traceback

import pytest

# Their assertions say what they compared, as those of the tests do.
pytest.register_assert_rewrite("support", "cluster")

from support.backend import Backend, Held
from support.cppx import Cppx, binary
from support.h2_backend import H2Backend
from support.waiting import SLOW

TEST_SECONDS = 60
CLEANUP_SECONDS = 60  # pytest-timeout is spent when it has ended a test: nothing else bounds what comes after it.
FRAMES_SHOWN = 8


def pytest_configure(config):
    # Before output is captured: what a watchdog says must come through.
    Watchdog.output = os.dup(2)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(FailuresAtOnce(config))


class FailuresAtOnce:
    """Names each failed test as it fails: a run that is cut short has then said why."""

    def __init__(self, config):
        self._config = config

    def pytest_runtest_logreport(self, report):
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and reporter:
            crash = getattr(report.longrepr, "reprcrash", None)
            reason = (crash.message if crash else str(report.longrepr)).strip().splitlines() or [""]
            reporter.ensure_newline()
            reporter.write_line(f"failed: {report.nodeid}: {reason[0][:300]}")


class Watchdog:
    """Ends this process, with the ends of the stacks of all its threads, unless it is called off in `seconds` (stretched)."""

    output = 2

    def __init__(self, what, seconds=CLEANUP_SECONDS):
        self._what = f"{what} did not end in {seconds * SLOW:.0f} s\n"
        self._timer = threading.Timer(seconds * SLOW, self._bite)
        self._timer.daemon = True

    def __enter__(self):
        self._timer.start()

    def __exit__(self, *_):
        self._timer.cancel()

    def _bite(self):
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for ident, frame in sys._current_frames().items():
            if ident != threading.get_ident():
                self._what += f"thread {names.get(ident)}:\n" + "".join(traceback.format_stack(frame)[-FRAMES_SHOWN:])
        os.write(self.output, self._what.encode())
        os._exit(1)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item):
    with Watchdog(f"what comes after {item.nodeid}"):
        return (yield)


def pytest_sessionfinish(session):
    # Threads that a failed test left are waited for as the interpreter ends. Workers are ended by who started them.
    if not hasattr(session.config, "workerinput"):
        Watchdog("this process of finished tests").__enter__()


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TEST_SECONDS * SLOW))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for cppx in Cppx.running:
            report.sections.append((f"log of cppx {cppx.folder.name}", "".join(cppx.log_lines[-60:])))
    return report


@pytest.fixture(scope="session")
def cppx_binary():
    path = binary()
    if not path.exists():
        pytest.exit(f"there is no program at {path}: build it, or set CPPX_BUILD_DIR", returncode=2)
    return path


@pytest.fixture
def start_cppx(cppx_binary, tmp_path):
    """Starts instances of a test's own: start_cppx({file: objects}, config={key: value}, flags=[...])."""
    started = []
    numbers = itertools.count(1)

    def start(files, **options):
        cppx = Cppx(tmp_path / f"manifests-{next(numbers)}", files, **options)
        started.append(cppx)
        return cppx.start()

    yield start
    failures = []
    for cppx in started:
        try:
            cppx.stop()
        except AssertionError as error:
            failures.append(str(error))
    assert not failures, "\n".join(failures)


@pytest.fixture
def make_backend():
    """Starts backends of a test's own: make_backend("name", address=..., handler=...)."""
    yield from _maker(Backend)


@pytest.fixture
def held(make_backend):
    """A backend's handler that answers /held when `held.go_on` is set, at the latest before backends are stopped."""
    handler = Held()
    yield handler
    handler.go_on.set()


@pytest.fixture
def make_h2_backend():
    """Starts HTTP/2 backends of a test's own: make_h2_backend("name", certificate=..., handler=...)."""
    yield from _maker(H2Backend)


def _maker(kind):
    started = []

    def make(*args, **options):
        started.append(kind(*args, **options))
        return started[-1]

    yield make
    for backend in started:
        backend.stop()
