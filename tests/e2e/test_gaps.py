"""Gaps over HTTP and on the command line."""

from pathlib import Path

import pytest

from tests.e2e.test_service import ask, new_chat
from tests.server import Server, eventually
from tests.terminal import kb_agent

pytestmark = pytest.mark.e2e

QUESTION = "How is the zeppelin painted?"


def test_a_gap_is_listed_counted_and_closed_by_an_edit(folder: Path) -> None:
    with Server(folder) as server, server.client() as client:
        eventually(lambda: client.get("/api/kb/status").json()["indexed"] == 3)
        chat_id = new_chat(client)
        assert ask(client, chat_id, QUESTION)["outcome"] == "not_in_kb"
        (gap,) = client.get("/api/kb/gaps").json()["items"]
        assert (gap["question"], gap["count"], gap["state"]) == (QUESTION, 1, "open")
        assert "kb_agent_knowledge_gaps_open 1.0" in client.get("/metrics").text
        listed = kb_agent(folder, "gaps", "--server", server.base_url)
        assert QUESTION in listed.stdout, listed.stderr

        text = "# Zeppelins\n\nThe zeppelin of the lighthouse is painted silver.\n"
        (server.knowledge / "zeppelin.md").write_text(text)
        eventually(lambda: client.get("/api/kb/gaps").json()["items"] == [], what="the gap to be closed")
        (gap,) = client.get("/api/kb/gaps?state=resolved").json()["items"]
        assert (gap["state"], gap["resolved_by"]) == ("resolved", "zeppelin.md")
        listed = kb_agent(folder, "gaps", "--state", "all", "--server", server.base_url)
        assert "answered by zeppelin.md" in listed.stdout

        client.delete(f"/api/chats/{chat_id}")
        assert client.get("/api/kb/gaps?state=all").json() == {"items": [], "next_cursor": None}
        assert client.get("/api/kb/gaps?state=none").status_code == 422
