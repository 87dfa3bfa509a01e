"""The drill: copies taken while questions are posted, the data lost, the newest copy brought back and served."""

import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx2
import pytest

from tests.e2e.test_cli import QUESTION
from tests.e2e.test_service import ask, indexed, new_chat
from tests.missing import require
from tests.server import Server, eventually
from tests.terminal import kb_agent

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


def beside(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run kb-agent where the data folder is mounted read-only, as the pod of the backup has it."""
    require("unshare", "mount")
    mounted = 'mount --bind "$DATA_DIR" "$DATA_DIR" && mount -o remount,bind,ro "$DATA_DIR"'
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    environment = {**os.environ, "DATA_DIR": str(folder / "data"), "HOST": "0.0.0.0"}
    if subprocess.run([*namespace, mounted], env=environment, capture_output=True, check=False).returncode:
        pytest.skip("user namespaces are not permitted here")
    command = [*namespace, f'{mounted} && ! touch "$DATA_DIR/x" 2>&- && exec "$@"', "sh"]
    command += [sys.executable, "-m", "service", *arguments]
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_reader_of_the_volume_copies_what_a_running_service_has_acknowledged(folder: Path) -> None:
    copies = folder / "copies"
    copies.mkdir()
    with Server(folder) as server, server.client() as client:
        made = [new_chat(client) for _ in range(3)]
        running = beside(folder, "backup", str(copies), "--json")
    assert running.returncode == 0, running.stderr
    assert json.loads(running.stdout)["chats"] == len(made)

    stopped = beside(folder, "backup", str(copies))
    assert (stopped.returncode, len(list(copies.iterdir()))) == (1, 1)
    assert "while no service runs on it, its folder must be writable" in stopped.stderr
