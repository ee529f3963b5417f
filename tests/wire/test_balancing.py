"""How requests are shared out: least request, EWMA, consistent hash; limits of an endpoint."""

import collections
import threading
import time

import pytest

from support.backend import answer, refused_port
from support.client import request
from support.manifests import endpoint_slice, ingress, rule, service, service_of
from support.waiting import scaled, wait_for

PREFIX = "nginx.ingress.kubernetes.io/"


def site_with(backends, **annotations):
    """http://site.test over the backends, with annotations written with underscores."""
    named = {PREFIX + name.replace("_", "-"): str(value) for name, value in annotations.items()}
    return {"all.yaml": [*service_of("web", *backends), ingress("web", rule("site.test", "web:80"), annotations=named)]}


class Held:
    """A handler that keeps requests until they are let go."""

    def __init__(self):
        self.gate = threading.Event()

    def __call__(self, exchange):
        exchange.read_body()
        assert self.gate.wait(30)
        exchange.reply(body=exchange.backend.name.encode())


@pytest.fixture
def hold():
    held = Held()
    yield held
    held.gate.set()


def names_of(cppx, targets, headers=()):
    return [cppx.get(target=target, headers=headers).text for target in targets]


@pytest.mark.parametrize("where", ["annotation", "ConfigMap"])
def test_least_request_goes_where_fewer_are_in_progress(start_cppx, make_backend, hold, where):
    busy, free = make_backend("busy", handler=hold), make_backend("free")
    annotations = {"load_balance": "least_request"} if where == "annotation" else {}
    config = {"load-balance": "least_request"} if where == "ConfigMap" else None
    cppx = start_cppx(site_with([busy, free], **annotations), config=config, workers=1)
    with cppx.connect() as waiting:
        # The first of two equals is by chance: until one is held, some are answered.
        while not busy.requests:
            waiting.send(request())
            wait_for(lambda: busy.requests or free.requests, 5, "the request to be sent")
            if not busy.requests:
                waiting.read_response()
                free.clear()
        assert [cppx.get().text for _ in range(30)] == ["free"] * 30
        hold.gate.set()
        assert waiting.read_response().text == "busy"


def test_ewma_goes_where_answers_come_sooner(start_cppx, make_backend):
    delay = threading.Event()

    def slow(exchange):
        delay.wait(scaled(0.5))
        answer(exchange)

    backends = [make_backend("slow", handler=slow), make_backend("fast")]
    cppx = start_cppx(site_with(backends, load_balance="ewma"), workers=1)
    # By then each has been asked once at least: what has not been measured is taken for average.
    wait_for(lambda: cppx.get().text == "slow", 20, "the slow one to be asked")
    answers = collections.Counter(cppx.get().text for _ in range(50))
    assert answers["slow"] <= 3, answers


def test_ewma_does_not_hold_a_slow_upload_against_the_endpoint(start_cppx, make_backend):
    backends = [make_backend(name) for name in ("one", "two")]
    cppx = start_cppx(site_with(backends, load_balance="ewma"), workers=1)
    # What has not been measured is taken for average.
    wait_for(lambda: cppx.get() and all(backend.requests for backend in backends), 5, "both to be asked")
    # More than a moment: one answer that this machine holds up counts as well.
    pause = scaled(0.2)
    with cppx.connect() as client:
        client.send(request("POST", body=b"12345")[:-5])
        for number in range(5):
            time.sleep(pause)
            client.send(b"%d" % number)
        name = client.read_response().text
    other = next(backend for backend in backends if backend.name != name)

    def slower(exchange):
        time.sleep(pause)
        answer(exchange)

    other.handler = slower
    answers = collections.Counter(cppx.get().text for _ in range(20))
    assert answers[name] >= 17, f"{name} took the upload: {answers}"


def test_hash_by_request_uri(start_cppx, make_backend):
    backends = [make_backend(name) for name in ("one", "two", "three")]
    cppx = start_cppx(site_with(backends, upstream_hash_by="$request_uri"), workers=2)
    targets = [f"/item/{number}" for number in range(60)]
    first = names_of(cppx, targets)
    assert names_of(cppx, targets) == first, "the same on every worker and at any time"
    assert len(set(first)) == 3
    assert max(collections.Counter(first).values()) < 40


@pytest.mark.parametrize(
    ("pattern", "headers"),
    [
        ("$http_x_user", lambda n: [("X-User", f"user-{n}")]),
        ("$cookie_session", lambda n: [("Cookie", f"theme=dark; session={n}")]),
        ("$arg_id", lambda n: ()),
        ("${http_x_user}-$host", lambda n: [("x-user", f"user-{n}")]),
    ],
)
def test_hash_by_parts_of_a_request(start_cppx, make_backend, pattern, headers):
    backends = [make_backend(name) for name in ("one", "two", "three")]
    cppx = start_cppx(site_with(backends, upstream_hash_by=pattern))
    by_key = {n: {cppx.get(target=f"/{i}?id={n}", headers=headers(n)).text for i in range(4)} for n in range(20)}
    assert all(len(names) == 1 for names in by_key.values()), by_key
    assert len(set().union(*by_key.values())) > 1


def test_hash_by_client_address_keeps_a_client_on_one_endpoint(start_cppx, make_backend):
    backends = [make_backend(name) for name in ("one", "two", "three")]
    cppx = start_cppx(site_with(backends, upstream_hash_by="$remote_addr"))
    assert len({cppx.get(target=f"/{number}").text for number in range(20)}) == 1


