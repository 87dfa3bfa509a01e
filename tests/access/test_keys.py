"""Keys from their making to their end: stored without their secret, rotated, revoked also for open streams."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag
from threading import Thread

import pytest

from service.access.tokens import digest, id_of, make_token
from tests.access.conftest import ADMIN_KEY, Keyring, open_server
from tests.server import PATIENCE


@contextmanager
def listening(keyring: Keyring, key: str | None, path: str = "/api/events", cookie: str = "") -> Iterator[Flag]:
    """Hold a stream open with a key; the flag is set when the server has ended it properly."""
    opened, ended = Flag(), Flag()

    def listen() -> None:
        headers = {"Cookie": cookie} if cookie else {}
        with keyring.client(key) as client, client.stream("GET", path, headers=headers) as response:
            assert response.status_code == 200
            opened.set()
            for _ in response.iter_bytes():
                pass
        ended.set()

    thread = Thread(target=listen, daemon=True)
    thread.start()
    assert opened.wait(PATIENCE)
    yield ended
    thread.join(PATIENCE)


def test_a_token_is_256_random_bits_with_an_id_before_and_a_checksum_after() -> None:
    token = make_token()
    assert re.fullmatch(r"kba_[a-z2-7]{8}_[a-z2-7]{59}", token.text)
    assert (id_of(token.text), digest(token.text)) == (token.id, token.digest)
    assert len({make_token().text for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: t + "a", str.upper, lambda t: t[:20] + t[21] + t[20] + t[22:]]
)
def test_a_mistyped_token_is_seen_without_a_look_at_any_key(change: object) -> None:
    text = "kba_aaaaaaab_" + make_token().text[13:]
    assert callable(change)
    assert id_of(change(text)) is None


def test_nothing_that_is_stored_or_logged_opens_anything(tmp_path: Path) -> None:
    with open_server(tmp_path) as server:
        keyring = Keyring(server)
        key = keyring.make("anna")
        with keyring.client() as client:
            cookie = client.post("/api/session", json={"key": key}).cookies["kb_agent_session"]
            assert client.get("/api/chats", headers={"Authorization": "Bearer kba_wrong"}).status_code == 401
        with keyring.client(key) as client:
            chat = client.post("/api/chats").json()["id"]
            client.post(f"/api/chats/{chat}/messages", json={"content": "Which port?"})
        kept = b"".join(path.read_bytes() for path in server.data.iterdir() if path.name != "server.json")
    written = kept + server.log.read_bytes() + b"".join(path.read_bytes() for path in server.data.iterdir())
    for secret in (key, key[-59:], cookie, ADMIN_KEY):
        assert secret.encode() not in written
    assert key.split("_")[1].encode() in kept
    assert b'"caller": "anna"' in server.log.read_bytes()


def test_a_revoked_key_ends_its_open_streams_and_no_other(keyring: Keyring) -> None:
    gone, stays = keyring.make("gone"), keyring.make("stays")
    with keyring.client(gone) as client:
        chat = client.post("/api/chats").json()["id"]
    with (
        listening(keyring, gone) as first,
        listening(keyring, gone, f"/api/chats/{chat}/events") as second,
        listening(keyring, stays) as other,
    ):
        keyring.call("DELETE", "/api/keys/gone")
        assert first.wait(PATIENCE)
        assert second.wait(PATIENCE)
        assert not other.is_set()
        keyring.call("DELETE", "/api/keys/stays")
    with keyring.client(gone) as client:
        assert client.get("/api/chats").json()["code"] == "key_revoked"


def test_an_expired_key_ends_its_open_streams(keyring: Keyring) -> None:
    key = keyring.make("brief")
    with listening(keyring, key) as ended:
        keyring.call("POST", "/api/keys/brief/rotate", json={"overlap_hours": 1 / 3600})
        assert ended.wait(PATIENCE)
    with keyring.client(key) as client:
        assert client.get("/api/chats").json()["code"] == "key_expired"


def test_a_sign_out_ends_the_streams_of_that_browser(keyring: Keyring) -> None:
    with keyring.client() as browser:
        browser.post("/api/session", json={"key": keyring.make("browser")})
        cookie = f"kb_agent_session={browser.cookies['kb_agent_session']}"
        with listening(keyring, None, cookie=cookie) as ended:
            browser.delete("/api/session")
            assert ended.wait(PATIENCE)


def test_a_rotated_key_keeps_its_chats_and_the_former_one_goes_on_for_the_overlap(keyring: Keyring) -> None:
    old = keyring.make("turning", "chat", days=30)
    with keyring.client(old) as client:
        chat = client.post("/api/chats", json={"title": "Kept"}).json()["id"]
    new = keyring.call("POST", "/api/keys/turning/rotate", json={"overlap_hours": 1})
    for key in (old, new["key"]):
        with keyring.client(key) as client:
            assert client.get(f"/api/chats/{chat}").json()["title"] == "Kept"
            assert client.get("/api/kb/topics").status_code == 403
    assert new["scopes"] == ["chat"]
    assert new["expires_at"] is not None

    last = keyring.call("POST", "/api/keys/turning/rotate")["key"]
    codes = []
    for key in (old, new["key"], last):
        with keyring.client(key) as client:
            response = client.get(f"/api/chats/{chat}")
            codes.append(response.json().get("code", "ok"))
    assert codes == ["key_revoked", "key_revoked", "ok"]


def test_a_name_is_taken_once_also_by_a_revoked_key(keyring: Keyring) -> None:
    keyring.make("once")
    keyring.call("DELETE", "/api/keys/once")
    with keyring.client(ADMIN_KEY) as admin:
        again = admin.post("/api/keys", json={"name": "once"})
        assert (again.status_code, again.json()["code"]) == (409, "key_exists")
        for body in (
            {"name": "-x"},
            {"name": "a b"},
            {"name": ""},
            {"name": "x", "scopes": []},
            {"name": "x", "days": 0},
        ):
            assert admin.post("/api/keys", json=body).status_code == 422
        assert admin.delete("/api/keys/nobody").json()["code"] == "key_not_found"


def test_when_a_key_was_used_is_known_at_once_and_after_a_restart(tmp_path: Path) -> None:
    with open_server(tmp_path) as server:
        keyring = Keyring(server)
        key = keyring.make("used")
        assert keyring.call("GET", "/api/keys")["items"][0]["last_used_at"] is None
        with keyring.client(key) as client:
            client.get("/api/chats")
        used = keyring.call("GET", "/api/keys")["items"][0]["last_used_at"]
        assert used is not None
        server.stop()
        server.start()
        assert keyring.call("GET", "/api/keys")["items"][0]["last_used_at"] == used
        with keyring.client(key) as client:
            assert client.get("/api/chats").status_code == 200


def test_the_text_of_another_ones_chat_is_not_told(keyring: Keyring) -> None:
    with keyring.client(keyring.make("writes")) as one, keyring.client(keyring.make("listens")) as other:
        foreign = one.post("/api/chats").json()["id"]
        assert other.get("/api/events", params={"text_of": foreign}).status_code == 404


def test_an_index_event_needs_the_scope_kb(keyring: Keyring) -> None:
    seen: dict[str, str] = {}
    for scopes in (("chat",), ("chat", "kb")):
        key = keyring.make("hears-" + "-".join(scopes), *scopes)
        document = keyring.server.knowledge / f"{key[4:12]}.md"
        with keyring.client(key) as client, client.stream("GET", "/api/events") as response:
            lines = response.iter_lines()
            next(lines)
            document.write_text("# New\n\nSomething new.\n")
            keyring.call("GET", f"/api/kb/status?wait_for={document.name}")
            with keyring.client(key) as other:
                other.post("/api/chats")
            seen[scopes[-1]] = next(line for line in lines if line.startswith("event: "))
    assert seen == {"chat": "event: chat.created", "kb": "event: kb.updated"}
