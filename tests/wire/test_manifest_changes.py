"""Manifests that change while cppx serves."""

import json
import re
import threading
import time

import pytest

from support.certificates import make_certificate
from support.client import Connection, request
from support.cppx import measured_memory
from support.manifests import config_map, endpoint_slice, ingress, rule, service, service_of, tls_secret, to_yaml
from support.waiting import SLOW, scaled, wait_for

MIB = 1024 * 1024


@pytest.fixture
def web(make_backend):
    return make_backend("web")


def routes(host, backend=None, name="web"):
    return [*(service_of(name, backend) if backend else []), ingress(host.replace(".", "-"), rule(host, f"{name}:80"))]


def test_a_new_file_is_served_within_two_seconds(start_cppx, web, record_property):
    cppx = start_cppx({"web.yaml": service_of("web", web)})
    times = []
    for number in range(10):
        host = f"host-{number}.test"
        start = time.monotonic()
        cppx.write(f"{number}.yaml", routes(host))
        wait_for(lambda: cppx.status_of(host) == 200, 2, f"{host} to be served", every=0.001)
        times.append((time.monotonic() - start) * 1000)
    text = f"{sorted(times)[5]:.0f} ms in the middle, {max(times):.0f} ms at most"
    record_property("change to traffic", text)
    print(f"from a change of a file to traffic: {text}")
    assert cppx.status_of("host-0.test") == 200


def test_a_removed_file_ends_its_routes(start_cppx, web):
    cppx = start_cppx({"web.yaml": routes("keep.test", web), "more.yaml": routes("gone.test")})
    assert cppx.status_of("gone.test") == 200
    cppx.remove("more.yaml")
    cppx.wait_until_served(lambda: cppx.status_of("gone.test") == 404, "the route to go")
    assert cppx.status_of("keep.test") == 200


def test_an_object_taken_out_of_a_file_ends(start_cppx, web):
    cppx = start_cppx({"web.yaml": [*routes("one.test", web), *routes("two.test")]})
    assert cppx.status_of("two.test") == 200
    cppx.apply("web.yaml", routes("one.test", web))
    assert [cppx.status_of("one.test"), cppx.status_of("two.test")] == [200, 404]


def test_a_file_written_in_place_is_seen(start_cppx, web):
    """An editor or `cat >` does not rename: the file is opened, cut and written."""
    cppx = start_cppx({"web.yaml": routes("one.test", web)})
    with open(cppx.folder / "late.yaml", "w") as file:
        text = to_yaml(routes("late.test"))
        for at in range(0, len(text), 50):
            file.write(text[at : at + 50])
            file.flush()
    cppx.wait_until_served(lambda: cppx.status_of("late.test") == 200, "the file written in pieces")


def test_json_and_lists_and_subfolders_of_kinds(start_cppx, web):
    items = service_of("web", web) + routes("json.test")
    cppx = start_cppx({"list.json": json.dumps({"apiVersion": "v1", "kind": "List", "items": items})})
    assert cppx.status_of("json.test") == 200


def test_files_that_are_no_manifests_are_left_alone(start_cppx, web):
    cppx = start_cppx({"web.yaml": routes("one.test", web), "README.md": "# not: [a manifest", ".hidden.yaml": "{{"})
    assert cppx.status_of("one.test") == 200
    assert "README.md" not in cppx.log


def test_kinds_that_cppx_does_not_read_are_left_alone(start_cppx, web):
    other = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 3}}
    cppx = start_cppx({"web.yaml": [other, *routes("one.test", web)]})
    assert cppx.status_of("one.test") == 200


