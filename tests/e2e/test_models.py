"""The service with a language model behind it: a scripted one, spoken to over HTTP by the real SDK."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.conftest import serving
from tests.e2e.test_service import QUESTION, ask, indexed, new_chat, stream
from tests.fake_faults import FAULTS
from tests.fake_llm import FakeLLM
from tests.fake_wire import Wire, call_delta, call_script, calls, chunk, text_script
from tests.server import PATIENCE, Server, events, eventually

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def scripted() -> Iterator[FakeLLM]:
    with FakeLLM() as server:
        yield server


@pytest.fixture
def fake(scripted: FakeLLM) -> FakeLLM:
    """The scripted model, with nothing on record."""
    scripted.requests.clear()
    scripted.disconnects = 0
    return scripted


@pytest.fixture(scope="module")
def server(scripted: FakeLLM, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"LLM_API_KEY": "sk-canary-7731", "LLM_GAP_TIMEOUT": str(2 * PATIENCE)}
    with serving(tmp_path_factory.mktemp("models"), scripted, **settings) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx2.Client]:
    with server.client() as opened:
        yield opened


def answer_of(client: httpx2.Client, chat_id: str) -> dict[str, Any]:
    message: dict[str, Any] = client.get(f"/api/chats/{chat_id}/messages", params={"order": "desc"}).json()[
        "items"
    ][0]
    return message


def ask_and_leave(client: httpx2.Client, chat_id: str, question: str = "hello") -> None:
    headers = {"Prefer": "respond-async"}
    response = client.post(f"/api/chats/{chat_id}/messages", json={"content": question}, headers=headers)
    assert response.status_code == 202


def test_the_model_searches_and_its_citation_is_verified(client: httpx2.Client, fake: FakeLLM) -> None:
    answer = ask(client, new_chat(client), QUESTION)
    assert (answer["status"], answer["outcome"], answer["model"]) == ("completed", "grounded", "fake")
    assert answer["citations"][0]["document"] == "guide/ports.md"
    assert answer["usage"]["llm_calls"] == 2
    assert [m["role"] for m in fake.requests[-1].messages] == ["system", "user", "assistant", "tool"]


def test_a_citation_of_nothing_is_removed_and_counted(client: httpx2.Client, fake: FakeLLM) -> None:
    fake.call("search_kb", {"query": "port"})
    fake.say("The port is 8123 [42]. It can be changed [99][98].")
    answer = ask(client, new_chat(client), QUESTION)
    assert answer["content"] == "The port is 8123. It can be changed."
    assert (answer["outcome"], answer["citations"], answer["citations_dropped"]) == ("not_in_kb", [], 3)


def test_a_marker_cut_over_pieces_never_shows_unless_it_stands(client: httpx2.Client, fake: FakeLLM) -> None:
    fake.call("search_kb", {"query": "lighthouse port"})
    fake.say("Port 8123 [1] and a ghost [77].")
    found = stream(client, new_chat(client), QUESTION)
    text = ""
    for event in found:
        if event.type == "answer.delta":
            text += event.data["text"]
            assert "[7" not in text
    assert text == "Port 8123 [1] and a ghost."


def test_text_before_a_later_tool_call_is_withdrawn(client: httpx2.Client, fake: FakeLLM) -> None:
    fake.call("search_kb", {"query": "lighthouse"})
    search = call_delta(0, "call_0", "search_kb", '{"query": "port"}')
    fake.reply(calls({"content": "Let me look that up."}, search))
    fake.say("It is 8123 [1].")
    found = stream(client, new_chat(client), QUESTION)
    kinds = [event.type for event in found]
    assert "answer.reset" in kinds
    assert found[-1].data["message"]["content"] == "It is 8123 [1]."


def test_a_model_that_never_calls_a_tool_still_answers_from_the_knowledge_base(
    client: httpx2.Client, fake: FakeLLM
) -> None:
    fake.say("Port 80, I think.")
    fake.say("It listens on port 8123 [1].")
    answer = ask(client, new_chat(client), QUESTION)
    assert (answer["content"], answer["outcome"]) == ("It listens on port 8123 [1].", "grounded")
    assert [(step["name"], step["made_by"]) for step in answer["steps"]] == [("search_kb", "service")]


def test_an_unreachable_model_fails_the_turn_with_advice_and_the_chat_goes_on(folder: Path) -> None:
    settings = {"LLM_BASE_URL": "http://127.0.0.1:9/v1", "LLM_MODEL": "none", "LLM_MAX_RETRIES": "0"}
    with Server(folder, settings) as server, server.client() as client:
        chat_id = new_chat(client)
        answer = ask(client, chat_id, QUESTION)
        assert (answer["status"], answer["outcome"]) == ("failed", "error")
        assert (answer["error"]["code"], answer["error"]["retryable"]) == ("provider_unreachable", True)
        assert "LLM_BASE_URL" in answer["error"]["detail"]
        history = client.get(f"/api/chats/{chat_id}/messages").json()["items"]
        assert [(m["role"], m["content"]) for m in history] == [("user", QUESTION), ("assistant", "")]
        assert ask(client, chat_id, "again?")["status"] == "failed"


def test_bad_tool_calls_go_back_to_the_model_as_text(client: httpx2.Client, fake: FakeLLM) -> None:
    fake.call("launch_rocket", {"to": "moon"})
    fake.call("search_kb", {"question": "port"})
    fake.call("read_kb_doc", {"name": "../../etc/passwd"})
    fake.say("I cannot search.")  # without tools by now
    fake.say("I could not find it.")
    answer = ask(client, new_chat(client), QUESTION)
    assert [step["error"] is not None for step in answer["steps"]] == [True, True, True, False]
    assert answer["steps"][-1]["made_by"] == "service"
    results = [m["content"] for m in fake.requests[-1].messages if m["role"] == "tool"]
    assert "there is no tool" in results[0]
    assert "query" in results[1]
    assert "there is no document" in results[2]


def test_a_model_that_calls_tools_for_ever_is_made_to_answer(folder: Path) -> None:
    def looping(request: Any) -> Any:
        if request.body.get("tools"):
            return call_script(("search_kb", {"query": f"port {len(request.messages)}"}))
        return text_script("It is 8123 [1].")

    with FakeLLM(looping) as fake:
        settings = {"LLM_BASE_URL": fake.base_url, "LLM_MODEL": "scripted", "LLM_MAX_CALLS": "4"}
        with Server(folder, settings) as server, server.client() as client:
            eventually(lambda: indexed(client, 3))
            answer = ask(client, new_chat(client), QUESTION)
        assert (answer["status"], answer["outcome"]) == ("completed", "grounded")
        assert len(fake.requests) == 4
        assert "tools" not in fake.requests[-1].body


@pytest.mark.parametrize("prefer", ["respond-async", "wait=5, RESPOND-ASYNC"])
def test_a_cancelled_answer_keeps_its_text_and_closes_the_connection(
    client: httpx2.Client, fake: FakeLLM, server: Server, prefer: str
) -> None:
    fake.say("word " * 4_000, pause=0.05)
    chat_id = new_chat(client)
    path = f"/api/chats/{chat_id}/messages"
    pending = client.post(path, json={"content": "hello"}, headers={"Prefer": prefer})
    message = pending.json()["id"]
    assert (pending.status_code, pending.headers["location"]) == (202, f"{path}/{message}")
    eventually(lambda: "word" in client.get(f"{path}/{message}").json()["content"])
    busy = client.post(path, json={"content": "and?"})
    assert (busy.status_code, busy.json()["code"], busy.json()["message_id"]) == (409, "turn_in_progress", message)
    stopped = client.post(f"{path}/{message}/cancel").json()
    assert (stopped["status"], stopped["outcome"]) == ("cancelled", "stopped")
    assert stopped["content"].startswith("word")
    assert fake.wait(lambda: fake.disconnects == 1)
    assert client.post(f"{path}/{message}/cancel").json() == stopped
    export = client.get(path.replace("/messages", "/export"), params={"format": "markdown"}).text
    assert export.endswith("\n\n*Not the whole answer: cancelled*\n")
    assert client.get(f"{path}/{message}").json() == stopped


def test_an_answer_that_outlasts_its_turn_is_ended_with_what_was_shown(folder: Path) -> None:
    with FakeLLM() as fake:
        fake.say("word " * 40_000, pause=0.05)
        settings = {"LLM_BASE_URL": fake.base_url, "LLM_MODEL": "scripted", "TURN_TIMEOUT": "3"}
        with Server(folder, settings) as server, server.client() as client:
            found = stream(client, new_chat(client), "hello")
            answer = found[-1].data["message"]
            metrics = client.get("/metrics").text
            assert fake.wait(lambda: fake.disconnects == 1)
        assert found[-1].type == "turn.failed"
        assert (answer["error"]["code"], answer["error"]["retryable"]) == ("turn_timeout", True)
        assert answer["outcome"] == "limit"
        assert answer["content"] == "".join(e.data["text"] for e in found if e.type == "answer.delta")
        assert len(fake.requests) == 1
    assert 'kb_agent_turns_total{outcome="limit",status="failed"} 1.0' in metrics
    assert 'kb_agent_turn_failures_total{code="turn_timeout"} 1.0' in metrics


def test_deleting_a_chat_stops_its_running_answer(client: httpx2.Client, fake: FakeLLM) -> None:
    fake.reply(FAULTS["stall-after-text"])
    chat_id = new_chat(client)
    ask_and_leave(client, chat_id)
    assert fake.wait(lambda: bool(fake.requests))
    assert client.delete(f"/api/chats/{chat_id}").status_code == 204
    assert fake.wait(lambda: fake.disconnects == 1)
    assert client.get(f"/api/chats/{chat_id}").status_code == 404


def test_a_second_client_reads_the_running_answer_from_its_beginning(client: httpx2.Client, fake: FakeLLM) -> None:
    read = threading.Event()

    async def halting(wire: Wire) -> None:
        await wire.events(*(chunk({"content": word}) for word in ("one ", "two ", "three ")))
        await asyncio.to_thread(read.wait, PATIENCE)
        await wire.events(*(chunk({"content": word}) for word in ("four ", "five")), chunk({}, "stop"))
        await wire.done()

    fake.reply(halting)
    chat_id = new_chat(client)
    ask_and_leave(client, chat_id)
    text = ""
    eventually(lambda: "two" in answer_of(client, chat_id)["content"])
    with events(client, "GET", f"/api/chats/{chat_id}/events") as found:
        for event in found:
            if event.type == "answer.delta":
                text += event.data["text"]
                read.set()
            if event.type == "answer.completed":
                assert text == event.data["message"]["content"]
                break
    assert text == "one two three four five"


def test_the_same_idempotency_key_asks_once(client: httpx2.Client, fake: FakeLLM) -> None:
    chat_id = new_chat(client)
    path, headers = f"/api/chats/{chat_id}/messages", {"Idempotency-Key": "k-1"}
    first = client.post(path, json={"content": QUESTION}, headers=headers)
    second = client.post(path, json={"content": QUESTION}, headers=headers)
    assert second.json() == first.json()
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert len(client.get(path).json()["items"]) == 2
    other = client.post(path, json={"content": "something else"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(fake.requests) == 2


def test_a_repeat_follows_the_turn_that_still_runs_and_no_other_begins(
    client: httpx2.Client, fake: FakeLLM
) -> None:
    rest = threading.Event()

    async def halting(wire: Wire) -> None:
        await wire.event(chunk({"content": "Half "}))
        await asyncio.to_thread(rest.wait, PATIENCE)
        await wire.events(chunk({"content": "and half."}), chunk({}, "stop"))
        await wire.done()

    fake.reply(halting)
    path, key = f"/api/chats/{new_chat(client)}/messages", {"Idempotency-Key": "k-2"}
    first = client.post(path, json={"content": "hello"}, headers=key | {"Prefer": "respond-async"}).json()
    seen = []
    with events(client, "POST", path, key, json={"content": "hello"}) as found:
        for event in found:
            seen.append(event)
            if event.type == "answer.delta" and not rest.is_set():
                anew = client.post(f"{path}/{first['id']}/regenerate")
                assert (anew.status_code, anew.json()["code"]) == (409, "turn_in_progress")
                rest.set()
    assert (seen[-1].type, seen[-1].data["message"]["id"]) == ("answer.completed", first["id"])
    assert "".join(e.data["text"] for e in seen if e.type == "answer.delta") == "Half and half."
    assert len(fake.requests) == 1
    assert len(client.get(path).json()["items"]) == 2


def test_the_key_never_leaves_for_a_log_an_error_or_a_metric(
    client: httpx2.Client, server: Server, fake: FakeLLM
) -> None:
    ask(client, new_chat(client), QUESTION)
    assert fake.requests[0].headers["authorization"] == "Bearer sk-canary-7731"
    shown = server.log.read_text() + client.get("/metrics").text + client.get("/readyz").text
    assert "canary" not in shown
    assert QUESTION not in shown
