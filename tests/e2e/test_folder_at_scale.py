"""Thousands of files, huge files and the limits of the system: the index becomes what the folder is, in time."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.missing import require
from tests.server import Server, eventually

pytestmark = pytest.mark.e2e

CHECKOUT = 5_000
LONG = 200.0  # seconds until a wait for thousands of files is given up


def names(client: httpx2.Client) -> set[str]:
    """Names of all documents."""
    found: set[str] = set()
    page = {"next_cursor": None}
    while True:
        path = "/api/kb/documents?limit=200"
        page = client.get(path, params={"cursor": c} if (c := page["next_cursor"]) else {}).json()
        found |= {document["name"] for document in page["items"]}
        if page["next_cursor"] is None:
            return found


def fill(folder: Path, count: int, word: str) -> set[str]:
    """Make small documents; give their names."""
    made = {f"t{n % 20}/s{n % 7}/d{n}.md" for n in range(count)}
    for name in made:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# Title of {path.stem}\n\nThe {word} of {path.stem} is known.\n")
    return made


def git(folder: Path, command: str) -> None:
    config = ["-c", "user.email=a@b", "-c", "user.name=a", "-c", "gc.auto=0"]
    subprocess.run(["git", *config, *command.split()], cwd=folder, check=True, capture_output=True)


def state(client: httpx2.Client) -> tuple[int, int, str]:
    status = client.get("/api/kb/status").json()
    return status["indexed"], status["pending"], status["watcher_mode"]


def found(client: httpx2.Client, query: str) -> list[str]:
    """Names of the documents that a search finds."""
    return [hit["document"] for hit in client.get("/api/kb/search", params={"q": query}).json()["hits"]]


@pytest.mark.timeout(900)
def test_a_checkout_of_thousands_is_exact_in_time_while_chats_go_on(tmp_path: Path) -> None:
    require("git")
    root = tmp_path / "knowledge"
    root.mkdir()
    git(root, "init -q .")
    git(root, "commit -q --allow-empty -m none")
    git(root, "branch none")
    wanted = fill(root, CHECKOUT, "first")
    git(root, "add .")
    git(root, "commit -q -m first")
    git(root, "branch first")
    git(root, "checkout -q none")
    with Server(tmp_path) as server, server.client() as client:
        for branch, count in (("first", CHECKOUT), ("none", 0)):
            git(root, f"checkout -q {branch}")
            chat = client.post("/api/chats", json={}).json()["id"]
            answer = client.post(f"/api/chats/{chat}/messages", json={"content": "Hello!"})
            assert answer.json()["status"] == "completed"
            eventually(lambda: state(client)[:2] == (count, 0), LONG, f"{count} documents")  # noqa: B023
            assert names(client) == (wanted if count else set())
            assert found(client, "known title of d4711")[:1] == (["t11/s0/d4711.md"] if count else [])


def peak(server: Server) -> int:
    """Most memory the process ever had, in MB."""
    text = Path(f"/proc/{server.pid}/status").read_text()
    return next(int(line.split()[1]) // 1024 for line in text.splitlines() if line.startswith("VmHWM"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")
def test_a_copy_of_300_mb_is_refused_without_being_read_and_never_found_in_part(folder: Path) -> None:
    big = folder / "big.md"
    with big.open("wb") as file:
        line = b"The albatross flies over the lighthouse at noon.\n"
        file.writelines(line * 20_000 for _ in range(300))
    with Server(folder) as server, server.client() as client:
        assert client.get("/api/kb/status?wait_for=*").json()["indexed"] == 3
        before = peak(server)
        copying = subprocess.Popen(["cp", str(big), str(server.knowledge / "big.md")])
        while copying.poll() is None:
            assert client.get("/api/kb/search?q=albatross").json()["hits"] == []
        refused = client.get("/api/kb/status?wait_for=big.md").json()
        assert (refused["code"], "too_large" in refused["detail"]) == ("file_skipped", True)
        assert client.get("/api/kb/search?q=albatross").json()["hits"] == []
        assert peak(server) - before < 40
    big.unlink()
    (folder / "knowledge/big.md").unlink()


def test_more_events_than_the_system_keeps_hide_no_file(folder: Path) -> None:
    with Server(folder) as server, server.client() as client:
        client.get("/api/kb/status?wait_for=*")
        os.kill(server.pid, signal.SIGSTOP)
        for n in range(9_000):
            (server.knowledge / f"noise{n}.log").write_text("x")
        late = fill(server.knowledge, 50, "late")
        os.kill(server.pid, signal.SIGCONT)
        eventually(lambda: late < names(client), LONG, "files whose events were lost")
        assert state(client)[0] == 53


def limited(watches: int) -> list[str]:
    """A command that runs another with so many watches: in a user namespace, where it limits nobody else."""
    require("unshare", "nsenter")
    allow = f"echo {watches} > /proc/sys/user/max_inotify_watches"
    namespace = ["unshare", "--user", "--map-root-user", "sh", "-c"]
    if subprocess.run([*namespace, allow], capture_output=True, check=False).returncode:
        pytest.skip("user namespaces are not permitted here")
    return [*namespace, f'{allow}; exec "$@"', "sh"]


def allow(server: Server, watches: int) -> None:
    """Change the limit of a process that runs."""
    command = f"echo {watches} > /proc/sys/user/max_inotify_watches"
    enter = ["nsenter", "--user", "--preserve-credentials", "--target", str(server.pid)]
    subprocess.run([*enter, "sh", "-c", command], check=True)


def told(server: Server, message: str) -> list[dict[str, str]]:
    """Lines of the log with this message."""
    lines = (json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{"))
    return [line for line in lines if line["message"] == message]


@pytest.fixture
def wide(tmp_path: Path) -> Iterator[Path]:
    fill(tmp_path / "knowledge", 140, "wide")  # in 160 directories
    yield tmp_path
    shutil.rmtree(tmp_path / "knowledge")


def test_where_the_system_allows_too_few_watches_the_folder_is_polled_until_it_allows_more(wide: Path) -> None:
    with Server(wide, within=limited(20)) as server, server.client() as client:
        eventually(lambda: state(client) == (140, 0, "poll"))
        (server.knowledge / "t3/s3/d3.md").write_text("# Changed\n\nThe pelican is here.\n")
        eventually(lambda: bool(client.get("/api/kb/search?q=pelican").json()["hits"]))
        metrics = client.get("/metrics").text
        assert 'kb_agent_knowledge_watcher_mode{mode="poll"} 1.0' in metrics
        assert client.get("/readyz").json()["details"]["watcher_mode"] == "poll"
        (line,) = told(server, "watching by poll")
        assert "limit" in line["reason"] or "space" in line["reason"]
        allow(server, 10_000)
        eventually(lambda: state(client)[2] == "events")


def test_where_the_watches_run_out_later_no_change_is_missed(wide: Path) -> None:
    settings = {"KB_SCAN_INTERVAL": "2"}
    with Server(wide, settings, limited(400)) as server, server.client() as client:
        eventually(lambda: state(client) == (140, 0, "events"))
        allow(server, 1)
        for n in range(4):
            made = server.knowledge / f"new{n}" / "sub"
            made.mkdir(parents=True)
            (made / "a.md").write_text(f"# New {n}\n\nThe cormorant number {n} is here.\n")
            eventually(lambda: f"new{n}/sub/a.md" in names(client), what="a file in a folder without a watch")  # noqa: B023
            (made / "a.md").write_text(f"# New {n}\n\nThe gannet{n} is here.\n")
            eventually(lambda: found(client, f"gannet{n}")[:1] == [f"new{n}/sub/a.md"], what="the change")  # noqa: B023
        assert found(client, "cormorant") == []  # what the files held before
        assert state(client)[0] == 144
