"""From a service without keys to one with: who gets in, what starts, and the command line beside it."""

import json
import stat
from pathlib import Path

import pytest

from tests.access.conftest import Keyring
from tests.access.test_keys import listening
from tests.e2e.conftest import write_documents
from tests.server import PATIENCE, Server
from tests.terminal import kb_agent

EVERYWHERE = "0.0.0.0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_documents(tmp_path)


def make_key(folder: Path, *arguments: str) -> str:
    done = kb_agent(folder, "keys", "create", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_first_key_closes_a_running_service_and_ends_the_streams_of_strangers(folder: Path) -> None:
    with Server(folder) as server:
        keyring = Keyring(server)
        with keyring.client() as anyone:
            who = anyone.get("/api/session").json()
            assert (who["name"], who["anonymous"], who["scopes"]) == ("anonymous", True, ["chat", "kb"])
            assert anyone.post("/api/keys", json={"name": "mine"}).json()["code"] == "scope_missing"
            with listening(keyring, None) as ended:
                key = make_key(folder, "first")
                assert ended.wait(PATIENCE)
            assert anyone.get("/api/chats").json()["code"] == "key_required"
        with keyring.client(key) as known:
            assert known.get("/api/chats").status_code == 200
        assert kb_agent(folder, "keys", "revoke", "first").returncode == 0
        with keyring.client() as anyone:
            assert anyone.get("/api/chats").status_code == 401


def test_keys_made_while_it_was_stopped_are_managed_while_it_runs(folder: Path) -> None:
    key = make_key(folder, "early", "--scope", "chat", "--days", "30")
    with Server(folder) as server:
        note = server.data / "server.json"
        assert stat.S_IMODE(note.stat().st_mode) == 0o600
        with Keyring(server).client(key) as client:
            assert client.get("/api/session").json()["scopes"] == ["chat"]
        rotated = kb_agent(folder, "keys", "rotate", "early", "--overlap-hours", "1").stdout.strip()
        remote = kb_agent(folder, "keys", "list", "--server", server.base_url, API_KEY=rotated)
        assert (remote.returncode, "scope admin" in remote.stderr) == (1, True)
        remote = kb_agent(folder, "keys", "list", "--server", server.base_url)
        assert (remote.returncode, "API_KEY" in remote.stderr) == (1, True)
        revoked = json.loads(kb_agent(folder, "keys", "revoke", "early", "--json").stdout)
        assert [(entry["name"], entry["state"]) for entry in revoked] == [("early", "revoked")] * 2
    assert not note.exists()


@pytest.mark.parametrize(
    ("settings", "starts"),
    [
        ({}, False),
        ({"ALLOW_ANONYMOUS": "true"}, True),
        ({"ADMIN_KEY": "a-long-key-of-the-settings"}, True),
        ({"ADMIN_KEY": "short"}, False),
    ],
)
def test_all_of_the_network_is_served_only_with_keys_or_when_it_is_said(
    folder: Path, settings: dict[str, str], *, starts: bool
) -> None:
    if not starts:
        done = kb_agent(folder, "serve", "--port", "0", HOST=EVERYWHERE, **settings)
        assert done.returncode == 2
        assert "short" not in done.stderr
        return
    with Server(folder, {"HOST": EVERYWHERE, **settings}) as server, server.client() as client:
        assert client.get("/api/chats").status_code == (401 if "ADMIN_KEY" in settings else 200)


def test_all_of_the_network_is_served_once_there_is_a_key(folder: Path) -> None:
    key = make_key(folder, "first")
    with Server(folder, {"HOST": EVERYWHERE}) as server, Keyring(server).client(key) as client:
        assert client.get("/api/chats").status_code == 200
        assert client.get("/api/session").json()["name"] == "first"
