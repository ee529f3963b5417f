"""Sessions kept on one endpoint by a cookie."""

import collections
import re

import pytest

from support.backend import answer
from support.certificates import make_certificate
from support.client import request
from support.manifests import ingress, rule, service_of, tls_secret

PREFIX = "nginx.ingress.kubernetes.io/"
VALUE = re.compile(r"^[0-9a-f]{16}\|[0-9a-f]{16}$")


def annotated(**annotations):
    return {PREFIX + name.replace("_", "-"): str(value) for name, value in {"affinity": "cookie", **annotations}.items()}


def site_with(*backends, **annotations):
    return [*service_of("web", *backends), ingress("web", rule("site.test", "web:80"), annotations=annotated(**annotations))]


def cookie_of(response, name="INGRESSCOOKIE"):
    """The session's Set-Cookie as (value, attributes); None when there is none."""
    for line in response.headers.all("set-cookie"):
        pair, *attributes = line.split("; ")
        if pair.startswith(name + "="):
            return pair.partition("=")[2], attributes
    return None


def with_cookie(value, name="INGRESSCOOKIE"):
    return [("Cookie", f"other=1; {name}={value}")]


@pytest.fixture
def backends(make_backend):
    return [make_backend(name) for name in ("one", "two", "three")]


@pytest.mark.parametrize("mode", ["balanced", "persistent"])
def test_a_session_stays_on_its_endpoint(start_cppx, backends, mode):
    cppx = start_cppx({"all.yaml": site_with(*backends, affinity_mode=mode)}, workers=2)
    seen = set()
    for _ in range(12):
        first = cppx.get()
        value, attributes = cookie_of(first)
        assert VALUE.match(value)
        assert sorted(attributes) == ["HttpOnly", "Path=/"]
        seen.add(first.text)
        for _ in range(5):
            again = cppx.get(headers=with_cookie(value))
            assert (again.text, cookie_of(again)) == (first.text, None)
    assert len(seen) > 1, "sessions are shared out"
    # The endpoint is not told whose cookie it is, nor changed: it is passed on as it came.
    assert any(b.last.headers.one("cookie").startswith("other=1; INGRESSCOOKIE=") for b in backends if b.requests)


@pytest.mark.parametrize("mode", ["balanced", "persistent"])
def test_values_that_are_not_ours(start_cppx, backends, mode):
    cppx = start_cppx({"all.yaml": site_with(*backends, affinity_mode=mode)})
    for value in ["whatever", "x|y", "0" * 16 + "|" + "0" * 16, "%00" * 50]:
        answers = [cppx.get(headers=with_cookie(value)) for _ in range(4)]
        assert {response.status for response in answers} == {200}
        if mode == "balanced":
            assert len({response.text for response in answers}) == 1, "hashed like any key"
            assert [cookie_of(response) for response in answers] == [None] * 4
        else:
            assert all(cookie_of(response) for response in answers), "names nobody: a new one"
    for value in ["", "|x"]:
        assert cookie_of(cppx.get(headers=with_cookie(value)))


def test_attributes_of_the_cookie(start_cppx, backends):
    objects = site_with(
        *backends,
        session_cookie_name="route",
        session_cookie_path="/shop",
        session_cookie_domain="site.test",
        session_cookie_expires="172800",
        session_cookie_max_age="3600",
        session_cookie_samesite="Strict",
        session_cookie_secure="true",
    )
    cppx = start_cppx({"all.yaml": objects})
    value, attributes = cookie_of(cppx.get(), "route")
    assert VALUE.match(value)
    expires = next(attribute for attribute in attributes if attribute.startswith("Expires="))
    assert re.match(r"^Expires=\w{3}, \d\d-\w{3}-\d\d \d\d:\d\d:\d\d GMT$", expires)
    rest = [attribute for attribute in attributes if attribute != expires]
    assert rest == ["Max-Age=3600", "Domain=site.test", "Path=/shop", "Secure", "HttpOnly", "SameSite=Strict"]