def test_requests_without_the_hashed_part_go_round(start_cppx, make_backend):
    backends = [make_backend(name) for name in ("one", "two", "three")]
    cppx = start_cppx(site_with(backends, upstream_hash_by="$http_x_user"), workers=1)
    assert sorted(collections.Counter(cppx.get().text for _ in range(30)).values()) == [10, 10, 10]


def test_few_keys_move_when_an_endpoint_goes(start_cppx, make_backend):
    backends = [make_backend(str(number)) for number in range(5)]
    cppx = start_cppx(site_with(backends, upstream_hash_by="$request_uri"))
    targets = [f"/item/{number}" for number in range(100)]
    before = dict(zip(targets, names_of(cppx, targets), strict=True))
    cppx.remove("all.yaml")
    cppx.apply("fewer.yaml", site_with(backends[:4], upstream_hash_by="$request_uri")["all.yaml"])
    after = dict(zip(targets, names_of(cppx, targets), strict=True))
    stayed = [target for target in targets if before[target] != "4"]
    moved = [target for target in stayed if before[target] != after[target]]
    assert len(moved) * 5 < len(stayed), f"{len(moved)} of {len(stayed)} moved"


def test_a_hashed_request_is_retried_elsewhere_always_on_the_same(start_cppx, make_backend):
    holder, dead = refused_port("127.0.0.11")
    backends = [make_backend(name) for name in ("one", "two", "three")]
    files = site_with([*backends, ("127.0.0.11", dead)], upstream_hash_by="$request_uri")
    cppx = start_cppx(files, config={"upstream-ejection-failures": "0"})
    targets = [f"/item/{number}" for number in range(40)]
    first = names_of(cppx, targets)
    assert set(first) == {"one", "two", "three"}
    assert names_of(cppx, targets) == first
    holder.close()


def test_a_subset_serves_a_key(start_cppx, make_backend):
    first = make_backend("127.0.1.1", address="127.0.1.1")
    others = [make_backend(f"127.0.1.{n}", address=f"127.0.1.{n}", port=first.port) for n in range(2, 9)]
    addresses = [backend.address for backend in [first, *others]]
    annotations = {
        PREFIX + "upstream-hash-by": "$arg_key",
        PREFIX + "upstream-hash-by-subset": "true",
        PREFIX + "upstream-hash-by-subset-size": "2",
    }
    objects = [
        service("web"),
        endpoint_slice("web", addresses, first.port),
        ingress("web", rule("site.test", "web:80"), annotations=annotations),
    ]
    cppx = start_cppx({"all.yaml": objects})
    subsets = [frozenset(names_of(cppx, [f"/?key={key}"] * 30)) for key in range(8)]
    assert [len(subset) for subset in subsets] == [2] * 8
    assert len(set(subsets)) > 1


def test_an_endpoint_added_to_others_starts_slowly_on_every_worker(start_cppx, make_backend):
    """Whichever meets it first, and whether that has served the others before or not."""
    one, two, three, four = (make_backend(name) for name in ("one", "two", "three", "four"))
    objects = site_with([one, two])["all.yaml"]
    cppx = start_cppx({"all.yaml": objects}, config={"upstream-slow-start": "1h"}, workers=2)
    # Nobody has served anything yet.
    cppx.apply("all.yaml", site_with([one, two, three])["all.yaml"])
    answers = collections.Counter(names_of(cppx, ["/"] * 150))
    assert answers["three"] <= 25, f"a tenth of its share to begin with: {answers}"
    # One worker has.
    with cppx.connect() as kept:
        other = ingress("more", rule("more.test", "more:80"))
        cppx.apply("more.yaml", [*service_of("more", one, two), other])
        assert kept.ask(request(host="more.test")).status == 200
        cppx.apply("more.yaml", [*service_of("more", one, two, four), other])
        answers = collections.Counter(cppx.get("more.test").text for _ in range(150))
        assert answers["four"] <= 25, answers
        answers = collections.Counter(kept.ask(request(host="more.test")).text for _ in range(150))
        assert answers["four"] <= 25, answers
    # A Service that is new has no endpoint that is newer than others.
    five, six = make_backend("five"), make_backend("six")
    cppx.apply("new.yaml", [*service_of("new", five, six), ingress("new", rule("new.test", "new:80"))])
    answers = collections.Counter(cppx.get("new.test").text for _ in range(40))
    assert abs(answers["five"] - answers["six"]) <= 2, f"one for each worker: {answers}"


def test_a_limit_of_connections_spares_an_endpoint(start_cppx, make_backend, hold):
    busy, free = make_backend("busy", handler=hold), make_backend("free")
    cppx = start_cppx(site_with([busy, free]), config={"upstream-max-connections": "1"}, workers=1)
    with cppx.connect() as waiting:
        for count in (1, 2):
            waiting.send(request())
            wait_for(lambda n=count: len(busy.requests + free.requests) == n, 5, "the request to be sent")
            if busy.requests:
                break
            waiting.read_response()
        assert busy.requests
        assert [cppx.get().text for _ in range(10)] == ["free"] * 10
        free.handler = hold
        before = len(free.requests)
        with cppx.connect() as second:
            second.send(request())
            free.wait_for_requests(before + 1)
            assert cppx.get().status == 503, "everybody is at the limit"
            hold.gate.set()
            assert second.read_response().text == "free"
        assert waiting.read_response().text == "busy"
    assert cppx.get().status == 200
