"""Every route × every kind of caller, made from the route table: a new route cannot be forgotten."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from starlette.routing import Mount

from service.access.records import KeyScope
from service.api.deps import Access
from service.api.gatekeeping import declared, guard
from service.app import create_app
from service.settings import Settings
from service.telemetry import Metrics
from tests.access.conftest import Keyring
from tests.server import eventually

SECRET = "lighthouse-canary"  # stands in the owner's chat and nowhere else
# What the owner sends for 2xx, where that is more than {}. A route that takes a body has a line here.
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/api/chats/{chat_id}/messages"): {"content": "Which port?"},
    ("PATCH", "/api/chats/{chat_id}"): {"title": "Renamed"},
    ("PUT", "/api/chats/{chat_id}/messages/{message_id}/feedback"): {"rating": "up"},
    ("POST", "/api/keys"): {"name": "made-by-the-matrix"},
    ("PATCH", "/api/keys/{name}"): {"tokens_a_day": 1000},
    ("POST", "/v1/chat/completions"): {"model": "kb-agent", "messages": [{"role": "user", "content": "Hello"}]},
    ("POST", "/v1/responses"): {"model": "kb-agent", "input": "Hello"},
    ("POST", "/mcp"): {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "search_kb", "arguments": {"query": "lighthouse"}},
    },
}
QUERIES = {"/api/kb/search": "q=lighthouse", "/web/chats/{chat_id}/messages": "id={message_id}"}
UNKNOWN = {"none": "key_required", "revoked": "key_revoked", "expired": "key_expired", "mistyped": "key_invalid"}


@dataclass(frozen=True, slots=True)
class Call:
    """A method on a route, and what it asks of its caller."""

    method: str
    path: str
    access: Access | None
    mounted: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def scope(self) -> KeyScope | None:
        return self.access.scope if self.access is not None else None

    @property
    def of_a_chat(self) -> bool:
        return "{chat_id}" in self.path


def calls() -> Iterator[Call]:
    """Every call that the application takes."""
    for route, access in declared(create_app(Settings.model_construct(), Metrics("0", ""))):
        if isinstance(route, Mount):
            yield Call("GET", f"{route.path}/", access, mounted=True)
        else:
            yield from (Call(method, route.path, access) for method in sorted(route.methods))


CALLS = list(calls())
CLOSED = [call for call in CALLS if call.access is not None]
OPEN = [call for call in CALLS if call.access is None]


@dataclass(frozen=True, slots=True)
class Callers:
    """Keys of every kind, and a chat of the owner."""

    keyring: Keyring
    keys: dict[str, str]

    def chat(self) -> dict[str, str]:
        """A chat of the owner's with an answer: what stands for the parameters of a path."""
        with self.keyring.client(self.keys["owner"]) as client:
            chat = client.post("/api/chats", json={"title": SECRET}).json()["id"]
            content = {"content": f"On which port does the {SECRET} listen?"}
            message = client.post(f"/api/chats/{chat}/messages", json=content).json()["id"]
        return {"chat_id": chat, "message_id": message}

    def send(self, call: Call, key: str | None, ids: dict[str, str]) -> httpx2.Response:
        """Make a call with a key; of a stream only the beginning is read."""
        names = {"name": "guide/ports.md" if "documents" in call.path else "spare", "model": "kb-agent", **ids}
        path = re.sub(r"\{(\w+)(?::path)?\}", lambda match: names[match[1]], call.path)
        query = QUERIES.get(call.path, "").format(**ids)
        body = None if call.method == "GET" else BODIES.get((call.method, call.path), {})
        if call.path == "/api/session" and call.method == "POST":
            body = {"key": self.keys["owner"]}
        with (
            self.keyring.client(key) as client,
            client.stream(call.method, f"{path}?{query}", json=body) as response,
        ):
            if "event-stream" not in response.headers.get("content-type", ""):
                response.read()
        return response


def code_of(response: httpx2.Response) -> str:
    """The code of a problem document; under /v1 of an error in OpenAI's shape."""
    openai = response.request.url.path.startswith("/v1/")
    assert response.headers["content-type"] == ("application/json" if openai else "application/problem+json")
    body = response.json()
    return str(body["error"]["code"] if openai else body["code"])


@pytest.fixture(scope="module")
def callers(keyring: Keyring) -> Callers:
    keys = {name: keyring.make(name) for name in ("owner", "other", "revoked")}
    keys |= {f"only-{scope}": keyring.make(f"only-{scope}", scope) for scope in KeyScope}
    keys["expired"] = keyring.make("expired", days=1e-7)
    keys["mistyped"] = keys["owner"][:-1] + ("a" if keys["owner"][-1] != "a" else "b")
    keys["admin"] = keyring.make("admin", *KeyScope)
    keyring.make("spare")
    keyring.call("DELETE", "/api/keys/revoked")
    eventually(lambda: keyring.state("expired") == "expired")
    return Callers(keyring, keys)


