"""What stands before the application: hosts, origins, methods, sizes, malformed and half-sent requests."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.access.conftest import Keyring, bearer, open_server
from tests.server import PATIENCE, eventually


def connect(keyring: Keyring) -> socket.socket:
    host, port = keyring.server.base_url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def exchange(keyring: Keyring, sent: bytes, *, end: bool = True) -> bytes:
    """Send bytes as they are, and with `end` no more; give all that comes back until the connection ends."""
    with closing(connect(keyring)) as peer:
        peer.sendall(sent)
        if end:
            peer.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: peer.recv(65_536), b""))


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "[::2]", "", "localhost@evil"]
)
def test_a_name_that_a_foreign_page_gave_this_machine_is_refused(keyring: Keyring, host: str) -> None:
    with keyring.client(keyring.make(f"host-{abs(hash(host))}")) as client:
        for path in ("/", "/api/chats", "/api/events", "/static/main.js"):
            reply = client.get(path, headers={"Host": host})
            assert (reply.status_code, reply.json()["code"]) == (400, "unknown_host")


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:1", "https://127.0.0.1.evil.example"]
)
@pytest.mark.parametrize("method", ["OPTIONS", "GET", "POST", "DELETE"])
def test_no_other_site_is_told_that_it_may(keyring: Keyring, origin: str, method: str) -> None:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    with keyring.client() as client:
        for path in ("/api/chats", "/api/events", "/api/session", "/"):
            reply = client.request(method, path, headers=asked)
            assert reply.status_code == 403
            assert not [name for name in reply.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "*/*"],
)
def test_a_body_that_a_form_could_send_is_refused_with_a_cookie_too(keyring: Keyring, kind: str) -> None:
    with keyring.client() as browser:
        browser.post("/api/session", json={"key": keyring.make(f"form-{len(kind)}{kind[:1].strip('*')}x")})
        reply = browser.post("/api/chats", content=b'{"title": "x"}', headers={"Content-Type": kind})
        assert reply.status_code in {400, 415, 422}
        assert browser.get("/api/chats").json()["items"] == []


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("no host", b"GET /livez HTTP/1.1\r\n\r\n"),
        ("two hosts", b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"),
        (
            "lengths that differ",
            b"POST /api/chats HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
        ),
        ("a length with a sign", b"POST /api/chats HTTP/1.1\r\nHost: localhost\r\nContent-Length: +2\r\n\r\n{}"),
        (
            "an unknown coding",
            b"POST /api/chats HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "a coding with a control",
            b"POST /api/chats HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        ),
        ("a space before the colon", b"GET /livez HTTP/1.1\r\nHost : localhost\r\n\r\n"),
        ("a bare line feed in a value", b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-A: a\rb\r\n\r\n"),
        ("a zero byte", b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-A: a\x00b\r\n\r\n"),
        ("64 KiB of headers", b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 70_000 + b"\r\n\r\n"),
        ("5,000 headers", b"GET /livez HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: aaaaaaa\r\n" * 5_000 + b"\r\n"),
        (
            "a bad chunk",
            b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_request_that_two_readers_could_read_differently_is_refused(
    keyring: Keyring, name: str, sent: bytes
) -> None:
    reply = exchange(keyring, sent + b"GET /api/chats HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert reply.startswith((b"HTTP/1.1 400", b"HTTP/1.1 401", b"HTTP/1.1 431")), name
    assert b" 200 OK" not in reply
    assert b"uvicorn" not in reply.lower()


def test_what_follows_a_length_and_a_coding_is_no_second_request(keyring: Keyring) -> None:
    smuggled = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = b"POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    reply = exchange(keyring, head + b"0\r\n\r\n" + smuggled)
    assert reply.count(b"HTTP/1.1 ") <= 2
    assert reply.startswith((b"HTTP/1.1 400", b"HTTP/1.1 405"))


@pytest.mark.parametrize(
    "path",
    [
        "/api//chats",
        "//api/chats",
        "/./api/chats",
        "/static/../api/chats",
        "/static/..%2fapi/chats",
        "/livez/../api/chats",
        "/api/chats%00",
        "/API/chats",
        "/api/chats;a=b",
        "/api/chats?/livez",
        "http://localhost/api/chats",
        "/api/%63hats",
    ],
)
def test_no_spelling_of_an_address_goes_around_the_key(keyring: Keyring, path: str) -> None:
    reply = exchange(
        keyring, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode(), end=False
    )
    assert reply.split(b"\r\n")[0].split()[1] in {b"401", b"404", b"400"}
    assert b'"items"' not in reply


def test_a_stranger_cannot_make_the_service_read_a_body(keyring: Keyring) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(3_000):
            yield b"x" * 65_536

    with keyring.client() as client:
        reply = client.post("/api/chats", content=chunks(), headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["code"]) == (401, "key_required")


def test_half_a_request_is_closed_and_the_probes_answer_meanwhile(keyring: Keyring) -> None:
    head = b"POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
    halves = [connect(keyring) for _ in range(40)]
    for number, peer in enumerate(halves):
        peer.sendall((b"", b"GET /livez HT", head)[number % 3])
    with keyring.client() as client:
        assert client.get("/livez").status_code == 200
    for peer in halves:
        with closing(peer):
            assert peer.recv(1000) == b""


def test_nothing_tells_what_the_service_is_made_of(keyring: Keyring) -> None:
    with keyring.client() as client:
        for path in ("/", "/api/chats", "/nothing", "/docs", "/redoc"):
            reply = client.get(path)
            assert "server" not in reply.headers
            assert "x-powered-by" not in reply.headers
        assert client.get("/docs", headers=bearer(keyring.make("looks"))).status_code == 404


def test_metrics_ask_for_their_token_and_count_strangers_without_new_labels(tmp_path: Path) -> None:
    with open_server(tmp_path, METRICS_TOKEN="canary-of-the-metrics") as server:
        keyring = Keyring(server)
        with keyring.client() as client:
            assert client.get("/metrics").json()["code"] == "key_required"
            wrong = client.get("/metrics", headers=bearer("canary"))
            assert (wrong.status_code, wrong.json()["code"]) == (401, "key_invalid")
            assert wrong.headers["www-authenticate"].startswith("Bearer")

            def read() -> str:
                return client.get("/metrics", headers=bearer("canary-of-the-metrics")).text

            client.get("/one")
            read()
            before = read()
            for number in range(200):
                client.get(f"/{number}/{number}", headers=bearer(f"kba_{number}"))
            after = read()
        names = [
            {line.rsplit(" ", 1)[0] for line in text.splitlines() if "_created" not in line}
            for text in (before, after)
        ]
        new = {name for name in names[1] - names[0] if "route=" in name or "access_refused" in name}
        assert new <= {'kb_agent_access_refused_total{code="key_invalid"}'}
        assert 'kb_agent_access_refused_total{code="key_invalid"} 201.0' in after


def test_a_caller_past_its_rate_is_told_when_to_come_back_and_others_are_not_held_up(tmp_path: Path) -> None:
    with open_server(tmp_path, RATE_LIMIT="20", RATE_LIMIT_QUESTIONS="2") as server:
        keyring = Keyring(server)
        fast, calm = keyring.make("fast"), keyring.make("calm")
        eventually(well_within_a_minute)
        with keyring.client(fast) as client:
            replies = [client.get("/api/chats") for _ in range(25)]
            assert {reply.status_code for reply in replies} == {200, 429}
            assert [reply.status_code for reply in replies].count(200) == 20
            first, last = replies[0], replies[-1]
            assert first.headers["ratelimit-policy"] == '"requests";q=20;w=60'
            assert first.headers["ratelimit"].startswith('"requests";r=19;t=')
            assert last.json()["code"] == "rate_limited"
            assert 1 <= int(last.headers["retry-after"]) <= 60
            assert all(
                client.get(path).status_code == 200
                for path in ("/livez", "/readyz", "/metrics")
                for _ in range(10)
            )
            assert client.get("/api/events").status_code == 429
            signing_in = client.post("/api/session", json={"key": fast})
            assert (signing_in.status_code, signing_in.json()["code"]) == (429, "rate_limited")
        with keyring.client(calm) as client:
            chats = [client.post("/api/chats").json()["id"] for _ in range(3)]
            eventually(well_within_a_minute)
            asked = [client.post(f"/api/chats/{chat}/messages", json={"content": "Which port?"}) for chat in chats]
            assert [reply.status_code for reply in asked] == [201, 201, 429]
            assert client.get(f"/api/chats/{chats[2]}/messages").json()["items"] == []


def well_within_a_minute() -> bool:
    """Whether the minute that limits go by has some seconds left: at its turn a request more may pass."""
    return time.monotonic() % 60 < 48


def test_streams_are_limited_for_a_caller_and_in_all(tmp_path: Path) -> None:
    with open_server(tmp_path, MAX_STREAMS="3", MAX_STREAMS_PER_CALLER="2") as server:
        keyring = Keyring(server)
        one, two = keyring.make("one"), keyring.make("two")
        with keyring.client(one) as first, keyring.client(two) as second:
            with first.stream("GET", "/api/events"), first.stream("GET", "/api/events"):
                assert first.get("/api/events").json()["code"] == "overloaded"
                with second.stream("GET", "/api/events") as third:
                    assert third.status_code == 200
                    refused = second.get("/api/events")
                    assert (refused.status_code, "in all" in refused.text or "too many" in refused.text) == (
                        429,
                        True,
                    )
            eventually(lambda: opens(keyring, one))


def opens(keyring: Keyring, key: str) -> bool:
    """Whether a stream can be opened; it is closed again."""
    with keyring.client(key) as client, client.stream("GET", "/api/events") as response:
        return response.status_code == 200