def test_the_path_of_the_cookie_is_that_of_the_ingress(start_cppx, backends):
    paths = [(path, "Prefix", "web:80") for path in ("/", "/shop")]
    objects = [
        *service_of("web", *backends),
        ingress("web", rule("site.test", *paths), annotations=annotated()),
        ingress("other", rule("other.test", "web:80")),
    ]
    cppx = start_cppx({"all.yaml": objects})
    assert "Path=/shop" in cookie_of(cppx.get(target="/shop/cart"))[1]
    assert "Path=/" in cookie_of(cppx.get(target="/about"))[1]
    assert cookie_of(cppx.get("other.test")) is None


def test_secure_over_tls_and_same_site_none(start_cppx, backends):
    certificate = make_certificate("site.test")
    objects = [
        *service_of("web", *backends),
        ingress(
            "web",
            rule("site.test", "web:80"),
            tls=[("site", "site.test")],
            annotations=annotated(
                session_cookie_samesite="None", session_cookie_conditional_samesite_none="true", ssl_redirect="false"
            ),
        ),
        tls_secret("site", certificate),
    ]
    cppx = start_cppx({"all.yaml": objects})
    assert "Secure" not in cookie_of(cppx.get())[1]
    with cppx.connect_tls("site.test") as connection:
        attributes = cookie_of(connection.ask(request()))[1]
        assert "Secure" in attributes and "SameSite=None" in attributes
        old = cookie_of(connection.ask(request(headers=[("User-Agent", "Mozilla/5.0 Chrome/51.0 Safari/537")])))[1]
        assert "Secure" in old and "SameSite=None" not in old


def test_a_persistent_session_survives_scaling(start_cppx, backends):
    one, two, three = backends
    cppx = start_cppx({"all.yaml": site_with(one, two, affinity_mode="persistent")})
    sessions = [(response.text, cookie_of(response)[0]) for response in (cppx.get() for _ in range(6))]
    cppx.apply("all.yaml", site_with(three, one, two, affinity_mode="persistent"))
    for name, value in sessions:
        again = cppx.get(headers=with_cookie(value))
        assert (again.text, cookie_of(again)) == (name, None)
    cppx.apply("all.yaml", site_with(two, three, affinity_mode="persistent"))
    for name, value in sessions:
        again = cppx.get(headers=with_cookie(value))
        if name == "one":
            assert again.text != "one" and cookie_of(again), "its endpoint is gone"
        else:
            assert (again.text, cookie_of(again)) == (name, None)


@pytest.mark.parametrize("mode", ["balanced", "persistent"])
def test_without_change_on_failure_the_same_endpoint_again(start_cppx, backends, mode):
    cppx = start_cppx({"all.yaml": site_with(*backends, affinity_mode=mode)})
    first = cppx.get()
    value, _ = cookie_of(first)
    mine = next(backend for backend in backends if backend.name == first.text)
    others = [backend for backend in backends if backend is not mine]
    before = sum(len(backend.requests) for backend in others)
    mine.handler = lambda exchange: exchange.close()
    for _ in range(3):
        assert cppx.get(headers=with_cookie(value)).status == 502
    assert sum(len(backend.requests) for backend in others) == before
    mine.handler = answer
    assert cppx.get(headers=with_cookie(value)).text == mine.name


@pytest.mark.parametrize("mode", ["balanced", "persistent"])
def test_with_change_on_failure_another_endpoint_and_a_new_cookie(start_cppx, backends, mode):
    objects = site_with(*backends, affinity_mode=mode, session_cookie_change_on_failure="true")
    cppx = start_cppx({"all.yaml": objects})
    first = cppx.get()
    value, _ = cookie_of(first)
    mine = next(backend for backend in backends if backend.name == first.text)
    mine.handler = lambda exchange: exchange.close()
    moved = cppx.get(headers=with_cookie(value))
    assert (moved.status, moved.text != mine.name) == (200, True)
    fresh, _ = cookie_of(moved)
    assert fresh != value
    for _ in range(5):
        again = cppx.get(headers=with_cookie(fresh))
        assert (again.text, cookie_of(again)) == (moved.text, None)


