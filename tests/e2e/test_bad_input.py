"""Whatever a client sends: a problem document with a stable code, and nothing changed."""

import json
from typing import Any

import httpx2
import pytest

from tests.e2e.test_service import new_chat
from tests.server import Server, eventually

pytestmark = pytest.mark.e2e

JSON = {"Content-Type": "application/json"}


def assert_problem(response: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """Check that a response is the problem it should be; give its body."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:kb-agent:problem:{code}")
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["detail"]
    assert body["title"]
    return body


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "invalid_input"),
        (b"{", 422, "malformed_body"),
        (b'{"content": "caf\xe9"}', 400, "bad_request"),
        (b'{"content": ""}', 422, "invalid_input"),
        (b'{"content": "  \\n "}', 422, "invalid_input"),
        (b'{"content": 5}', 422, "invalid_input"),
        (b'{"content": null}', 422, "invalid_input"),
        (b'{"content": ["a"]}', 422, "invalid_input"),
        (b'{"content": "a\\u0000b"}', 422, "invalid_input"),
        (b'{"content": "a\\ud800b"}', 422, "invalid_input"),
        (b'{"content": "a", "temperature": 1}', 422, "invalid_input"),
        (b'{"Content": "a"}', 422, "invalid_input"),
        (b"[]", 422, "invalid_input"),
        (b'"text"', 422, "invalid_input"),
        (b"null", 422, "invalid_input"),
        (b"[" * 5000, 400, "bad_request"),
        (json.dumps({"content": "a" * 32_001}).encode(), 422, "message_too_long"),
        (b'{"content": "' + b"a" * 300_000 + b'"}', 413, "body_too_large"),
    ],
)
def test_a_message_that_is_malformed_changes_nothing(
    client: httpx2.Client, content: bytes, status: int, code: str
) -> None:
    chat_id = new_chat(client)
    before = client.get(f"/api/chats/{chat_id}").json()
    body = assert_problem(
        client.post(f"/api/chats/{chat_id}/messages", content=content, headers=JSON), status, code
    )
    assert "aaaa" not in json.dumps(body), "no echo of what was sent"
    assert client.get(f"/api/chats/{chat_id}").json() == before
    assert client.get(f"/api/chats/{chat_id}/messages").json()["items"] == []


@pytest.mark.parametrize(
    ("content", "field", "detail"),
    [
        (b'{"title": " "}', "body.title", "must not be empty"),
        (b'{"title": "%s"}' % (b"a" * 201), "body.title", "must have at most 200 characters"),
        (b'{"titel": "a"}', "body", "has a field that is not known; it takes title, metadata"),
        (b'{"metadata": 5}', "body.metadata", "must be a JSON object"),
        (b'{"metadata": {"a": 1}}', "body.metadata", "a value in it: Input should be a valid string"),
        (
            b'{"metadata": {"%s": ""}}' % (b"a" * 65),
            "body.metadata",
            "a name in it: must have at most 64 characters",
        ),
        (
            b"{title",
            "body",
            "from character 1 on it is no JSON: Expecting property name enclosed in double quotes",
        ),
    ],
)
def test_an_error_says_which_field_is_wrong_and_what_it_takes(
    client: httpx2.Client, content: bytes, field: str, detail: str
) -> None:
    response = client.post("/api/chats", content=content, headers=JSON)
    assert response.status_code == 422
    assert response.json()["errors"] == [{"field": field, "detail": detail}]


def test_an_error_says_what_to_do(client: httpx2.Client) -> None:
    chats = "/api/chats"
    assert "GET, HEAD, OPTIONS, POST" in assert_problem(client.put(chats), 405, "method_not_allowed")["detail"]
    assert "next_cursor" in assert_problem(client.get(f"{chats}?cursor=x"), 422, "invalid_cursor")["detail"]
    assert (
        "Host header"
        in assert_problem(client.get(chats, headers={"Origin": "null"}), 403, "foreign_origin")["detail"]
    )
    assert "--scope admin" in assert_problem(client.get("/api/keys"), 403, "scope_missing")["detail"]
    assert "deleted" in assert_problem(client.get(f"{chats}/none"), 404, "chat_not_found")["detail"]
    revision = "/api/kb/documents/guide/ports.md?revision=0"
    assert "leave the revision out" in assert_problem(client.get(revision), 404, "revision_not_found")["detail"]


@pytest.mark.parametrize(
    "path", ["/api/chats?q=", "/api/kb/search?q=", "/api/kb/documents?topic=", "/v1/models?x="]
)
@pytest.mark.parametrize("text", ["%FF", "caf%E9", "%ED%A0%80", "port&x=%c3"])
def test_a_query_that_is_not_utf8_is_refused_everywhere(client: httpx2.Client, path: str, text: str) -> None:
    response = client.get(path + text)
    if path.startswith("/v1"):
        assert (response.status_code, "UTF-8" in response.json()["error"]["message"]) == (400, True)
    else:
        assert "UTF-8" in assert_problem(response, 422, "invalid_input")["detail"]


def test_a_change_of_nothing_leaves_a_chat_as_it_is(client: httpx2.Client) -> None:
    made = client.post("/api/chats", json={"title": "Ports"}).json()
    assert client.patch(f"/api/chats/{made['id']}", json={}).json() == made


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_body_that_a_foreign_form_could_send_is_refused(client: httpx2.Client, kind: str) -> None:
    chat_id = new_chat(client)
    response = client.post(
        f"/api/chats/{chat_id}/messages", content=b'{"content": "hello"}', headers={"Content-Type": kind}
    )
    assert_problem(response, 415, "unsupported_media_type")
    assert client.get(f"/api/chats/{chat_id}/messages").json()["items"] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/messages"),
        ("POST", "/messages"),
        ("GET", "/messages/msg_none"),
        ("POST", "/messages/msg_none/cancel"),
        ("GET", "/events"),
    ],
)
@pytest.mark.parametrize("chat_id", ["chat_none", "..%2f..%2fetc", "%00", "9" * 90, "%F0%9F%99%82"])
def test_an_unknown_chat_is_not_found(client: httpx2.Client, method: str, path: str, chat_id: str) -> None:
    body = {"content": "hello"} if path == "/messages" else {"title": "x"}
    arguments = {"json": body} if method in {"POST", "PATCH"} and "cancel" not in path else {}
    response = client.request(method, f"/api/chats/{chat_id}{path}", **arguments)  # type: ignore[arg-type]
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "cursor", ["x", "!!!!", "LTE=", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", "2aHZog==", "é", "a" * 150]
)
def test_a_cursor_that_no_page_gave_is_refused(client: httpx2.Client, cursor: str) -> None:
    for path in ("/api/chats", f"/api/chats/{new_chat(client)}/messages"):
        body = assert_problem(client.get(path, params={"cursor": cursor}), 422, "invalid_cursor")
        assert [fault["field"] for fault in body["errors"]] == ["query.cursor"]


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 201}, {"limit": "many"}, {"limit": ""}])
def test_a_page_size_out_of_bounds_is_refused(client: httpx2.Client, query: dict[str, str | int]) -> None:
    body = assert_problem(client.get("/api/chats", params=query), 422, "invalid_input")
    assert body["errors"][0]["field"] == "query.limit"


@pytest.mark.parametrize(
    "body",
    [{"title": ""}, {"title": 5}, {"title": "a" * 201}, {"metadata": {"a": 1}}, {"metadata": []}, {"owner": "me"}],
)
def test_a_chat_with_bad_fields_is_not_made(client: httpx2.Client, body: dict[str, Any]) -> None:
    before = client.get("/api/chats").json()
    assert_problem(client.post("/api/chats", json=body), 422, "invalid_input")
    assert client.get("/api/chats").json() == before


@pytest.mark.parametrize("q", ["", "   ", "a" * 2001])
def test_a_search_for_nothing_or_too_much_is_refused(client: httpx2.Client, q: str) -> None:
    body = assert_problem(client.get("/api/kb/search", params={"q": q}), 422, "invalid_input")
    assert [fault["field"] for fault in body["errors"]] == ["query.q"]


@pytest.mark.parametrize(
    "q",
    ["don't", "C++", "node.js", "100%", '"', "*", "title:port", "NEAR(a b)", "a\x00b", "' OR 1=1", "(((", "日本"],
)
def test_no_search_is_syntax(client: httpx2.Client, q: str) -> None:
    response = client.get("/api/kb/search", params={"q": q})
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "guide", "guide/ports.md/", "guide%2f..%2f..%2fx"]
)
def test_a_document_that_is_not_indexed_is_not_found(client: httpx2.Client, name: str) -> None:
    response = client.get(f"/api/kb/documents/{name}")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


def test_a_document_name_with_a_slip_gets_the_name_that_exists(client: httpx2.Client) -> None:
    body = assert_problem(client.get("/api/kb/documents/guide/port.md"), 404, "document_not_found")
    assert "guide/ports.md" in body["did_you_mean"]


def test_lines_are_read_as_asked(client: httpx2.Client) -> None:
    url = "/api/kb/documents/guide/ports.md"
    text = client.get(url, params={"start_line": 3, "end_line": 3}).json()
    assert (text["text"], text["start_line"], text["end_line"], text["lines"]) == (
        "The lighthouse service listens on port 8123.",
        3,
        3,
        5,
    )
    assert_problem(client.get(url, params={"start_line": 0}), 422, "invalid_input")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/api/nowhere", 404, "not_found"),
        ("PUT", "/api/chats", 405, "method_not_allowed"),
        ("BREW", "/api/chats", 405, "method_not_allowed"),
    ],
)
def test_addresses_and_methods_that_do_not_exist_are_problems_too(
    client: httpx2.Client, method: str, path: str, status: int, code: str
) -> None:
    response = client.request(method, path)
    assert_problem(response, status, code)
    assert ("allow" in response.headers) == (status == 405)


def test_a_foreign_host_name_is_refused(client: httpx2.Client) -> None:
    assert_problem(client.get("/api/chats", headers={"Host": "evil.example"}), 400, "unknown_host")
    assert client.get("/api/chats", headers={"Host": "localhost:1234"}).status_code == 200
    for path in ("/livez", "/readyz", "/metrics"):
        assert client.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200


def test_a_page_of_another_site_cannot_post(client: httpx2.Client) -> None:
    response = client.post("/api/chats", json={}, headers={"Origin": "https://evil.example"})
    assert_problem(response, 403, "foreign_origin")
    own = str(client.base_url).rstrip("/")
    assert client.post("/api/chats", json={}, headers={"Origin": own}).status_code == 201


def test_the_clients_request_id_is_taken_when_it_is_harmless(client: httpx2.Client) -> None:
    assert client.get("/livez", headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    forged = client.get("/livez", headers={"X-Request-ID": 'a" forged'}).headers["x-request-id"]
    assert "forged" not in forged


def test_labels_of_metrics_are_a_closed_set(client: httpx2.Client) -> None:
    client.get("/livez")
    before = client.get("/metrics").text.count("kb_agent_http_requests_total{")
    for n in range(50):
        client.get(f"/random/{n}")
        client.get(f"/api/chats/chat_{n}")
    after = client.get("/metrics").text.count("kb_agent_http_requests_total{")
    assert after - before <= 3


def test_nothing_that_was_sent_made_an_internal_error(shared: Server, client: httpx2.Client) -> None:
    eventually(lambda: client.get("/livez").status_code == 200)
    assert "Traceback" not in shared.log.read_text()
    assert 'status="500"' not in client.get("/metrics").text
