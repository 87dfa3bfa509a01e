"""The page's sign-in: a cookie that no script, no other site and no copy of the database can use."""

from tests.access.conftest import ADMIN_KEY, Keyring


def test_a_key_is_exchanged_for_a_cookie_that_scripts_cannot_read(keyring: Keyring) -> None:
    key = keyring.make("cookie")
    with keyring.client() as browser:
        reply = browser.post("/api/session", json={"key": key})
        cookie = reply.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
        assert key not in cookie
        assert key.split("_")[1] not in cookie
        told = reply.json()
        assert {name: told[name] for name in ("name", "scopes", "anonymous", "signed_in")} == {
            "name": "cookie",
            "scopes": ["chat", "kb"],
            "anonymous": False,
            "signed_in": True,
        }
        assert told["tokens"]["used"] == 0
        assert browser.get("/api/session").json() == told
        chat = browser.post("/api/chats").json()["id"]
        with browser.stream("GET", f"/api/chats/{chat}/events") as stream:
            assert stream.status_code == 200
    with keyring.client(key) as program:
        assert program.get(f"/api/chats/{chat}").status_code == 200


def test_a_sign_out_ends_the_sign_in_also_for_who_copied_the_cookie(keyring: Keyring) -> None:
    with keyring.client() as browser:
        browser.post("/api/session", json={"key": keyring.make("leaving")})
        stolen = browser.cookies["kb_agent_session"]
        assert browser.delete("/api/session").status_code == 204
        assert "kb_agent_session" not in browser.cookies
    with keyring.client() as thief:
        reply = thief.get("/api/chats", headers={"Cookie": f"kb_agent_session={stolen}"})
        assert (reply.status_code, reply.json()["code"]) == (401, "key_required")


def test_a_sign_in_ends_with_its_key(keyring: Keyring) -> None:
    with keyring.client() as browser:
        browser.post("/api/session", json={"key": keyring.make("ending")})
        keyring.call("DELETE", "/api/keys/ending")
        assert browser.get("/api/chats").status_code == 401
        assert browser.post("/api/session", json={"key": "kba_nothing"}).json()["code"] == "key_invalid"


def test_the_key_of_the_settings_can_sign_in_too(keyring: Keyring) -> None:
    with keyring.client() as browser:
        browser.post("/api/session", json={"key": ADMIN_KEY})
        assert browser.get("/api/keys").status_code == 200


def test_what_cannot_be_a_key_is_refused_without_a_fault(keyring: Keyring) -> None:
    with keyring.client() as browser:
        for content in (b'{"key": "\\ud800"}', b'{"key": "\\u0000"}', b'{"key": ""}', b'{"key": "\xc3\xa9"}'):
            reply = browser.post("/api/session", content=content, headers={"Content-Type": "application/json"})
            assert reply.status_code in {401, 422}
        for shown in (b"Bearer \xff\xfe", b"Bearer", b"Bearer kba_\xe9"):
            assert browser.get("/api/chats", headers={b"Authorization": shown}).status_code == 401


def test_another_site_cannot_use_the_sign_in(keyring: Keyring) -> None:
    with keyring.client() as browser:
        browser.post("/api/session", json={"key": keyring.make("victim")})
        foreign = {"Origin": "http://evil.example"}
        for method, path in (
            ("POST", "/api/chats"),
            ("GET", "/api/events"),
            ("DELETE", "/api/session"),
            ("GET", "/api/chats"),
        ):
            reply = browser.request(method, path, headers=foreign)
            assert (reply.status_code, reply.json()["code"]) == (403, "foreign_origin")
            assert not [name for name in reply.headers if name.startswith("access-control")]


def test_a_wrong_key_is_not_saved_by_a_good_cookie(keyring: Keyring) -> None:
    with keyring.client() as browser:
        browser.post("/api/session", json={"key": keyring.make("both")})
        assert browser.get("/api/chats", headers={"Authorization": "Bearer kba_wrong"}).status_code == 401
        assert browser.get("/api/chats", headers={"Authorization": "Basic dXNlcjpwYXNz"}).status_code == 200
