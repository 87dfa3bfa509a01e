"""SIGKILL in the middle of an answer: the next start takes it up again, or says that it was interrupted."""

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from service.database import FILE_NAME
from tests.e2e.test_models import answer_of, ask_and_leave
from tests.e2e.test_service import QUESTION, indexed, new_chat
from tests.fake_llm import FakeLLM
from tests.server import Server, events, eventually

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("resume", ["true", "false"])
def test_a_killed_service_takes_the_turn_up_again_or_says_it_was_interrupted(folder: Path, resume: str) -> None:
    with FakeLLM() as fake:
        fake.call("search_kb", {"query": "lighthouse port"})
        fake.say("half of an answer " * 2_000, pause=0.05)
        settings = {"LLM_BASE_URL": fake.base_url, "LLM_MODEL": "scripted", "RESUME_TURNS": resume}
        server = Server(folder, settings)
        with server, server.client() as client:
            eventually(lambda: indexed(client, 3))
            chat_id = new_chat(client)
            ask_and_leave(client, chat_id, QUESTION)
            with events(client, "GET", f"/api/chats/{chat_id}/events") as found:
                last = next(event for event in found if event.type == "answer.delta").id
            eventually(lambda: saved(server).startswith("half of an"), what="text kept for a crash")
            server.stop(signal.SIGKILL)
        fake.say("The whole answer [1].")
        with server, server.client() as client:
            kinds = []
            with events(client, "GET", f"/api/chats/{chat_id}/events", {"Last-Event-ID": last}) as found:
                for event in found:
                    kinds.append(event.type)
                    if event.type in {"answer.completed", "turn.failed"}:
                        break
            answer = answer_of(client, chat_id)
            metrics = client.get("/metrics").text
        if resume == "true":
            assert kinds[:2] == ["answer.reset", "turn.started"]
            assert (answer["status"], answer["content"]) == ("completed", "The whole answer [1].")
            assert answer["citations"][0]["document"] == "guide/ports.md"
            assert len(fake.requests) == 3
        else:
            assert kinds == ["answer.reset", "answer.delta", "turn.failed"]
            assert (answer["status"], answer["error"]["code"]) == ("failed", "interrupted")
            assert answer["content"].startswith("half of an")
            assert [step["name"] for step in answer["steps"]] == ["search_kb"]
            assert 'kb_agent_turns_total{outcome="error",status="failed"} 1.0' in metrics
            assert len(fake.requests) == 2


def saved(server: Server) -> str:
    """The answer's text as another process would find it."""
    with closing(sqlite3.connect(f"{(server.data / FILE_NAME).as_uri()}?mode=ro", uri=True)) as database:
        return str(database.execute("SELECT content FROM messages WHERE role = 'assistant'").fetchone()[0])
