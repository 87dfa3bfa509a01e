"""An old answer shows what it saw, after the file changed and after it vanished."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.conftest import serving
from tests.fake_llm import FakeLLM
from tests.fake_wire import Wire, text_script
from tests.server import Server

pytestmark = pytest.mark.e2e

PORTS = "guide/ports.md"
SENTENCE = "The lighthouse service listens on port 8123."


@pytest.fixture
def model() -> Iterator[FakeLLM]:
    with FakeLLM() as fake:
        yield fake


@pytest.fixture
def server(tmp_path: Path, model: FakeLLM) -> Iterator[Server]:
    with serving(tmp_path, model) as running:
        yield running


def change(server: Server, client: httpx2.Client, text: str | None) -> None:
    """Change or remove the document, and wait until that is what is served."""
    path = server.knowledge / PORTS
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    client.post("/api/kb/reindex")
    found = client.get(f"/api/kb/documents/{PORTS}")
    assert found.status_code == (404 if text is None else 200)
    assert text is None or found.json()["text"] in text


def ask(client: httpx2.Client, chat_id: str) -> dict[str, Any]:
    message: dict[str, Any] = client.post(f"/api/chats/{chat_id}/messages", json={"content": "Which port?"}).json()
    assert message["status"] == "completed", message
    return message


def test_a_citation_leads_to_what_the_answer_saw(server: Server, model: FakeLLM) -> None:
    with server.client() as client:
        chat_id = client.post("/api/chats", json={}).json()["id"]
        model.call("search_kb", {"query": "port"})
        model.say(f"{SENTENCE} [1]")
        citation = ask(client, chat_id)["citations"][0]
        fresh = client.get(citation["url"]).json()
        assert (fresh["changed"], fresh["text"], fresh["complete"]) == (False, SENTENCE, True)

        change(server, client, "# Ports\n\nThe service listens on port 9000.\n")
        old = client.get(citation["url"]).json()
        assert (old["changed"], old["text"], old["revision"]) == (True, SENTENCE, citation["revision"])
        current = client.get(f"/api/kb/documents/{PORTS}").json()
        assert (current["changed"], current["revision"]) == (False, old["current_revision"])
        exported = client.get(f"/api/chats/{chat_id}/export?format=markdown").text
        assert "(changed since)" in exported

        change(server, client, None)
        gone = client.get(citation["url"]).json()
        assert (gone["changed"], gone["text"], gone["current_revision"]) == (True, SENTENCE, None)
        assert (
            "(not in the knowledge base any more)"
            in client.get(f"/api/chats/{chat_id}/export?format=markdown").text
        )

        assert client.delete(f"/api/chats/{chat_id}").status_code == 204
        refused = client.get(citation["url"])
        assert (refused.status_code, refused.json()["code"]) == (404, "revision_not_found")


def test_a_file_that_changes_while_the_model_writes_is_still_shown_as_it_was(
    server: Server, model: FakeLLM
) -> None:
    with server.client() as client, server.client() as author:

        async def edit_then_say(wire: Wire) -> None:
            await asyncio.to_thread(change, server, author, "# Ports\n\nThe service listens on port 9000.\n")
            await text_script(f"{SENTENCE} [1]")(wire)

        chat_id = client.post("/api/chats", json={}).json()["id"]
        model.call("search_kb", {"query": "port"})
        model.reply(edit_then_say)
        citation = ask(client, chat_id)["citations"][0]
        old = client.get(citation["url"]).json()
        assert (old["changed"], old["text"], old["complete"]) == (True, SENTENCE, False)
