"""Everything changes fifty times a second while everything is under load, and nothing fails."""

import time

import pytest

from support.certificates import make_certificate
from support.churn_backends import ChurnBackends
from support.churn_load import HOSTS, Loads, Target
from support.manifests import config_map, endpoint_slice, ingress, rule, service, tls_secret
from support.waiting import SLOW, scaled, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 * SLOW)]

CHANGES = 500
EVERY = 0.02  # Seconds from one change to the next, where the machine is quick enough.
GATHERED = 0.005  # Seconds: for 3 ms cppx waits for more files to change.
LONGEST = 60.0  # Seconds, stretched, after which fewer changes must do...
MOST = 300  # ...but not fewer than these.

READY = {"ready": True}
LEAVING = {"ready": False, "serving": True, "terminating": True}
# What the three endpoints of a Service are, turn by turn: R ready, T terminating, - none of its endpoints.
TURNS = ["RR-", "TR-", "-RR", "-TR", "R-R", "T--", "RRR"]
# Trouble that clients do not notice: nothing of it is called for here.
COUNTERS = ["upstream_connect_failures", "upstream_retries", "upstream_ejections", "tls_handshakes_failed"]
NOTES = {
    "grpc": {"nginx.ingress.kubernetes.io/backend-protocol": "GRPC"},
    "secure": {"nginx.ingress.kubernetes.io/backend-protocol": "HTTPS"},
}


def slices(kind, ports, turn):
    """The Service of a kind, with the endpoints of a turn."""
    states = TURNS[turn % len(TURNS)]
    return [service(kind)] + [
        endpoint_slice(kind, ["127.0.0.1"], port, suffix=str(at), conditions=READY if state == "R" else LEAVING)
        for at, (port, state) in enumerate(zip(ports, states, strict=True))
        if state != "-"
    ]


def loaded_ingress(kind, turn=0):
    """The Ingress that is under load, with other paths and settings in each turn."""
    notes = {
        "nginx.ingress.kubernetes.io/proxy-read-timeout": str(60 + turn % 7),
        "nginx.ingress.kubernetes.io/load-balance": ("round_robin", "ewma", "least_request")[turn % 3],
        **NOTES.get(kind, {}),
    }
    paths = [(f"/no-such-{number}", "Prefix", f"{kind}:80") for number in range(turn % 4)]
    rules = rule(HOSTS[kind], f"{kind}:80", *paths)
    return ingress(kind, rules, tls=[("pair", HOSTS[kind])], annotations=notes)


def settings(turn=0):
    values = {
        "ssl-redirect": "false",
        "keep-alive-requests": 1_000_000 + turn,
        "proxy-body-size": f"{1 + turn % 5}m",
        "hsts-max-age": 1000 + turn % 11,
        "load-balance": ("round_robin", "ewma", "least_request")[turn % 3],
        "upstream-keepalive-connections": (320, 0, 16)[turn % 3],
    }
    return [config_map("cppx", values)]


def others(turn):
    """Ingresses that nobody asks for."""
    return [ingress(f"other-{number}", rule(f"{turn}.other-{number}.test", "web:80")) for number in range(1 + turn % 5)]


class Changes:
    """Makes one change after the other, and waits for a new snapshot after each."""

    def __init__(self, cppx, ports, certificates):
        self.cppx, self.ports, self.certificates = cppx, ports, certificates
        self.count = 0
        self._published = self.generation()
        self._steps = [
            lambda turn: self._endpoints("web", turn),
            lambda turn: self.cppx.write("pair.yaml", self.pair(turn)),
            lambda turn: self._endpoints("grpc", turn),
            lambda turn: self.cppx.write("others.yaml", others(turn)),
            lambda turn: self._endpoints("echo", turn),
            lambda turn: self._endpoints("secure", turn),
            self._loaded,
            lambda turn: self._endpoints("web", turn + 3),
            lambda turn: self.cppx.write("config.yaml", settings(turn)),
            self._visitor,
        ]

    def pair(self, turn):
        return [tls_secret("pair", self.certificates[turn % len(self.certificates)])]

    def one(self):
        turn, step = divmod(self.count, len(self._steps))
        self._steps[step](turn + 1)
        self.count += 1
        # To ask takes longer than a change, under load: what was told last is not asked for again, nor what cannot be yet.
        before = self._published
        time.sleep(GATHERED)
        wait_for(lambda: self._ask() > before, 20, f"change {self.count} to be published", every=0.001)

    def _ask(self):
        self._published = self.generation()
        return self._published

    def generation(self):
        return int(self.cppx.metric("cppx_snapshot_generation "))

    def _endpoints(self, kind, turn):
        self.cppx.write(f"{kind}.yaml", slices(kind, self.ports[kind], turn))

    def _loaded(self, turn):
        kind = list(HOSTS)[turn % len(HOSTS)]
        self.cppx.write(f"{kind}-ingress.yaml", [loaded_ingress(kind, turn)])

    def _visitor(self, turn):
        """A file that comes and goes."""
        if turn % 2:
            self.cppx.write("visitor.yaml", [ingress("visitor", rule("visitor.test", "web:80"))])
        else:
            self.cppx.remove("visitor.yaml")


def change_under(loads, changes):
    """Changes at a steady pace until there were enough, and enough load; fails with the first failure of a load."""
    begin = time.monotonic()
    while changes.count < CHANGES or not loads.enough:
        changes.one()
        if loads.failures or time.monotonic() > begin + scaled(LONGEST):
            break
        time.sleep(max(0.0, begin + changes.count * EVERY - time.monotonic()))
    return time.monotonic() - begin


@pytest.fixture
def backends():
    with ChurnBackends(endpoints=3) as backends:
        yield backends


@pytest.fixture
def churning(start_cppx, backends, tmp_path):
    """A cppx with all kinds of backends: (what the loads need, the changes)."""
    certificates = [make_certificate(*HOSTS.values(), common_name=name) for name in ("first", "second")]
    files = {"pair.yaml": [tls_secret("pair", certificates[0])]}
    for kind in HOSTS:
        files[f"{kind}.yaml"] = slices(kind, backends.ports[kind], 0)
        files[f"{kind}-ingress.yaml"] = [loaded_ingress(kind)]
    cppx = start_cppx({**files, "config.yaml": settings()}, flags=["--configmap=default/cppx"])
    return Target(cppx, certificates, tmp_path), Changes(cppx, backends.ports, certificates)


def test_nothing_fails_while_everything_changes(churning, backends):
    target, changes = churning
    start = changes.generation()
    with Loads(target) as loads:
        seconds = change_under(loads, changes)
    published = changes.generation() - start
    print(f"{changes.count} changes in {seconds:.1f} s, {published} snapshots; {'; '.join(loads.lines())}")
    assert loads.failures == []
    assert loads.enough, loads.lines()
    cppx, served = target.cppx, backends.counts()
    counted = {name: int(cppx.metric(f"cppx_{name}_total ")) for name in COUNTERS}
    print(f"certificates shown: {len(target.shown)}; {counted}; served: {served}")
    assert changes.count >= MOST and published >= changes.count
    assert len(target.shown) == 2
    assert not any(counted.values()), counted
    assert all(count > 0 for counts in served.values() for count in counts), served
    cppx.apply("others.yaml", others(0))
    assert [cppx.status_of(HOSTS["web"]), cppx.status_of("0.other-0.test")] == [200, 200]
