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
        server, chat_id, last = killed_in_mid_answer(folder, fake, QUESTION, RESUME_TURNS=resume)
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
            assert answer["content"].startswith("half of an answer [1]")
            assert [cited["document"] for cited in answer["citations"]] == ["guide/ports.md"]
            assert answer["kb_revision"] is not None
            assert [step["name"] for step in answer["steps"]] == ["search_kb"]
            assert 'kb_agent_turns_total{outcome="error",status="failed"} 1.0' in metrics
            assert len(fake.requests) == 2


def test_a_list_of_topics_counts_as_no_search_after_a_crash_either(folder: Path) -> None:
    with FakeLLM() as fake:
        fake.call("list_kb_topics", {})
        server, chat_id, _ = killed_in_mid_answer(folder, fake, "What topics are there?")
        fake.say("There are guides.")
        with server, server.client() as client:
            eventually(lambda: answer_of(client, chat_id)["status"] == "completed", what="the turn taken up again")
            answer = answer_of(client, chat_id)
    assert [step["name"] for step in answer["steps"]] == ["list_kb_topics"]
    assert (answer["content"], answer["outcome"]) == ("There are guides.", "conversational")


def killed_in_mid_answer(folder: Path, fake: FakeLLM, question: str, **settings: str) -> tuple[Server, str, str]:
    """Kill a server when some of an answer's text is stored; give it, the chat and the id of the first text."""
    fake.say("half of an answer [1] " * 2_000, pause=0.05)
    server = Server(folder, {"LLM_BASE_URL": fake.base_url, "LLM_MODEL": "scripted", **settings})
    with server, server.client() as client:
        eventually(lambda: indexed(client, 3))
        chat_id = new_chat(client)
        ask_and_leave(client, chat_id, question)
        with events(client, "GET", f"/api/chats/{chat_id}/events") as found:
            first = next(event for event in found if event.type == "answer.delta").id
        eventually(lambda: saved(server).startswith("half of an"), what="text kept for a crash")
        server.stop(signal.SIGKILL)
    return server, chat_id, first


def saved(server: Server) -> str:
    """The answer's text as another process would find it."""
    with closing(sqlite3.connect(f"{(server.data / FILE_NAME).as_uri()}?mode=ro", uri=True)) as database:
        return str(database.execute("SELECT content FROM messages WHERE role = 'assistant'").fetchone()[0])
