"""How HTTP/2 connections begin: ALPN, prior knowledge, the preface, settings; and that h2c by Upgrade is no way in."""

import ssl

import pytest
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame, HeadersFrame, PingFrame, SettingsFrame

from support.client import Connection, client_context, request
from support.h2 import H2Client, exactly
from support.h2_raw import PREFACE, PROTOCOL_ERROR, REFUSED_STREAM, RawClient, ends
from support.manifests import ingress, rule, service_of
from support.wire import Truncated

BOTH = pytest.mark.parametrize("tls", [False, True], ids=["prior knowledge", "alpn"])


@pytest.mark.parametrize(
    ("offer", "chosen"),
    [
        (["h2", "http/1.1"], "h2"),
        (["http/1.1", "h2"], "h2"),
        (["h2"], "h2"),
        (["http/1.1"], "http/1.1"),
        (["spdy/3", "h2"], "h2"),
        (None, None),
    ],
)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_alpn(site, offer, chosen, version):
    context = client_context(alpn=offer, minimum=version, maximum=version)
    with Connection.tls(site.cppx.https_port, "secure.test", context) as connection:
        assert connection.sock.selected_alpn_protocol() == chosen
        if chosen == "h2":
            exactly(H2Client(connection, "https").ask(host="secure.test"), 200, b"main")
        else:
            assert connection.ask(request(host="secure.test")).status == 200


def test_use_http2_false_offers_http_11_only(start_cppx, make_backend):
    backend = make_backend("web")
    objects = [*service_of("web", backend), ingress("web", rule("site.test", "web:80"))]
    cppx = start_cppx({"all.yaml": objects}, config={"use-http2": "false"})
    with cppx.connect_tls("site.test", context=client_context(alpn=["h2", "http/1.1"])) as connection:
        assert connection.sock.selected_alpn_protocol() == "http/1.1"
        assert connection.ask(request()).status == 200
    with pytest.raises(ssl.SSLError, match="(?i)alert"):
        cppx.connect_tls("site.test", context=client_context(alpn=["h2"])).close()


@BOTH
def test_many_requests_on_one_connection(site, tls):
    with site.h2(tls) as client:
        for number in range(50):
            exactly(client.ask(path=f"/{number}"), 200, b"main")
        assert not client.goaways
    assert [seen.target for seen in site.backend.requests] == [f"/{number}" for number in range(50)]


def test_http_11_goes_on_beside_it(site):
    with site.h2(tls=False) as client, site.connect() as connection:
        for _ in range(3):
            assert connection.ask(request()).status == 200
            exactly(client.ask(), 200, b"main")


@BOTH
def test_the_preface_in_single_bytes(site, tls):
    with site.raw_h2(tls, begin=False) as client:
        for byte in PREFACE + SettingsFrame(0).serialize() + client.head(1).serialize():
            client.wire.send(bytes([byte]))
        assert client.status_of(1) == 200


@BOTH
def test_a_request_in_the_same_packet_as_the_preface(site, tls):
    with site.raw_h2(tls, begin=False) as client:
        client.send(PREFACE, SettingsFrame(0), client.head(1), client.head(3))
        assert (client.status_of(1), client.status_of(3)) == (200, 200)


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\nHost: site.test\r\n\r\n", PREFACE[:-4] + b"XX\r\n", b"\x00" * 50, PREFACE[1:] + b"x"]
)
def test_what_is_not_the_preface_ends_an_alpn_connection(site, sent):
    """RFC 9113 section 3.4: a connection error; the GOAWAY may be left out."""
    with site.raw_h2(tls=True, begin=False) as client:
        client.wire.send(sent)
        client.expect_refused(PROTOCOL_ERROR)
    site.expect_untouched()


@pytest.mark.parametrize("sent", [PREFACE[:18] + b"XX\r\n\r\n", b"PRI / HTTP/2.0\r\n\r\nSM\r\n\r\n", b"PRI * HTTP/2.0\r\nHost: site.test\r\n\r\n"])
def test_nearly_the_preface_is_refused_on_the_http_port(site, sent):
    with site.connect() as connection:
        connection.send(sent + request(target="/smuggled"))
        try:
            data = connection.read_to_end()
        except Truncated as end:
            data = end.data
    assert data == b"" or data.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505", b"\x00\x00")), data
    site.expect_untouched()


@BOTH
def test_settings_must_come_first(site, tls):
    with site.raw_h2(tls, begin=False) as client:
        client.send(PREFACE, PingFrame(0, b"too soon"))
        client.expect_refused(PROTOCOL_ERROR)


@BOTH
def test_the_servers_settings(site, tls):
    with site.raw_h2(tls) as client:
        first = client.read()
        assert isinstance(first, SettingsFrame) and "ACK" not in first.flags
        acknowledged = lambda frame: isinstance(frame, SettingsFrame) and "ACK" in frame.flags
        client.read_until(acknowledged, "the acknowledgement of SETTINGS")
        assert first.settings.get(SettingCodes.MAX_CONCURRENT_STREAMS, 0) >= 100
        assert first.settings.get(SettingCodes.ENABLE_CONNECT_PROTOCOL) == 1
        assert first.settings.get(SettingCodes.ENABLE_PUSH, 0) == 0
        assert 16384 <= first.settings.get(SettingCodes.MAX_FRAME_SIZE, 16384) <= 2**20
        assert first.settings.get(SettingCodes.INITIAL_WINDOW_SIZE, 65535) <= 2**20


