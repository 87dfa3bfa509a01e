"""What clients expect of HTTP beside the operations: HEAD, OPTIONS, Allow, ETag, media types, preferences."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.e2e.conftest import DOCUMENTS, serving
from tests.server import eventually

PORTS = "/api/kb/documents/guide/ports.md"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    with serving(tmp_path_factory.mktemp("manners")) as server, server.client() as opened:
        yield opened


@pytest.fixture
def messages(client: httpx2.Client) -> str:
    """Address of the messages of a chat of its own."""
    return f"/api/chats/{client.post('/api/chats').json()['id']}/messages"


@pytest.mark.parametrize(
    "path", ["/api/chats", "/api/kb/status", PORTS, "/v1/models", "/livez", "/openapi.json", "/"]
)
def test_head_answers_as_get_does_without_the_body(client: httpx2.Client, path: str) -> None:
    told, given = client.head(path), client.get(path)
    assert (told.status_code, told.content) == (200, b"")
    assert told.headers["content-type"] == given.headers["content-type"]


def test_head_of_an_event_stream_ends_and_gives_its_place_back(client: httpx2.Client) -> None:
    for _ in range(3):
        response = client.head("/api/events")
        assert (response.status_code, response.content) == (200, b"")
        assert response.headers["content-type"].startswith("text/event-stream")
    eventually(lambda: "kb_agent_event_streams 0.0" in client.get("/metrics").text)


def test_head_of_what_is_missing_is_not_found(client: httpx2.Client) -> None:
    assert client.head("/api/chats/chat_00").status_code == 404
    assert client.head("/api/nothing").status_code == 404


def test_requests_are_counted_by_their_own_method_and_route(client: httpx2.Client) -> None:
    client.head(PORTS)
    counted = 'kb_agent_http_requests_total{method="HEAD",route="/api/kb/documents/{name:path}",status="200"}'
    assert counted in client.get("/metrics").text


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/chats", "GET, HEAD, OPTIONS, POST"),
        ("/api/chats/chat_00", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("/v1/chat/completions", "OPTIONS, POST"),
        ("/livez", "GET, HEAD, OPTIONS"),
    ],
)
def test_an_address_tells_all_the_methods_it_takes(client: httpx2.Client, path: str, methods: str) -> None:
    asked, refused = client.options(path), client.request("PROPFIND", path)
    assert (asked.status_code, asked.headers["allow"]) == (204, methods)
    assert (refused.status_code, refused.headers["allow"]) == (405, methods)


def test_options_of_what_does_not_exist_is_not_found(client: httpx2.Client) -> None:
    assert client.options("/api/nothing").status_code == 404


def test_a_slash_at_the_end_is_another_address_and_no_redirect_names_a_host(client: httpx2.Client) -> None:
    response = client.get("/api/chats/", follow_redirects=False)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_a_method_in_a_header_changes_nothing(client: httpx2.Client) -> None:
    chat = client.post("/api/chats", headers={"X-HTTP-Method-Override": "DELETE"})
    assert chat.status_code == 201


def test_a_document_that_is_known_is_not_sent_again_until_it_changes(client: httpx2.Client) -> None:
    first = client.get(PORTS)
    tag = first.headers["etag"]
    same = client.get(PORTS, headers={"If-None-Match": f'"other", {tag}'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert client.get(PORTS, headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.get(PORTS, params={"start_line": 3}, headers={"If-None-Match": tag}).status_code == 200


def test_a_parameter_that_is_given_twice_is_refused(client: httpx2.Client) -> None:
    response = client.get("/api/chats?limit=1&limit=2")
    assert (response.status_code, response.json()["code"]) == (422, "invalid_input")
    assert response.json()["errors"][0]["field"] == "query.limit"


def test_an_empty_parameter_is_none(client: httpx2.Client) -> None:
    assert client.get("/api/chats?cursor=").status_code == 200
    assert len(client.get("/api/kb/documents?topic=&cursor=").json()["items"]) == len(DOCUMENTS)
    assert client.get(f"{PORTS}?revision=").json()["complete"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "image/png; charset=utf-8"])
def test_a_body_of_another_type_is_refused_as_such(client: httpx2.Client, messages: str, kind: str) -> None:
    response = client.post(messages, content=b'{"content": "Which port?"}', headers={"Content-Type": kind})
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"1"])
def test_json_that_is_no_object_is_told_what_it_should_be(
    client: httpx2.Client, messages: str, body: bytes
) -> None:
    response = client.post(messages, content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_input")


@pytest.mark.parametrize(
    ("accept", "stream"),
    [
        ("*/*;q=0", False),
        ("text/html", False),
        ("application/json, text/event-stream;q=0", False),
        ("text/event-stream; q=0.000, application/json", False),
        ("text/event-stream;q=0.5", True),
        ("application/json, text/event-stream", True),
        ("TEXT/EVENT-STREAM", True),
    ],
)
def test_an_answer_is_streamed_to_those_who_accept_a_stream(
    client: httpx2.Client, messages: str, accept: str, stream: bool
) -> None:
    response = client.post(messages, json={"content": "Which port?"}, headers={"Accept": accept})
    assert response.headers["content-type"].startswith("text/event-stream") is stream


@pytest.mark.parametrize("prefer", ["no-respond-async", "wait=-1", "=;,"])
def test_preferences_are_read_as_words(client: httpx2.Client, messages: str, prefer: str) -> None:
    response = client.post(messages, json={"content": "Which port?"}, headers={"Prefer": prefer})
    body: dict[str, Any] = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"{messages}/{body['id']}"


@pytest.mark.parametrize("given", ["abc", "1, 2", "-1", "99999999999999999", "1.2.3", "\x7f"])
def test_an_event_id_that_is_none_begins_anew(client: httpx2.Client, messages: str, given: str) -> None:
    path = messages.replace("/messages", "/events")
    with client.stream("GET", path, headers={"Last-Event-ID": given}) as response:
        assert response.status_code == 200
        assert "event: stream.reset" in [line for _, line in zip(range(5), response.iter_lines(), strict=False)]


def test_where_a_stream_goes_on_is_told_by_its_header_before_its_address(client: httpx2.Client) -> None:
    last = client.get("/api/chats").json()["last_event_id"]
    address = "/api/events?last_event_id=older"
    with client.stream("GET", address, headers={"Last-Event-ID": last}) as response:
        lines = [line for _, line in zip(range(4), response.iter_lines(), strict=False)]
    assert lines == ["retry: 2000", "", f"id: {last}", ""]


@pytest.mark.parametrize("name", ["..%2f..%2fetc%2fpasswd", "a%00b", "%2e%2e", "guide%2F..%2Fguide%2Fports.md"])
def test_names_that_are_paths_are_only_names(client: httpx2.Client, name: str) -> None:
    response = client.get(f"/api/kb/documents/{name}")
    assert (response.status_code, response.json()["code"]) == (404, "document_not_found")
    assert client.get("/api/kb/documents/guide%2Fports.md").status_code == 200
