"""Clocks that say something unusual."""

import pytest

from cluster.objects import deployment, ingress, path, service

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