BROKEN = {
    "no yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: x\nspec: ]\n",
    "a tab": "apiVersion: v1\nkind: Service\nmetadata:\n\tname: x\n",
    "an unclosed quote": 'apiVersion: v1\nkind: "Service\n',
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_reported_and_its_last_good_state_stays(start_cppx, web, name):
    """Report with file, document and line; the second document of the file is the broken one."""
    good = to_yaml(routes("one.test", web))
    cppx = start_cppx({"web.yaml": good, "other.yaml": routes("two.test")})
    before = len(cppx.log_lines)
    cppx.write("web.yaml", f"{to_yaml(routes('new.test'))}---\n{BROKEN[name]}")
    line = cppx.wait_for_log(r"web\.yaml", since=before)
    assert re.search(r"document 2", line), line
    assert re.search(r"(line |:)\d+", line), line
    assert [cppx.status_of("one.test"), cppx.status_of("two.test")] == [200, 200]
    cppx.apply("other.yaml", routes("three.test"))
    assert [cppx.status_of("one.test"), cppx.status_of("three.test")] == [200, 200]
    cppx.apply("web.yaml", routes("mended.test", web))
    assert [cppx.status_of("one.test"), cppx.status_of("mended.test")] == [404, 200]


def test_the_line_reported_is_the_line_of_the_fault(start_cppx, web):
    cppx = start_cppx({"web.yaml": routes("one.test", web)})
    before = len(cppx.log_lines)
    cppx.write("bad.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata:\n\tkey: value\n")
    line = cppx.wait_for_log(r"bad\.yaml", since=before)
    assert re.search(r"(line |:)6\b", line), line


@pytest.mark.parametrize(
    ("path", "value"),
    [("spec.rules", "text"), ("spec.rules", [{"host": 5}]), ("metadata", None), ("spec.tls", [{"hosts": "x"}])],
)
def test_an_object_of_the_wrong_shape_is_reported_and_hurts_nobody(start_cppx, web, path, value):
    bad = ingress("bad", rule("bad.test", "web:80"))
    target = bad
    *parents, last = path.split(".")
    for parent in parents:
        target = target[parent]
    target[last] = value
    cppx = start_cppx({"web.yaml": routes("one.test", web), "bad.yaml": [bad]})
    cppx.wait_for_log(r"bad\.yaml")
    assert cppx.status_of("one.test") == 200


def test_a_file_broken_from_the_start_does_not_keep_others_from_being_served(start_cppx, web):
    cppx = start_cppx({"web.yaml": routes("one.test", web), "bad.yaml": "a: [\n"})
    assert cppx.status_of("one.test") == 200
    cppx.wait_for_log(r"bad\.yaml")
    cppx.apply("bad.yaml", routes("two.test"))
    assert cppx.status_of("two.test") == 200


def test_settings_change_while_serving(start_cppx, web):
    cppx = start_cppx({"web.yaml": routes("one.test", web)}, config={"proxy-body-size": "10"})
    post = request("POST", host="one.test", body=b"x" * 100)
    assert cppx.ask(post).status == 413
    cppx.apply("config.yaml", [config_map("cppx", {"proxy-body-size": "1000"})])
    assert cppx.ask(post).status == 200
    cppx.apply("config.yaml", [config_map("cppx", {"proxy-body-size": "nonsense", "no-such-key": "1"})])
    assert cppx.ask(post).status == 200


class Load:
    """Clients that ask without pause; every answer that is not 200 or error is kept."""

    def __init__(self, cppx, host, clients=4, tls=False, method="GET"):
        self.failures, self._counts, self._done = [], [0] * clients, threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(cppx, host, tls, method, number)) for number in range(clients)
        ]

    def _run(self, cppx, host, tls, method, number):
        raw = request(method, host=host, body=b"x" * 500 if method == "POST" else None)
        port = cppx.https_port if tls else cppx.http_port
        connection = None
        while not self._done.is_set():
            try:
                if connection is None:
                    connection = Connection.tls(port, host) if tls else Connection(port)
                response = connection.ask(raw)
                if response.status != 200:
                    self.failures.append(response.status)
                self._counts[number] += 1
                if number % 2 or response.headers.one("Connection") == "close":
                    connection.close()
                    connection = None
            except Exception as error:
                self.failures.append(repr(error))
                connection = None
        if connection:
            connection.close()

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, answers):
        """Waits until every client has had some more answers."""
        goals = [count + answers for count in self._counts]

        def reached():
            return self.failures or all(count >= goal for count, goal in zip(self._counts, goals, strict=True))

        wait_for(reached, 20, "answers under load")
        assert self.failures == []


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_endpoints_change_under_load_without_a_failure(start_cppx, make_backend, tls, method):
    first = make_backend("0", address="127.0.0.1")
    backends = [first] + [make_backend(str(n), address=f"127.0.0.{n + 1}", port=first.port) for n in range(1, 4)]
    cppx = start_cppx({"web.yaml": [service("web"), ingress("web", rule("one.test", "web:80"))]})

    def use(*numbers):
        cppx.apply("slice.yaml", [endpoint_slice("web", [backends[n].address for n in numbers], first.port)])

    use(0)
    with Load(cppx, "one.test", tls=tls, method=method) as load:
        for number in range(12):
            use(*{number % 4, (number + 1) % 4, number % 3})
            load.wait_for_more(5)
    assert load.failures == []
    assert all(backend.requests for backend in backends)


