"""Copies of the database: whole, checked, and brought back only where nothing is lost by it."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from service.backup import back_up, restore, verify
from service.chats.events import EventLog, Scope
from service.chats.store import ChatStore
from service.database import FILE_NAME, open_database
from service.errors import DatabaseUnusable, DataDirectoryLocked, StorageError

ANN = Scope("ann")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def fill(data: Path, chats: int = 3) -> None:
    async with open_database(data) as db:
        store = ChatStore(db, EventLog(db))
        for number in range(chats):
            await store.create("ann", f"chat {number}", {})


async def test_a_copy_holds_what_was_committed_while_the_service_goes_on(tmp_path: Path) -> None:
    data, target = tmp_path / "data", tmp_path / "copy.db"
    async with open_database(data) as db:
        store = ChatStore(db, EventLog(db))
        await store.create("ann", "before", {})
        made = back_up(data, target)
        await store.create("ann", "after", {})

    assert (made.path, made.chats, made.messages) == (target, 1, 0)
    assert made == verify(target)
    assert target.stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == {"data", "copy.db"}


async def test_a_restored_copy_is_the_database_again_and_gives_no_event_id_twice(tmp_path: Path) -> None:
    data, copy, other = tmp_path / "data", tmp_path / "copy.db", tmp_path / "new" / "data"
    await fill(data)
    back_up(data, copy)
    async with open_database(data) as db:
        log = EventLog(db)
        for _ in range(3):
            lost = await ChatStore(db, log).create("ann", "after the copy", {})
        told = await log.last_id(ANN)

    assert restore(copy, other).chats == 3
    async with open_database(other) as db:
        log, store = EventLog(db), ChatStore(db, EventLog(db))
        assert lost.id not in {chat.id for chat in (await store.page("ann", 10)).items}
        assert not await log.knows(ANN, told)
        await store.create("ann", "new", {})
        assert not await log.knows(ANN, told)
        assert await log.last_id(ANN) > told
        assert (await store.page("ann", 10, words="new")).items[0].title == "new"


async def test_in_a_folder_copies_get_names_by_time_and_old_ones_go(tmp_path: Path) -> None:
    data, target = tmp_path / "data", tmp_path / "copies"
    await fill(data)
    made = [back_up(data, target, keep=2).path]  # which makes the folder
    (target / "mine.db").touch()
    made += [back_up(data, target, keep=2).path for _ in range(3)]

    assert sorted(target.iterdir()) == sorted([*made[2:], target / "mine.db"])


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _run(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_cut, "damaged|cannot be read"),
        (lambda path: path.write_text("no database " * 900), "cannot be read"),
        (lambda path: _run(path, "PRAGMA application_id = 7"), "no copy"),
        (lambda path: _run(path, "PRAGMA user_version = 999"), "newer"),
        (lambda path: path.unlink(), "no such file"),
    ],
    ids=["cut", "text", "foreign", "newer", "missing"],
)
async def test_what_is_no_sound_copy_is_refused_and_nothing_is_made(
    tmp_path: Path, damage: Callable[[Path], object], words: str
) -> None:
    copy, other = tmp_path / "copy.db", tmp_path / "other"
    await fill(tmp_path / "data")
    back_up(tmp_path / "data", copy)
    damage(copy)
    with pytest.raises(DatabaseUnusable, match=words):
        restore(copy, other)
    assert not (other / FILE_NAME).exists()


async def test_nothing_that_exists_is_written_over(tmp_path: Path) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy.db"
    await fill(data)
    back_up(data, copy)
    with pytest.raises(StorageError, match="exists already"):
        back_up(data, copy)
    with pytest.raises(StorageError, match="move it away"):
        restore(copy, data)
    async with open_database(data):
        with pytest.raises(DataDirectoryLocked):
            restore(copy, data)


async def test_a_copy_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    await fill(tmp_path / "data")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be written"):
        back_up(tmp_path / "data", tmp_path / "file" / "copy.db")
    with pytest.raises(DatabaseUnusable, match="check DATA_DIR"):
        back_up(tmp_path / "nowhere", tmp_path / "copy.db")
    assert names(tmp_path) == {"data", "file"}
