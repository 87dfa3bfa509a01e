"""A server that needs keys, and keys of every kind for it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.conftest import DOCUMENTS, write_documents
from tests.server import Server, eventually

ADMIN_KEY = "canary-admin-key-of-the-tests"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@dataclass(frozen=True, slots=True)
class Keyring:
    """Makes keys of a running server, as its admin."""

    server: Server

    def client(self, key: str | None = None) -> httpx2.Client:
        """A client that shows `key`."""
        client = self.server.client()
        client.headers.update(bearer(key) if key is not None else {})
        return client

    def call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """Ask for something as the admin."""
        with self.client(ADMIN_KEY) as admin:
            response = admin.request(method, path, **arguments)
        assert response.is_success, response.text
        body: dict[str, Any] = response.json()
        return body

    def make(self, name: str, *scopes: str, days: float | None = None) -> str:
        """Make a key; with `chat` and `kb` when no scope is given."""
        body = {"name": name, "scopes": scopes or ("chat", "kb"), "days": days}
        return str(self.call("POST", "/api/keys", json=body)["key"])

    def state(self, name: str) -> str:
        """What the list says of the newest key of a name."""
        return next(str(key["state"]) for key in self.call("GET", "/api/keys")["items"] if key["name"] == name)


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyring]:
    """A server with an admin's key, on which everybody needs one."""
    with open_server(tmp_path_factory.mktemp("keys")) as server:
        keyring = Keyring(server)
        eventually(lambda: keyring.call("GET", "/api/kb/status")["indexed"] == len(DOCUMENTS))
        yield keyring


def open_server(folder: Path, **settings: str) -> Server:
    """A server over the small knowledge base that has an admin's key."""
    unlimited = {"RATE_LIMIT": "0", "RATE_LIMIT_QUESTIONS": "0"}
    return Server(write_documents(folder), {"ADMIN_KEY": ADMIN_KEY, **unlimited, **settings})