def key_for(call: Call, callers: Callers) -> str:
    """The owner's key, or the admin's where that is not enough."""
    return callers.keys["admin" if call.scope is KeyScope.ADMIN else "owner"]


@pytest.mark.parametrize("call", [call for call in CALLS if not call.mounted], ids=str)
def test_the_owner_gets_what_he_asks_for(callers: Callers, call: Call) -> None:
    response = callers.send(call, key_for(call, callers), callers.chat())
    assert response.is_success, response.text


@pytest.mark.parametrize("caller", UNKNOWN)
@pytest.mark.parametrize("call", CLOSED, ids=str)
def test_nobody_gets_in_without_a_key_that_is_good(callers: Callers, call: Call, caller: str) -> None:
    response = callers.send(call, callers.keys.get(caller), {"chat_id": "chat_0", "message_id": "msg_0"})
    assert (response.status_code, code_of(response)) == (401, UNKNOWN[caller])
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("call", [call for call in CLOSED if call.scope is not None], ids=str)
def test_a_key_without_the_scope_is_refused(callers: Callers, call: Call) -> None:
    for scope in set(KeyScope) - {call.scope}:
        response = callers.send(call, callers.keys[f"only-{scope}"], callers.chat())
        assert (response.status_code, code_of(response)) == (403, "scope_missing")


@pytest.mark.parametrize("call", [call for call in CLOSED if call.of_a_chat], ids=str)
def test_anothers_chat_is_as_one_that_never_was(callers: Callers, call: Call) -> None:
    ids = callers.chat()
    invented = {name: value[:-4] + "ffff" for name, value in ids.items()}
    for caller in ("other", "admin"):
        foreign = callers.send(call, callers.keys[caller], ids)
        absent = callers.send(call, callers.keys[caller], invented)
        assert foreign.status_code == absent.status_code == 404
        alike = [
            {k: v for k, v in r.json().items() if k not in {"instance", "request_id"}} for r in (foreign, absent)
        ]
        assert alike[0] == alike[1]
    assert callers.send(Call("GET", "/api/chats/{chat_id}", None), callers.keys["owner"], ids).is_success


@pytest.mark.parametrize(("caller", "status"), [("owner", 200), ("other", 404)])
def test_the_text_of_a_chat_beside_everything_is_its_owners(callers: Callers, caller: str, status: int) -> None:
    beside = {"text_of": callers.chat()["chat_id"]}
    with (
        callers.keyring.client(callers.keys[caller]) as client,
        client.stream("GET", "/api/events", params=beside) as response,
    ):
        assert response.status_code == status


@pytest.mark.parametrize("call", [c for c in CLOSED if not c.of_a_chat and not c.mounted], ids=str)
def test_lists_and_searches_hold_nothing_of_others(callers: Callers, call: Call) -> None:
    callers.chat()
    response = callers.send(call, callers.keys["admin" if call.scope is KeyScope.ADMIN else "other"], {})
    assert response.is_success or call.scope is KeyScope.ADMIN
    if "event-stream" not in response.headers.get("content-type", ""):
        assert SECRET not in response.text


@pytest.mark.parametrize("call", OPEN, ids=str)
@pytest.mark.parametrize("caller", UNKNOWN)
def test_open_routes_are_open_to_all(callers: Callers, call: Call, caller: str) -> None:
    response = callers.send(call, callers.keys.get(caller), {})
    assert response.status_code not in {401, 403}


def test_the_routes_that_are_open_are_these() -> None:
    assert {str(call) for call in OPEN} == {
        "GET /",
        "GET /static/",
        "GET /livez",
        "GET /readyz",
        "GET /metrics",
        "POST /api/session",
        "DELETE /api/session",
    }


def test_a_route_that_does_not_say_who_may_call_it_stops_the_start() -> None:
    app, router = FastAPI(docs_url=None, redoc_url=None), APIRouter()
    router.add_api_route("/forgotten", lambda: None)
    app.include_router(router)
    with pytest.raises(TypeError, match="/forgotten does not say who may call it"):
        guard(app)


def test_a_mounted_application_that_does_not_say_who_may_call_it_stops_the_start() -> None:
    app = FastAPI(docs_url=None, redoc_url=None)
    app.mount("/forgotten", FastAPI())
    with pytest.raises(TypeError, match="/forgotten does not say who may call it"):
        guard(app)


@pytest.mark.parametrize("path", ["/nothing", "/api", "/api/chats/", "/static", "/livez/"])
def test_an_address_that_is_no_route_looks_closed_too(callers: Callers, path: str) -> None:
    with callers.keyring.client() as client:
        assert client.get(path).json()["code"] == "key_required"
