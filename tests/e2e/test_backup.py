"""The drill: copies taken while questions are posted, the data lost, the newest copy brought back and served."""

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx2
import pytest

from tests.e2e.test_cli import QUESTION, kb_agent
from tests.e2e.test_service import ask, indexed, new_chat
from tests.server import Server, eventually

pytestmark = pytest.mark.e2e

WRITERS = 4


class Writers:
    """Clients that make chats one after another and note those that were acknowledged."""

    def __init__(self, client: httpx2.Client) -> None:
        self.client = client
        self.made: list[str] = []
        self.enough = threading.Event()

    def have(self, count: int) -> bool:
        return len(self.made) >= count

    def write(self, _: int) -> None:
        while not self.enough.is_set():
            self.made.append(new_chat(self.client))


def test_what_was_acknowledged_before_a_copy_is_there_after_a_restore(folder: Path) -> None:
    copies = folder / "copies"
    copies.mkdir()
    with Server(folder) as server, server.client() as client, ThreadPoolExecutor(WRITERS) as pool:
        eventually(lambda: indexed(client, 3))
        answered = ask(client, new_chat(client), QUESTION)
        writers = Writers(client)
        try:
            running = pool.map(writers.write, range(WRITERS))
            for _ in range(3):
                more = len(writers.made) + 20
                eventually(partial(writers.have, more))
                acknowledged = set(writers.made)
                done = kb_agent(folder, "backup", str(copies), "--keep", "2", "--json")
                assert done.returncode == 0, done.stderr
        finally:
            writers.enough.set()
        list(running)
    made = json.loads(done.stdout)
    assert len(list(copies.iterdir())) == 2
    assert made["chats"] >= len(acknowledged) + 1

    refused = kb_agent(folder, "restore", made["path"])
    assert (refused.returncode, "move it away" in refused.stderr) == (1, True)
    shutil.rmtree(folder / "data")
    restored = kb_agent(folder, "restore", made["path"])
    assert (restored.returncode, "restored to" in restored.stdout) == (0, True), restored.stderr

    with Server(folder) as server, server.client() as client:
        eventually(lambda: indexed(client, 3))
        history = client.get(f"/api/chats/{answered['chat_id']}/messages").json()["items"]
        assert history[1] == answered
        assert all(client.get(f"/api/chats/{chat}").status_code == 200 for chat in acknowledged)
        assert ask(client, answered["chat_id"], QUESTION)["outcome"] == "grounded"


def test_a_folder_without_a_database_has_nothing_to_copy(folder: Path) -> None:
    done = kb_agent(folder, "backup", str(folder / "copy.db"))
    assert (done.returncode, "there is no database; check DATA_DIR" in done.stderr) == (3, True)
