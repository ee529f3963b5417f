"""Fixtures of all black-box tests."""

import itertools

import pytest

# Their assertions say what they compared, as those of the tests do.
pytest.register_assert_rewrite("support", "cluster")

from support.backend import Backend, Held
from support.cppx import Cppx, binary
from support.h2_backend import H2Backend
from support.waiting import SLOW

TEST_SECONDS = 60


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
