"""A knowledge folder of a few documents, and servers over it."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a small knowledge base in it, for a server of the test's own."""
    return write_documents(tmp_path)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server with the built-in reader, for tests that neither stop it nor change its files."""
    with Server(write_documents(tmp_path_factory.mktemp("shared"))) as server, server.client() as client:
        eventually(lambda: client.get("/api/kb/status").json()["indexed"] == len(DOCUMENTS))
        yield server


@pytest.fixture
def client(shared: Server) -> Iterator[httpx2.Client]:
    with shared.client() as opened:
        yield opened
