"""Upgrades: from every earlier schema to this one, with a way back, and whole again after a kill at any write."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from service.schema import equip, latest_version, open_writer
from tests.architecture.source import ROOT

MIGRATIONS = sorted((ROOT / "service/sql/migrations").glob("*.sql"))
OPEN = (
    "import sys, pathlib; from service.schema import open_writer; open_writer(pathlib.Path(sys.argv[1])).close()"
)
TITLE = "lamps 服务端口"
CHAT = "INSERT INTO chats (id, owner, title, created_at, updated_at) VALUES ('c', 'ann', ?, 'now', 'now')"


def former(path: Path, version: int) -> Path:
    """Make the database that the release with schema `version` left, with a chat."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        equip(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        for script in MIGRATIONS[:version]:
            connection.executescript(script.read_text())
        connection.execute(CHAT, (TITLE,))
        connection.execute("PRAGMA application_id = 1801601383")
        connection.execute(f"PRAGMA user_version = {version}")
    return path


def schema_of(path: Path) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()


def title_in(path: Path, word: str = "lamps") -> str:
    with closing(sqlite3.connect(path)) as connection:
        (title,) = connection.execute(
            "SELECT title FROM chats WHERE seq IN (SELECT rowid FROM titles_fts WHERE titles_fts MATCH ?)", (word,)
        ).fetchone()
        return str(title)


@pytest.fixture
def newest(tmp_path: Path) -> list[tuple[str, ...]]:
    open_writer(tmp_path / "new.db").close()
    return schema_of(tmp_path / "new.db")


def test_every_migration_has_a_number_of_its_own() -> None:
    assert [path.name[:4] for path in MIGRATIONS] == [f"{n:04}" for n in range(1, latest_version() + 1)]


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_an_earlier_schema_becomes_the_newest_and_keeps_its_chats(
    tmp_path: Path, newest: list[tuple[str, ...]], version: int
) -> None:
    path = former(tmp_path / "old.db", version)
    before = schema_of(path)
    open_writer(path).close()

    assert schema_of(path) == newest
    assert title_in(path) == title_in(path, '"端 口"') == TITLE
    kept = tmp_path / f"old-schema-{version}.db"
    assert (schema_of(kept), title_in(kept)) == (before, TITLE)
    assert kept.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("version", [0, 1])
def test_an_upgrade_that_is_killed_at_a_write_is_done_by_the_next_start(
    tmp_path: Path, newest: list[tuple[str, ...]], version: int
) -> None:
    if shutil.which("strace") is None:
        pytest.skip("there is no strace: apt-get install strace")
    killed = 0
    for call in ("pwrite64", "fdatasync"):
        for number in (1, 3, 8, 21, 55):
            path = tmp_path / f"{call}{number}.db"
            if version:
                former(path, version)
            inject = f"inject={call}:signal=KILL:when={number}"
            command = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]
            done = subprocess.run(
                [*command, sys.executable, "-c", OPEN, str(path)], cwd=ROOT, capture_output=True, check=False
            )
            assert done.returncode in {0, -signal.SIGKILL, 128 + signal.SIGKILL}, done.stderr
            killed += done.returncode != 0
            open_writer(path).close()
            assert schema_of(path) == newest
            assert not version or title_in(path) == TITLE
    assert killed > 3
