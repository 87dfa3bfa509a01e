"""What was written is what is found: status that waits, revisions in every reply, and events that carry them."""

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest

from tests.e2e.conftest import write_documents
from tests.server import PATIENCE, Server, events, eventually
from tests.terminal import kb_agent

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose folder these tests change."""
    with Server(write_documents(tmp_path_factory.mktemp("own"))) as server:
        yield server


def test_a_document_can_be_read_where_its_citation_points_whatever_its_name_holds(own: Server) -> None:
    names = (
        "odd/line\nbreak.md",
        "odd\nfolder/ends\n",
        "odd\nfolder/ends",
        "odd/#50%41 of what?.md",
        "odd/ blanks .md",
        "odd/back\\slash;a=b.md",
        "odd/U\u0308bung.md",
    )
    words = ("narwhal", "axolotl", "pangolin", "wombat", "platypus", "quokka", "okapi")
    with own.client() as client:
        chat = client.post("/api/chats").json()["id"]
        for name, word in zip(names, words, strict=True):
            path = own.knowledge / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"# Habitat\n\nThe {word} lives in the northern hall.\n")
            client.get("/api/kb/status", params={"wait_for": name, "timeout": 60}).raise_for_status()
            question = {"content": f"Where does the {word} live?"}
            answer = client.post(f"/api/chats/{chat}/messages", json=question).json()
            cited = client.get(answer["citations"][0]["url"]).json()
            assert (cited["name"], cited["text"]) == (name, f"The {word} lives in the northern hall.")
            missing = client.get(f"/api/kb/documents/{quote(name)}x")
            assert (missing.status_code, missing.json()["instance"]) == (404, f"/api/kb/documents/{quote(name)}x")
            path.unlink()


def test_what_status_waited_for_is_what_a_search_finds(own: Server) -> None:
    with own.client() as client:
        for n in range(5):
            text = f"# Tides\n\nThe tide table number {n} holds.\n"
            (own.knowledge / "guide/tides.md").write_text(text)
            awaited = ("guide/tides.md", hashlib.sha256(text.encode()).hexdigest())[n % 2]
            status = client.get("/api/kb/status", params={"wait_for": awaited, "timeout": 60}).json()
            found = client.get("/api/kb/search", params={"q": "tide table"}).json()
            read = client.get("/api/kb/documents/guide/tides.md").json()
            assert found["hits"][0]["excerpt"] in text
            assert read["text"] in text
            assert found["revision"] == read["kb_revision"] == status["revision"]
            assert found["hits"][0]["revision"] == read["revision"] == hashlib.sha256(text.encode()).hexdigest()
        (own.knowledge / "guide/tides.md").unlink()
        assert client.get("/api/kb/status", params={"wait_for": "guide/tides.md@gone"}).status_code == 200
        assert client.get("/api/kb/documents/guide/tides.md").status_code == 404


def test_a_wait_in_vain_is_a_problem_that_tells_what_to_do(own: Server) -> None:
    (own.knowledge / "photo.md").write_bytes(b"\x89PNG\x00")
    with own.client() as client:
        skipped = client.get("/api/kb/status", params={"wait_for": "photo.md", "timeout": 300})
        assert (skipped.status_code, skipped.json()["code"]) == (409, "file_skipped")
        assert "not_text" in skipped.json()["detail"]
        (own.knowledge / "photo.md").unlink()
        late = client.get("/api/kb/status", params={"wait_for": "none.md", "timeout": 0.3})
        assert (late.status_code, late.json()["code"]) == (409, "not_live")
        assert client.get("/api/kb/status", params={"wait_for": "a", "timeout": 0}).status_code == 422


def test_a_scan_tells_what_changed_and_its_event_and_answers_carry_the_revision(folder: Path) -> None:
    quiet = {"KB_WATCH": "off", "KB_SCAN_INTERVAL": "3600"}  # so that this scan is the one that finds it
    with Server(folder, quiet) as server, server.client() as client:
        assert client.get("/api/kb/status?wait_for=*").status_code == 200
        with events(client, "GET", "/api/events") as told:
            (server.knowledge / "guide/fog.md").write_text("# Fog\n\nThe horn sounds every thirty seconds.\n")
            changes = client.post("/api/kb/reindex").json()
            assert (changes["added"], changes["changed"], changes["removed"]) == (1, 0, 0)
            event = next(event for event in told if event.type == "kb.updated")
            assert (event.data["added"], event.data["revision"]) == (["guide/fog.md"], changes["revision"])
            chat = client.post("/api/chats", json={}).json()["id"]
            answer = client.post(f"/api/chats/{chat}/messages", json={"content": "How often does the horn sound?"})
            assert answer.json()["kb_revision"] == changes["revision"]
            assert client.get("/api/kb/status").json()["revision"] == changes["revision"]


def test_the_command_line_waits_and_tells_what_cannot_be_searched(own: Server, tmp_path: Path) -> None:
    (own.knowledge / "guide/buoys.md").write_text("# Buoys\n\nBuoys are painted red.\n")
    (own.knowledge / "guide/scan.md").write_bytes(b"\x00")
    done = kb_agent(tmp_path, "index", "--wait", "--server", own.base_url)
    assert (done.returncode, "skipped guide/scan.md: not_text" in done.stdout) == (0, True)
    failed = kb_agent(tmp_path, "index", "--wait", "guide/buoys.md", "guide/scan.md", "--server", own.base_url)
    assert failed.returncode == 1
    assert "guide/scan.md: It is not indexed: not_text" in failed.stderr
    assert "guide/buoys.md" not in failed.stderr
    assert kb_agent(tmp_path, "index", "guide/buoys.md").returncode == 2


def test_clients_that_leave_free_their_places(own: Server) -> None:
    with own.client(timeout=0.02) as hasty:
        for _ in range(130):
            with pytest.raises(httpx2.TimeoutException):
                hasty.get("/api/kb/status?wait_for=none.md&timeout=300")
    with own.client() as client:
        eventually(lambda: client.get("/api/kb/status?wait_for=*").status_code == 200)


def test_a_server_that_is_told_to_stop_answers_who_waits(folder: Path) -> None:
    with Server(folder) as server, server.client() as client:
        address = ("127.0.0.1", int(server.base_url.rpartition(":")[2]))
        with socket.create_connection(address, timeout=PATIENCE) as waiting:
            path = "/api/kb/status?wait_for=none.md&timeout=300"
            waiting.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            for _ in range(3):  # what was sent before is under way once these are answered
                client.get("/livez")
            assert server.stop() == 0
            told = b"".join(iter(lambda: waiting.recv(65_536), b""))
        assert b'"not_live"' in told
    assert "Traceback" not in server.log.read_text()
