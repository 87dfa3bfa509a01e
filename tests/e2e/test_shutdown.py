"""SIGTERM: what is running, what is open and what is waited for."""

import itertools
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from tests.fake_llm import FakeLLM, Request, searching
from tests.fake_wire import Script, text_script
from tests.server import Server, events, eventually

pytestmark = pytest.mark.e2e

QUESTION = "On which port does the lighthouse service listen?"


class Model:
    """A model that searches, then speaks a word each `pause` seconds."""

    def __init__(self, pause: float) -> None:
        self.pause = pause

    def __call__(self, request: Request) -> Script:
        if request.messages[-1]["role"] != "tool" or not self.pause:
            return searching(request)
        return text_script(" ".join(f"word{number}" for number in range(40)), pause=self.pause)


@pytest.fixture
def model() -> Model:
    return Model(pause=0.5)


@pytest.fixture
def fake(model: Model) -> Iterator[FakeLLM]:
    with FakeLLM(answer=model) as running:
        yield running


def serving(folder: Path, fake: FakeLLM, grace: float) -> Server:
    settings = {"LLM_BASE_URL": fake.base_url, "LLM_MODEL": "fake", "SHUTDOWN_GRACE": str(grace)}
    return Server(folder, settings)


@pytest.fixture
def server(folder: Path, fake: FakeLLM) -> Iterator[Server]:
    """One that waits only briefly for turns that run."""
    with serving(folder, fake, 1) as server:
        yield server


def asked(client: httpx2.Client) -> str:
    """Ask in a chat of its own; give the answer's address once its text has begun."""
    eventually(lambda: client.get("/api/kb/status").json()["indexed"] > 0)
    path = f"/api/chats/{client.post('/api/chats', json={}).json()['id']}/messages"
    posted = client.post(path, json={"content": QUESTION}, headers={"Prefer": "respond-async"})
    answer = f"{path}/{posted.json()['id']}"
    eventually(lambda: "word" in client.get(answer).json()["content"])
    return answer


def status(client: httpx2.Client, answer: str) -> str:
    return str(client.get(answer).json()["status"])


def test_a_turn_that_outlasts_the_grace_is_resumed_by_the_next_start(server: Server, model: Model) -> None:
    with server.client() as client:
        answer = asked(client)
    assert server.stop() == 0
    model.pause = 0

    with server, server.client() as client:
        eventually(lambda: status(client, answer) == "completed")
        message = client.get(answer).json()

    assert message["citations"]
    assert "word" not in message["content"]
    assert [step["name"] for step in message["steps"]] == ["search_kb"]


def test_a_turn_that_ends_within_the_grace_is_completed_before_the_exit(
    folder: Path, fake: FakeLLM, model: Model
) -> None:
    model.pause = 0.02
    server = serving(folder, fake, 50)
    with server, server.client() as client:
        answer = asked(client)
        assert server.stop() == 0
    model.pause = 60

    with server, server.client() as client:
        message = client.get(answer).json()

    assert message["status"] == "completed"
    assert message["content"].endswith("word39")


def test_a_stream_that_was_cut_by_a_restart_withdraws_its_text_and_tells_the_new_one(
    server: Server, model: Model
) -> None:
    with server.client() as client:
        answer = asked(client)
        chat = answer.split("/messages/")[0]
        seen = []
        with events(client, "GET", f"{chat}/events") as found:
            seen += list(itertools.takewhile(lambda event: event.type != "answer.delta", found))
            server.kill()
            with suppress(httpx2.TransportError):
                seen += list(found)
    model.pause = 0

    with server, server.client() as client:
        last = {"Last-Event-ID": seen[-1].id}
        rest = []
        with events(client, "GET", f"{chat}/events", last) as found:
            for event in found:
                rest.append(event)
                if event.type == "answer.completed":
                    break

    kinds = [event.type for event in rest]
    assert kinds.index("answer.reset") < kinds.index("answer.delta")
    text = "".join(event.data["text"] for event in rest if event.type == "answer.delta")
    assert text == rest[-1].data["message"]["content"]


def test_a_turn_interrupted_twice_withdraws_more_text_than_was_kept(server: Server) -> None:
    with server.client() as client:
        answer = asked(client)
    server.kill()
    with server, server.client() as client:
        eventually(lambda: "word" in client.get(answer).json()["content"])
        chat = answer.split("/messages/")[0]
        with events(client, "GET", f"{chat}/events") as found:
            seen = next(event for event in found if event.type == "answer.delta")
        server.kill()

    with server, server.client() as client:
        message = client.get(answer).json()
        with events(client, "GET", f"{chat}/events", {"Last-Event-ID": seen.id}) as found:
            rest = list(itertools.islice(found, 2 + bool(message["content"])))

    assert (message["status"], message["error"]["code"]) == ("failed", "interrupted")
    assert [rest[0].type, rest[-1].type] == ["answer.reset", "turn.failed"]
    assert "".join(event.data["text"] for event in rest[1:-1]) == message["content"]


def test_a_request_that_waits_for_its_answer_is_told_at_once_where_it_will_be(server: Server) -> None:
    replies: list[httpx2.Response] = []
    with server.client() as client:
        path = f"/api/chats/{client.post('/api/chats', json={}).json()['id']}/messages"
        waiting = threading.Thread(target=lambda: replies.append(client.post(path, json={"content": QUESTION})))
        waiting.start()
        with server.client() as other:
            eventually(lambda: len(other.get(path).json()["items"]) == 2)
        server.stop()
        waiting.join()

    assert replies[0].status_code == 202
    assert replies[0].json()["status"] in {"queued", "running"}


def test_a_second_sigterm_changes_nothing(server: Server, model: Model) -> None:
    with server.client() as client:
        answer = asked(client)
        os.kill(server.pid, signal.SIGTERM)
        eventually(lambda: refused(server), what="readiness off")
        assert server.stop() == 0
    model.pause = 0

    with server, server.client() as client:
        eventually(lambda: status(client, answer) == "completed")
    assert "Traceback" not in server.log.read_text()


def refused(server: Server) -> bool:
    """Whether readiness is off: no new connection is taken, or the probe is told so."""
    try:
        return httpx2.get(f"{server.base_url}/readyz", timeout=60).status_code == 503
    except httpx2.TransportError:
        return True
