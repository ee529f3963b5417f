"""Fixtures: one cluster and one cppx for the whole run (of each process of it), a Kubernetes namespace for each test."""

import itertools
import os
import shutil

import pytest

from cluster.api_proxy import ApiProxy
from cluster.cluster import Cluster, missing_programs
from cluster.dns import NameServer
from cluster.ingress_process import Ingress
from cluster.network import Network
from cluster.objects import ingress_class
from cluster.programs import built, control_plane_folder, missing
from cluster.webhook import Webhook
from support.waiting import SLOW

TEST_SECONDS = 120


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/cluster/" in item.nodeid and item.get_closest_marker("timeout") is None:
            # A fixture may start a cluster: only the test itself is timed.
            item.add_marker(pytest.mark.timeout(TEST_SECONDS * SLOW, func_only=True))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for cppx in Ingress.running:
            report.sections.append((f"log of {cppx.name}", cppx.process.last_lines(60)))
        for cluster in Cluster.running:
            report.sections.append(("logs of the cluster", f"in {cluster.folder}"))
    return report


def _why_not():
    """In one line, why no cluster can run here; None when one can."""
    reason = Network.why_not()
    if reason:
        return f"network namespaces cannot be made here: {reason}"
    if missing():
        return f"{', '.join(missing())} not in {control_plane_folder()}: run tests/cluster/build-control-plane"
    lacking = missing_programs()
    if lacking:
        return f"{built('').resolve()} has no {', '.join(lacking)}: build them, or set CPPX_BUILD_DIR"
    tools = [tool for tool in ("curl", "openssl", "setpriv", "unshare") if shutil.which(tool) is None]
    if tools:
        return f"this machine has no {', '.join(tools)}"
    return None


@pytest.fixture(scope="session")
def possible():
    """Skips when no cluster can run here; with CPPX_REQUIRE_CLUSTER=1 that is a failure."""
    reason = _why_not()
    if reason and os.environ.get("CPPX_REQUIRE_CLUSTER") == "1":
        pytest.fail(f"CPPX_REQUIRE_CLUSTER=1, but {reason}", pytrace=False)
    if reason:
        pytest.skip(f"no test cluster: {reason}")


@pytest.fixture(scope="session")
def cluster(possible, tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.apply(ingress_class("cppx"))
        yield cluster
        cluster.check()


@pytest.fixture
def space(cluster):
    """A Kubernetes namespace of the test's own."""
    with cluster.space() as space:
        yield space


@pytest.fixture(scope="session")
def kubeconfig(cluster):
    """The rights of rbac.yaml and nothing else, with a bound service account token."""
    return cluster.account_kubeconfig()


@pytest.fixture(scope="session")
def name_server(cluster):
    """The DNS server of the namespace; tests add names of their own."""
    with NameServer(cluster.network) as server:
        yield server


@pytest.fixture(scope="session")
def shared_cppx(cluster, name_server, kubeconfig):
    with Ingress(cluster, kubeconfig) as cppx:
        yield cppx


@pytest.fixture
def cppx(shared_cppx):
    """The cppx that most tests share."""
    yield shared_cppx
    shared_cppx.process.check()


@pytest.fixture
def start_cppx(cluster, kubeconfig):
    """Starts instances of a test's own: start_cppx(flags=[...], ...)."""
    started = []

    def start(ready=True, **options):
        options.setdefault("kubeconfig", kubeconfig)
        cppx = Ingress(cluster, **options)
        started.append(cppx)
        return cppx.start(ready)

    start.forget = started.remove  # of one that the test has stopped
    start.adopt = started.append  # one that was started by other means
    yield start
    failures = []
    for cppx in started:
        try:
            # A test may have ended it by itself.
            if cppx in Ingress.running:
                cppx.stop()
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, "\n".join(failures)


@pytest.fixture
def proxy(cluster):
    """What stands between the test's cppx (see `proxied`) and the API server."""
    with ApiProxy(cluster) as proxy:
        yield proxy


@pytest.fixture
def webhook(cluster, space):
    """A webhook of the test's own, not installed yet."""
    webhook = Webhook(cluster, space)
    yield webhook
    webhook.remove()


@pytest.fixture
def proxied(cluster, proxy, start_cppx):
    """A cppx of the test's own that reaches the API server through `proxy`."""
    return start_cppx(kubeconfig=proxy.kubeconfig(cluster.account_token()))


_hosts = itertools.count(1)


@pytest.fixture
def host():
    """A host name that no other test uses."""
    return f"host-{next(_hosts)}.test"
