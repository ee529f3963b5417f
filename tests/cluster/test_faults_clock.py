"""Clocks that say something unusual."""

import os
import struct
import time

import pytest

from cluster.control_plane import API_PORT
from cluster.objects import deployment, ingress, path, service
from cluster.programs import built
from cluster.relay import Relay
from cluster.traffic import Traffic
from support.waiting import scaled, wait_for

RELAY_PORT = 23101
YEAR = 365
YEARS = 50 * 365 * 24 * 3600


@pytest.fixture
def web(space, host):
    space.apply(deployment("web", replicas=1), service("web"), ingress("web", {host: [path("web")]}))
    space.wait_for_pods("web", 1)
    return space


def monotonic(seconds):
    """A wrapper in whose time namespace the machine has been up for that much longer."""
    # Only children are in the namespace; signals are passed on to them.
    script = """trap 'kill -TERM "$child"' TERM; "$@" & child=$!; wait "$child"; wait "$child" """
    return ["unshare", "--time", f"--monotonic={seconds}", "sh", "-c", script, "sh"]


def test_a_machine_that_has_been_up_for_fifty_years(web, host, start_cppx):
    cppx = start_cppx(wrapper=monotonic(YEARS))
    cppx.wait_for_status(host, 200)
    web.apply(ingress("late", {f"late.{host}": [path("web")]}))
    cppx.wait_for_status(f"late.{host}", 200)


class Date:
    """The date of one program, by a library that is put before it. Its other clocks go on as they do."""

    def __init__(self, folder):
        self._file = folder / "date-shift"
        self._file.write_bytes(struct.pack("=q", 0))
        self.environment = {
            "LD_PRELOAD": str(built("tests/cluster/date_shift/libcppx_date_shift.so")),
            "DATE_SHIFT_FILE": str(self._file),
            # The library may come first: the sanitizers are a part of the program.
            "ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0",
        }

    def jump(self, days):
        """So many days away from the true date. The certificates of the cluster are good for one, to either side."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("=q", int(days * 86400)))


@pytest.fixture
def date(tmp_path):
    return Date(tmp_path)


@pytest.fixture
def relay(cluster):
    with Relay(cluster.network, RELAY_PORT, API_PORT) as relay:
        yield relay


@pytest.fixture
def traveller(web, host, cluster, relay, start_cppx, date):
    """A cppx that leads, with a date of its own. It speaks TLS with the API server."""
    flags = [f"--election-id={web.name}", f"--election-ttl={int(scaled(6))}s", "--publish-status-address=192.0.2.7"]
    environment = {**date.environment, "POD_NAME": "traveller"}
    server = f"https://127.0.0.1:{relay.port}"
    kubeconfig = cluster.control_plane.write_kubeconfig("traveller", {"token": cluster.account_token()}, server)
    cppx = start_cppx(kubeconfig=kubeconfig, flags=flags, environment=environment)
    cppx.wait_for_status(host, 200)
    wait_for(cppx.leads, 20, "it to lead")
    return cppx


def logged_year(cppx):
    return int(cppx.log.splitlines()[-1][:4])


@pytest.mark.parametrize("hours", [20, -20])
def test_the_date_jumps(web, host, cluster, date, traveller, hours):
    """The Lease is renewed by a clock that only goes forward, and changes are heard of and told as before."""
    with Traffic(cluster, traveller.http_port, host) as traffic:
        date.jump(hours / 24)
        web.apply(ingress("late", {f"late.{host}": [path("web")]}))
        traveller.wait_for_status(f"late.{host}", 200)
        wait_for(lambda: "192.0.2.7" in web.kubectl("get", "ingress", "late"), 20, "its status", every=0.1)
        lease = renewals(web)
        wait_for(lambda: renewals(web) not in (lease, None), 20, "the Lease to be renewed", every=0.1)
        assert traveller.leads()
        assert "No longer leading" not in traveller.log
        date.jump(0)
        web.apply(ingress("later", {f"later.{host}": [path("web")]}))
        traveller.wait_for_status(f"later.{host}", 200)
        traffic.expect_going_on()


def renewals(space):
    """The version of the Lease: each renewal makes another one."""
    form = "--output=jsonpath={.metadata.resourceVersion}"
    return space.cluster.kubectl("get", "lease", space.name, form, namespace="cppx-system")


@pytest.mark.parametrize("days", [30 * YEAR, -20 * YEAR])
def test_the_date_jumps_out_of_what_certificates_are_good_for(web, host, cluster, relay, date, traveller, days):
    """The API server can be believed no more. What was known is served on, until the date is right again."""
    with Traffic(cluster, traveller.http_port, host) as traffic:
        date.jump(days)
        before = len(traveller.log)
        relay.mend()
        wait_for(lambda: "certificate" in traveller.log[before:], 20, "it to refuse the API server's certificate")
        assert logged_year(traveller) != time.gmtime().tm_year
        web.apply(ingress("meanwhile", {f"meanwhile.{host}": [path("web")]}))
        traffic.expect_going_on()
        assert traveller.health("/readyz") == 200
        assert traveller.status(f"meanwhile.{host}") == 404
        date.jump(0)
        traveller.wait_for_status(f"meanwhile.{host}", 200, seconds=60)
        traffic.expect_going_on()