def test_an_endpoint_is_drained_and_stopped_under_load_without_a_failure(start_cppx, make_backend):
    """Out of the slice first, then stopped: nobody is sent there any more, idle connections included."""
    stay = make_backend("stay")
    cppx = start_cppx({"web.yaml": [ingress("web", rule("one.test", "web:80"))], "slice.yaml": service_of("web", stay)})
    with Load(cppx, "one.test") as load:
        for number in range(6):
            with_leaver = make_backend(f"leaver-{number}")
            cppx.apply("slice.yaml", service_of("web", stay, with_leaver))
            wait_for(lambda: with_leaver.requests, 10, "requests at the new endpoint")
            cppx.apply("slice.yaml", service_of("web", stay))
            load.wait_for_more(2)  # What was in flight at the change has ended.
            seen = len(with_leaver.requests)
            load.wait_for_more(5)
            assert len(with_leaver.requests) == seen
            with_leaver.stop()
    assert load.failures == []


def test_a_service_port_is_named_and_renamed_under_load_without_a_failure(start_cppx, web):
    """The Service has the new name first; its slices follow some time later, as in a cluster."""
    cppx = start_cppx({"web.yaml": [ingress("web", rule("one.test", "web:80"))]})

    def name_service(name):
        cppx.apply("service.yaml", [service("web", target=web.port, port_name=name)])

    def name_slice(name):
        cppx.apply("slice.yaml", [endpoint_slice("web", [web.address], web.port, port_name=name)])

    name_service("")
    name_slice("")
    with Load(cppx, "one.test") as load:
        for name in ("http", "web", ""):
            name_service(name)
            load.wait_for_more(5)
            name_slice(name)
            load.wait_for_more(5)
    assert load.failures == []


def test_scaled_to_zero_and_back(start_cppx, web):
    cppx = start_cppx({"web.yaml": routes("one.test", web)})
    cppx.apply("web.yaml", [service("web"), *routes("one.test")])
    assert cppx.status_of("one.test") == 503
    cppx.apply("web.yaml", routes("one.test", web))
    assert cppx.status_of("one.test") == 200


def test_other_routes_and_secrets_change_under_load_without_a_failure(start_cppx, web):
    pairs = [make_certificate("one.test") for _ in range(2)]
    cppx = start_cppx({"web.yaml": [*service_of("web", web), ingress("web", rule("one.test", "web:80"), tls=[("pair", "one.test")])]})
    cppx.apply("pair.yaml", [tls_secret("pair", pairs[0])])
    with Load(cppx, "one.test", tls=True) as load:
        for number in range(15):
            cppx.apply("pair.yaml", [tls_secret("pair", pairs[number % 2])])
            cppx.apply("more.yaml", [item for n in range(number) for item in routes(f"more-{n}.test")])
            load.wait_for_more(3)
    assert load.failures == []


def test_a_change_does_not_touch_requests_in_flight(start_cppx, make_backend):
    go_on = threading.Event()

    def handler(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        assert go_on.wait(scaled(20))
        exchange.send(b"half")

    old, new = make_backend("old", handler=handler), make_backend("new")
    cppx = start_cppx({"web.yaml": routes("one.test", old)})
    with cppx.connect() as connection:
        connection.send(request(host="one.test"))
        response = connection.read_response_head()
        cppx.apply("web.yaml", routes("one.test", new))
        go_on.set()
        assert b"".join(connection.body_of(response)) == b"halfhalf"
        assert connection.ask(request(host="one.test")).text == "new"
        cppx.remove("web.yaml")
        cppx.wait_until_served(lambda: cppx.status_of("one.test") == 404, "the route to go")
        assert connection.ask(request(host="one.test")).status == 404


def test_many_changes_leak_nothing(start_cppx, web):
    pairs = [make_certificate("one.test") for _ in range(2)]
    objects = [*service_of("web", web), ingress("web", rule("one.test", "web:80"), tls=[("pair", "one.test")])]
    cppx = start_cppx({"web.yaml": objects}, environment=measured_memory())

    def change(count):
        for number in range(count):
            cppx.write("pair.yaml", [tls_secret("pair", pairs[number % 2])])
            cppx.apply("more.yaml", [item for n in range(50 + number % 5) for item in routes(f"more-{n}.test")])
            with cppx.connect_tls("one.test") as connection:
                assert connection.ask(request(host="one.test")).status == 200

    change(40)
    memory, files = cppx.memory_bytes(), cppx.open_files()
    change(80)
    wait_for(lambda: cppx.open_files() <= files + 4, 5, "files to be closed")
    growth = cppx.memory_bytes() - memory
    print(f"growth over 80 changes: {growth / 1024:.0f} KiB")
    assert growth < 8 * MIB * SLOW
