"""Fixtures for tests of the agent."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from service.agent.llm import Endpoint
from service.agent.runner import open_runner
from service.agent.tools import Toolbox
from service.chats.events import EventLog
from service.database import open_database
from service.kb.folder import Folder
from service.kb.index import Reconciler
from service.kb.search import KnowledgeBase
from tests.agent.desk import Desk
from tests.agent.llama_server import real_endpoint as started_endpoint
from tests.fake_dialects import DIALECTS
from tests.fake_faults import FAULTS
from tests.fake_llm import FakeLLM


@pytest.fixture
def fake() -> Iterator[FakeLLM]:
    """A scripted model server; a request's `model` picks a fault or a dialect by name."""
    with FakeLLM(faults=FAULTS | DIALECTS) as server:
        yield server


@pytest.fixture(scope="session")
def real_endpoint() -> Iterator[Endpoint]:
    """A real language model: the one of LLM_BASE_URL, else a tiny one in a child process, else a skip."""
    with started_endpoint() as endpoint:
        yield endpoint


async def _no_note() -> str:
    return ""


@pytest.fixture
async def toolbox(tmp_path: Path) -> AsyncIterator[Toolbox]:
    """The tools over an index of two documents."""
    knowledge = tmp_path / "knowledge"
    (knowledge / "guide").mkdir(parents=True)
    (knowledge / "guide/ports.md").write_text("# Ports\n\nThe service listens on port 8123.\n")
    (knowledge / "guide/logs.md").write_text("# Logs\n\nLogs are kept for ninety days.\n")
    folder = Folder(knowledge, frozenset({".md"}), 1_000_000)
    async with open_database(tmp_path / "data") as db, Reconciler(db, folder, settle=0) as index:
        await index.reconcile()
        yield Toolbox(KnowledgeBase(db, search_timeout=60.0), result_chars=8000, folder_note=_no_note)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    with FakeLLM() as fake:
        fake.call("search_kb", {"query": "who knows"})
        tried = asyncio.Event()
        async with open_database(tmp_path, observe=lambda *_: tried.set()) as db:
            desk = Desk(db, EventLog(db), fake, tried=tried)
            async with desk.model, open_runner(desk.runner, 0.0, resume=True):
                yield desk
