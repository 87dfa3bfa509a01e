"""A knowledge folder of a few documents, and servers over it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx2
import openai
import pytest

from tests.fake_llm import FakeLLM
from tests.server import Server, eventually

DOCUMENTS = {
    "guide/ports.md": (
        "# Ports\n\nThe lighthouse service listens on port 8123.\n\nSet BEACON_PORT to change the port.\n"
    ),
    "guide/logs.md": "# Logs\n\nLogs of the lighthouse are kept for ninety days.\n",
    "people/keeper.md": "---\ntitle: Keeper\ntopic: people\n---\n\nThe keeper of the lighthouse is Ada Morgan.\n",
}


def write_documents(folder: Path) -> Path:
    """Put the small knowledge base into `folder`."""
    for name, text in DOCUMENTS.items():
        path = folder / "knowledge" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@contextlib.contextmanager
def serving(folder: Path, model: FakeLLM | None = None, **settings: str) -> Iterator[Server]:
    """A server over the small knowledge base in `folder`, all of it indexed; `model` answers, else the reader."""
    scripted = {"LLM_BASE_URL": model.base_url, "LLM_MODEL": "scripted"} if model is not None else {}
    with Server(write_documents(folder), scripted | settings) as server:
        with server.client() as client:
            eventually(lambda: bool(client.get("/api/kb/status").json()["indexed"] == len(DOCUMENTS)))
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a small knowledge base in it, for a server of the test's own."""
    return write_documents(tmp_path)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server with the built-in reader, for tests that neither stop it nor change its files."""
    with serving(tmp_path_factory.mktemp("shared")) as server:
        yield server


@pytest.fixture
def client(shared: Server) -> Iterator[httpx2.Client]:
    with shared.client() as opened:
        yield opened


@pytest.fixture(scope="session")
def compat_model() -> Iterator[FakeLLM]:
    """The model behind `compat_server`."""
    with FakeLLM() as running:
        yield running


@pytest.fixture(scope="session")
def compat_server(compat_model: FakeLLM, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server for clients of OpenAI: two model names, two places, a quick heartbeat."""
    settings = {
        "LLM_MODEL": "fake",
        "LLM_MAX_RETRIES": "0",
        "LLM_BREAKER_FAILURES": "0",
        "COMPAT_MODELS": "kb-agent,gpt-4o",
        "MAX_TURNS_PER_CALLER": "2",
        "SSE_HEARTBEAT": "0.2",
    }
    with serving(tmp_path_factory.mktemp("openai"), compat_model, **settings) as server:
        yield server


@pytest.fixture
def sdk(compat_server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{compat_server.base_url}/v1", api_key="none", max_retries=0) as opened:
        yield opened
