"""The database file: group commit, deadlines, the lock, what it refuses to open, migrations."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from service import schema
from service.database import FILE_NAME, Database, Transaction, load_queries, open_database
from service.errors import DatabaseUnusable, DataDirectoryLocked, ReadDeadlineExceeded, StorageError
from tests.full_disk import files_limited

EVENT = "INSERT INTO events (type, data, created_at) VALUES (?, '{}', '2026-01-01T00:00:00.000Z')"
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(tmp_path) as database:
        yield database


def insert(word: str) -> Callable[[Transaction], sqlite3.Cursor]:
    return lambda tx: tx.execute(EVENT, (word,))


def types(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT type FROM events ORDER BY id")]


async def test_a_write_is_readable_once_it_returns(db: Database) -> None:
    await db.write(lambda tx: tx.execute(EVENT, ("one",)))
    assert await db.read(types) == ["one"]


async def test_writes_that_wait_together_share_a_commit(tmp_path: Path) -> None:
    commits: list[int] = []
    async with open_database(tmp_path, observe=lambda _, writes, __: commits.append(writes)) as db:
        await asyncio.gather(*(db.write(insert(str(n))) for n in range(50)))
        assert sum(commits) == 50
        assert len(commits) < 10
        assert await db.read(types) == [str(n) for n in range(50)]


async def test_a_bulky_write_lets_those_that_wait_go_first_and_shares_no_commit(tmp_path: Path) -> None:
    commits: list[int] = []
    async with open_database(tmp_path, observe=lambda _, writes, __: commits.append(writes)) as db:
        await asyncio.gather(db.write(insert("bulky"), bulky=True), *(db.write(insert(str(n))) for n in range(3)))
        assert await db.read(types) == ["0", "1", "2", "bulky"]
        assert commits == [3, 1]


async def test_a_bulky_write_is_not_put_off_for_ever(db: Database) -> None:
    writes = [db.submit(insert("first"), bulky=True), *(db.submit(insert(str(n))) for n in range(300))]
    await asyncio.gather(*writes)
    assert (await db.read(types)).index("first") < 100


async def test_a_write_that_fails_undoes_itself_and_nothing_else(db: Database) -> None:
    def failing(tx: Transaction) -> None:
        tx.execute(EVENT, ("lost",))
        raise LookupError("on purpose")

    results = await asyncio.gather(
        db.write(lambda tx: tx.execute(EVENT, ("first",))),
        db.write(failing),
        db.write(lambda tx: tx.execute("INSERT INTO missing VALUES (1)")),
        db.write(lambda tx: tx.execute(EVENT, ("last",))),
        return_exceptions=True,
    )
    assert isinstance(results[1], LookupError)
    assert isinstance(results[2], StorageError)
    assert await db.read(types) == ["first", "last"]


async def test_callbacks_run_in_commit_order_and_only_for_what_was_stored(db: Database) -> None:
    heard: list[int] = []

    def work(tx: Transaction, number: int) -> None:
        tx.after_commit(lambda: heard.append(number))
        if number == 2:
            raise LookupError

    await asyncio.gather(*(db.write(partial(work, number=n)) for n in range(5)), return_exceptions=True)
    assert heard == [0, 1, 3, 4]


async def test_of_a_commit_that_fails_nothing_is_told_and_every_writer_hears_of_it(db: Database) -> None:
    heard: list[str] = []

    def orphan(tx: Transaction) -> None:
        tx.after_commit(lambda: heard.append("orphan"))
        tx.execute("PRAGMA defer_foreign_keys = ON")  # what breaks is noticed by the commit alone
        tx.execute("INSERT INTO turns (id, chat_id, question_id) VALUES ('t', 'none', 'none')")

    def sound(tx: Transaction) -> None:
        tx.after_commit(lambda: heard.append("sound"))
        insert("sound")(tx)

    found = await asyncio.gather(db.write(sound), db.write(orphan), return_exceptions=True)
    assert [type(one) for one in found] == [StorageError, StorageError]
    assert (heard, await db.read(types)) == ([], [])
    await db.write(sound)
    assert (heard, await db.read(types)) == (["sound"], ["sound"])


async def test_a_callback_that_fails_stops_neither_the_writer_nor_its_callers(db: Database) -> None:
    heard: list[int] = []

    def work(tx: Transaction, number: int) -> int:
        tx.after_commit(lambda: heard.append(10 // number))
        return number

    async with asyncio.timeout(10):
        found = await asyncio.gather(*(db.write(partial(work, number=n)) for n in range(3)))
        await db.write(lambda tx: tx.execute(EVENT, ("next",)))
    assert (found, heard, await db.read(types)) == ([0, 1, 2], [10, 5], ["next"])


async def test_a_cancelled_writer_neither_breaks_the_group_nor_undoes_the_write(db: Database) -> None:
    task = asyncio.create_task(db.write(lambda tx: tx.execute(EVENT, ("kept",))))
    await asyncio.sleep(0)
    task.cancel()
    await db.write(lambda tx: tx.execute(EVENT, ("next",)))
    assert await db.read(types) == ["kept", "next"]


async def test_a_read_is_stopped_at_its_deadline_and_the_reader_serves_on(db: Database) -> None:
    with pytest.raises(ReadDeadlineExceeded):
        await db.read(lambda c: c.execute(ENDLESS).fetchone(), deadline=0.05)
    assert await db.read(types) == []


async def test_a_read_sees_one_state_of_the_database(db: Database) -> None:
    def twice(connection: sqlite3.Connection) -> tuple[list[str], list[str]]:
        before = types(connection)
        with contextlib.closing(sqlite3.connect(db.path)) as other:
            other.execute(EVENT, ("meanwhile",))
            other.commit()
        return before, types(connection)

    assert await db.read(twice) == ([], [])
    assert await db.read(types) == ["meanwhile"]


async def test_readers_cannot_write(db: Database) -> None:
    with pytest.raises(StorageError):
        await db.read(lambda c: c.execute(EVENT, ("never",)))


async def test_a_closed_database_refuses_writes_after_finishing_those_that_wait(tmp_path: Path) -> None:
    async with open_database(tmp_path) as db:
        waiting = [asyncio.create_task(db.write(lambda tx: tx.execute(EVENT, ("w",)))) for _ in range(5)]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    with pytest.raises(StorageError):
        await db.write(lambda tx: tx.execute(EVENT, ("late",)))
    async with open_database(tmp_path) as db:
        assert await db.read(types) == ["w"] * 5


async def test_the_log_is_folded_into_the_file_when_closed(tmp_path: Path) -> None:
    async with open_database(tmp_path) as db:
        await db.write(lambda tx: tx.execute(EVENT, ("one",)))
        assert db.wal_bytes() > 0
    with sqlite3.connect(tmp_path / FILE_NAME) as copy:
        assert types(copy) == ["one"]
    copy.close()


async def test_a_disk_that_is_full_in_the_midst_of_a_write_is_named_as_the_reason(db: Database) -> None:
    with files_limited(db.file_bytes() + db.wal_bytes()), pytest.raises(StorageError, match="disk"):
        await db.write(lambda tx: [insert("long " * 100_000)(tx) for _ in range(20)])
    await db.write(insert("one"))
    assert await db.read(types) == ["one"]


async def test_a_full_disk_does_not_keep_the_database_from_closing(tmp_path: Path) -> None:
    with contextlib.ExitStack() as disk:
        async with open_database(tmp_path) as db:
            await db.truncate_log()
            await asyncio.gather(*(db.write(insert("long " * 100)) for _ in range(50)))
            disk.enter_context(files_limited(db.file_bytes()))
        assert db.wal_bytes() > 0
    async with open_database(tmp_path) as db:
        assert len(await db.read(types)) == 50


async def test_the_file_is_in_wal_mode_fully_synchronous_and_marked_as_ours(db: Database) -> None:
    def pragmas(tx: Transaction) -> list[int | str]:
        names = ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "application_id")
        return [tx.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert await db.write(pragmas) == ["wal", 2, 1, 1, schema.APPLICATION_ID]


async def test_the_files_are_for_their_owner_alone(db: Database) -> None:
    await db.write(insert("one"))
    for path in (db.path, db.path.with_name(db.path.name + "-wal")):
        assert path.stat().st_mode & 0o077 == 0


async def test_a_second_process_is_refused_the_data_directory(db: Database, tmp_path: Path) -> None:
    with pytest.raises(DataDirectoryLocked, match="another process"):
        async with open_database(tmp_path):
            pass


async def test_a_data_directory_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="DATA_DIR"):
        async with open_database(tmp_path / "file" / "data"):
            pass


async def test_opening_again_keeps_what_was_stored_and_migrates_nothing_twice(tmp_path: Path) -> None:
    for word in ("first", "second"):
        async with open_database(tmp_path) as db:
            await db.write(insert(word))
    async with open_database(tmp_path) as db:
        assert await db.read(types) == ["first", "second"]


def test_queries_are_read_by_name() -> None:
    queries = load_queries("events")
    assert "FROM events WHERE id = ?" in queries["find"]
    assert "append" in queries


def _run(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def _zero_pages(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for page in range(4, len(data) // 4096, 2):
        data[page * 4096 : (page + 1) * 4096] = bytes(4096)
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(b"this is no database at all, but a text\n" * 200), "restore a backup"),
        (lambda path: _run(path, "PRAGMA user_version = 9999"), "newer"),
        (lambda path: _run(path, "PRAGMA application_id = 42"), "another program"),
        (_zero_pages, "restore a backup"),
    ],
    ids=["not a database", "newer than the code", "of another program", "damaged pages"],
)
async def test_a_file_that_cannot_be_served_is_refused_and_left_alone(
    tmp_path: Path, damage: Callable[[Path], object], words: str
) -> None:
    async with open_database(tmp_path) as db:
        await db.write(lambda tx: [tx.execute(EVENT, (str(n) * 50,)) for n in range(500)])
    path = tmp_path / FILE_NAME
    damage(path)
    before = path.read_bytes()
    with pytest.raises(DatabaseUnusable, match=words):
        async with open_database(tmp_path):
            pass
    assert path.read_bytes() == before