def test_a_new_session_finds_an_endpoint_that_answers(start_cppx, backends):
    cppx = start_cppx({"all.yaml": site_with(*backends)})
    backends[0].handler = lambda exchange: exchange.close()
    for _ in range(20):
        response = cppx.get()
        assert response.status == 200
        value, _ = cookie_of(response)
        assert cppx.get(headers=with_cookie(value)).text == response.text


@pytest.mark.parametrize("mode", ["balanced", "persistent"])
@pytest.mark.parametrize("change", ["false", "true"])
def test_a_new_endpoint_gets_few_of_the_new_sessions_and_keeps_them(start_cppx, backends, mode, change):
    one, two, three = backends
    options = {"affinity_mode": mode, "session_cookie_change_on_failure": change}
    config = {"upstream-slow-start": "1h"}
    cppx = start_cppx({"all.yaml": site_with(one, two, **options)}, config=config, workers=1)
    assert cppx.get().status == 200
    cppx.apply("all.yaml", site_with(one, two, three, **options))
    answers = collections.Counter(cppx.get().text for _ in range(150))
    assert answers["three"] <= 25, f"a tenth of its share to begin with: {answers}"
    sessions = (cppx.get() for _ in range(1000))
    value, _ = cookie_of(next(response for response in sessions if response.text == "three"))
    for _ in range(20):
        again = cppx.get(headers=with_cookie(value))
        assert (again.text, cookie_of(again)) == ("three", None)


@pytest.mark.parametrize("mode", ["balanced", "persistent"])
@pytest.mark.parametrize(("change", "status"), [("false", 503), ("true", 200)])
def test_while_its_endpoint_is_at_the_limit_a_session_goes_elsewhere_only_by_choice(
    start_cppx, backends, mode, change, status
):
    objects = site_with(*backends, affinity_mode=mode, session_cookie_change_on_failure=change)
    cppx = start_cppx({"all.yaml": objects}, config={"upstream-max-connections": "1"}, workers=1)
    first = cppx.get()
    value, _ = cookie_of(first)
    mine = next(backend for backend in backends if backend.name == first.text)
    mine.handler = lambda exchange: exchange.expect_peer_gone()
    with cppx.connect() as waiting:
        waiting.send(request(headers=with_cookie(value)))
        mine.wait_for_requests(2)
        second = cppx.get(headers=with_cookie(value))
        assert (second.status, len(mine.requests)) == (status, 2)


def test_a_websocket_gets_its_session(start_cppx, make_backend):
    def upgrade(exchange):
        exchange.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        exchange.expect_peer_gone()

    backend = make_backend(handler=upgrade)
    cppx = start_cppx({"all.yaml": site_with(backend)})
    with cppx.connect() as connection:
        connection.send(request(headers=[("Upgrade", "websocket"), ("Connection", "Upgrade")]))
        response = connection.read_response_head()
        assert response.status == 101
        assert cookie_of(response)


def test_sessions_go_before_hashing_and_the_backends_cookies_stay(start_cppx, backends):
    def sets_cookies(exchange):
        exchange.reply(headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")], body=exchange.backend.name.encode())

    for backend in backends:
        backend.handler = sets_cookies
    cppx = start_cppx({"all.yaml": site_with(*backends, upstream_hash_by="$host")})
    responses = [cppx.get() for _ in range(12)]
    assert len({response.text for response in responses}) > 1, "not by the host, which is always the same"
    for response in responses:
        assert response.headers.all("set-cookie")[:2] == ["a=1", "b=2"]
        assert cookie_of(response)
