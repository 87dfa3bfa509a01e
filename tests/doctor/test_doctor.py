"""`kb-agent doctor` as a whole: a sound installation, one that runs, and each thing that may be broken."""

import json
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from service.access.records import KeyScope
from service.access.store import KeyStore, Terms
from service.database import open_database
from service.doctor import knowledge, serving, storage
from service.doctor.findings import Finding, Level
from service.kb.folder import Folder
from service.settings import Settings
from tests.e2e.conftest import write_documents
from tests.server import Server
from tests.terminal import kb_agent

pytestmark = pytest.mark.e2e


def doctor(folder: Path, **settings: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit code and findings by check."""
    done = kb_agent(folder, "doctor", "--json", **settings)
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert report["ok"] == (done.returncode == 0)
    return done.returncode, {finding["check"]: finding for finding in report["findings"]}


def test_a_fresh_installation_is_well_and_nothing_is_made(tmp_path: Path) -> None:
    done = kb_agent(write_documents(tmp_path), "doctor", PORT="0")
    assert (done.returncode, "0 broken, 0 to look at" in done.stdout) == (0, True), done.stdout
    assert not (tmp_path / "data").exists()


def test_a_service_that_runs_is_found_and_left_alone(tmp_path: Path) -> None:
    with Server(write_documents(tmp_path)) as server:
        code, found = doctor(tmp_path)
        assert (code, found["running"]["detail"]) == (0, f"{server.base_url} is ready")
        assert found["lock"]["detail"] == f"held by process {server.pid}"
        assert "sound" in found["database"]["detail"]
        with server.client() as client:
            assert client.get("/readyz").status_code == 200


def test_wrong_settings_and_names_that_are_none_are_told(tmp_path: Path) -> None:
    code, found = doctor(write_documents(tmp_path), PORT="many", LLM_MAX_CALLS="0")
    assert (code, set(found)) == (1, {"PORT", "LLM_MAX_CALLS"})
    code, found = doctor(tmp_path, LLM_BASEURL="http://localhost", PORT="0")
    assert (code, "did you mean LLM_BASE_URL" in found["LLM_BASEURL"]["fix"]) == (0, True)


def test_a_port_in_use_and_a_folder_that_is_not_there_are_broken(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        code, found = doctor(tmp_path, PORT=str(taken.getsockname()[1]))
    assert (code, found["port"]["level"], found["folder"]["level"]) == (1, "broken", "broken")
    assert "choose another" in found["port"]["fix"]
    assert "KNOWLEDGE_DIR" in found["folder"]["fix"]


async def test_whether_others_need_a_key_counts_those_of_the_database(tmp_path: Path) -> None:
    settings = Settings(host="0.0.0.0", port=0, data_dir=tmp_path, admin_key=None, allow_anonymous=False)

    async def exposure() -> Finding:
        return {finding.check: finding async for finding in serving.examine(settings)}["exposure"]

    assert (await exposure()).fix.startswith("run `kb-agent keys create")
    async with open_database(tmp_path) as db:
        for name in ("ann", "bob"):
            await KeyStore(db).create(name, Terms(frozenset(KeyScope)))
        await KeyStore(db).revoke("bob")
        found = await exposure()
        assert (found.level, "the database keeps 1" in found.detail) == (Level.OK, True)
        await KeyStore(db).revoke("ann")
    found = await exposure()
    assert (found.level, "expired or were revoked" in found.detail) == (Level.NOTE, True)


def _damaged(path: Path) -> None:
    path.write_bytes(b"not a database at all " * 300)


def _foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")


def _newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA application_id = 1801601383")
        connection.execute("PRAGMA user_version = 9999")


@pytest.mark.parametrize(
    ("spoil", "told", "fix"),
    [(_damaged, "damaged", "restore"), (_foreign, "another program", "DATA_DIR"), (_newer, "newer", "release")],
)
def test_a_database_that_cannot_be_used_is_broken(
    tmp_path: Path, spoil: Callable[[Path], None], told: str, fix: str
) -> None:
    spoil(tmp_path / "kb-agent.db")
    finding = {finding.check: finding for finding in storage.examine(tmp_path)}["database"]
    assert (finding.level, told in finding.detail, fix in finding.fix) == (Level.BROKEN, True, True)


def test_a_data_directory_that_is_a_file_is_broken(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    finding = next(iter(storage.examine(tmp_path / "data")))
    assert (finding.level, "DATA_DIR" in finding.fix) == (Level.BROKEN, True)


def test_skipped_files_and_an_empty_folder_are_to_be_looked_at(tmp_path: Path) -> None:
    def examined() -> dict[str, Finding]:
        folder = Folder(tmp_path, frozenset({".md"}), 1000)
        return {finding.check: finding for finding in knowledge.examine(folder, "auto")}

    assert "KB_EXTENSIONS" in examined()["folder"].fix
    (tmp_path / "long.md").write_text("word " * 1000)
    (tmp_path / "good.md").write_text("A word.\n")
    found = examined()
    assert (found["folder"].level, found["skipped"].level) == (Level.OK, Level.WARNING)
    assert "long.md" in found["skipped"].detail
    assert found["watching"].level is Level.OK