@BOTH
def test_pings_are_answered_with_their_bytes(site, tls):
    with site.raw_h2(tls) as client:
        for number in range(5):
            client.send(PingFrame(0, b"ping %03d" % number))
            pong = client.read_until(lambda frame: isinstance(frame, PingFrame), "a PING")
            assert (pong.opaque_data, "ACK" in pong.flags) == (b"ping %03d" % number, True)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x00\x05\xee\xff\x00\x00\x00\x00hello",
        b"\x00\x00\x05\xee\xff\x00\x00\x00\x01hello",
        b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\xff\xee\x00\x00\x00\x01",
        b"\x00\x00\x05\x02\x00\x00\x00\x00\x01\x00\x00\x00\x00\xff",
        b"\x00\x00\x09\x10\x00\x00\x00\x00\x00\x00\x00\x00\x01u=1,i",
        b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00",
    ],
    ids=["frame", "frame on a stream", "setting", "PRIORITY", "PRIORITY_UPDATE", "no pushed streams"],
)
def test_unknown_and_harmless_frames_are_ignored(site, sent):
    with site.raw_h2() as client:
        client.send(sent)
        client.send(client.head(1))
        assert client.status_of(1) == 200


def test_padding_and_priority_of_frames(site):
    with site.raw_h2() as client:
        data = client.block(client.request_fields("/padded", "POST"))
        client.send(HeadersFrame(1, data, pad_length=200, flags=["PADDED", "PRIORITY", "END_HEADERS"]))
        client.send(b"\x00\x00\x09\x00\x09\x00\x00\x00\x01\x03hello\x00\x00\x00")
        assert client.status_of(1) == 200
    assert (site.backend.last.target, site.backend.last.body) == ("/padded", b"hello")


def test_a_head_in_many_frames(site):
    """HEADERS and CONTINUATION cut anywhere, also of no length at all."""
    with site.raw_h2() as client:
        data = client.block(client.request_fields("/cut", headers=[("x-a", "v" * 300)]))
        cuts = [data[:1], b"", *(data[at : at + 97] for at in range(1, len(data), 97))]
        client.send(client.head(1, block=cuts[0], end_headers=False))
        for number, part in enumerate(cuts[1:], 2):
            last = number == len(cuts)
            client.send(len(part).to_bytes(3, "big") + b"\x09" + (b"\x04" if last else b"\x00") + b"\x00\x00\x00\x01" + part)
        assert client.status_of(1) == 200
    assert site.backend.last.headers.one("x-a") == "v" * 300


def test_no_more_streams_at_once_than_announced(site):
    """RFC 9113 section 5.1.2: a stream error, which section 5.4.2 lets an endpoint take for one of the connection."""
    site.backend.handler = lambda exchange: exchange.expect_peer_gone()
    with site.raw_h2() as client:
        limit = client.read().settings[SettingCodes.MAX_CONCURRENT_STREAMS]
        assert limit <= 1000
        numbers = range(1, 2 * (limit + 5), 2)
        client.send(*(client.head(number) for number in numbers))
        refused = set()
        while len(refused) < 5:
            frame = client.read_until(lambda frame: isinstance(frame, GoAwayFrame) or ends(frame), "the refusals")
            assert frame.error_code in (REFUSED_STREAM, PROTOCOL_ERROR), frame
            if isinstance(frame, GoAwayFrame):
                client.read_to_end()
                break
            refused.add(frame.stream_id)
        else:
            assert refused == set(numbers[limit:])
            client.expect_alive()
            site.backend.wait_for_requests(limit)
    assert len(site.backend.requests) <= limit


UPGRADE = [("Connection", "Upgrade, HTTP2-Settings"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")]


@pytest.mark.parametrize("protocol", ["h2c", "H2C", "h2c, websocket", "websocket, h2c"])
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_upgrade_to_h2c_is_neither_honoured_nor_passed(site, protocol, tls):
    """RFC 9113 section 3.1 has taken it back; passed on it would open a tunnel past all rules."""

    def handler(exchange):
        exchange.read_body()
        if "h2c" in (exchange.request.headers.one("Upgrade") or "").lower():
            exchange.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n")
        else:
            exchange.reply(body=b"plain")

    site.backend.handler = handler
    raw = request(headers=[*UPGRADE, ("Upgrade", protocol)])
    with site.connect_tls("site.test") if tls else site.connect() as connection:
        response = connection.ask(raw)
        assert response.status in (200, 400, 403, 426, 501), response.raw_head
        if response.status == 200:
            assert response.body == b"plain"
            assert connection.ask(request()).status == 200
    for seen in site.backend.requests:
        assert "h2c" not in (seen.headers.one("Upgrade") or "").lower()
        assert not seen.headers.has("HTTP2-Settings")


def test_a_request_with_a_body_and_upgrade_to_h2c_is_read_whole(site):
    with site.connect() as connection:
        response = connection.ask(request("POST", headers=[*UPGRADE, ("Upgrade", "h2c")], body=b"body"))
        assert response.status in (200, 400, 403, 426, 501)
    assert {seen.body for seen in site.backend.requests} <= {b"body"}


def test_a_client_that_resets_in_the_preface_hurts_nobody(site):
    for size in (1, 3, 10, 23):
        client = RawClient.plain(site.cppx.http_port, begin=False)
        client.wire.send(PREFACE[:size])
        client.wire.reset()
    with site.h2(tls=False) as client:
        exactly(client.ask(), 200, b"main")
