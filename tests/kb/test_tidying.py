"""The full-text index is merged while it keeps still, and nothing of what was removed is left in the files."""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator

import pytest

from service.database import Database
from service.kb import rows
from service.kb.search import KnowledgeBase
from service.kb.tidying import Tidying
from tests.full_disk import files_limited
from tests.kb.live import eventually
from tests.kb.shelf import add, document, fill, insert, opened
from tests.kb.test_rows import check_index, purge_all

SECRET = b"zebraquartz"


def holds_secret(db: Database) -> bool:
    """Whether any file of the database has the word, in text or index."""
    files = (db.path, db.path.with_name(f"{db.path.name}-wal"))
    return any(SECRET in file.read_bytes().lower() for file in files)


def text(number: int, more: str = "") -> str:
    return "".join(f"## Part {n}\n\nlantern {number} keeper{n} {more}\n\n" for n in range(5))


async def due_twice(tidying: Tidying) -> bool:
    """Whether it is due after two looks, long after all that was."""
    await tidying.due(1e12)
    return await tidying.due(1e12)


async def segments(db: Database) -> int:
    """In how many segments the full-text index is, by the numbers that its pages carry."""
    sql = "SELECT count(DISTINCT id >> 37) FROM passages_fts_data WHERE id > 10"
    return int(await db.read(lambda c: c.execute(sql).fetchone()[0]))


@pytest.mark.parametrize("how", ["removed", "replaced", "half written"])
async def test_no_word_of_a_document_that_is_served_no_more_is_left_in_the_files(how: str) -> None:
    secret = "# Zebraquartz\n\n" + "The zebraquartz of the keeper.\n\n" * 200
    async with opened() as db:
        kb, tidying = KnowledgeBase(db, search_timeout=60), Tidying(db)
        await fill(db, {f"{n}.md": text(n) for n in range(40)})
        if how == "half written":
            prepared = rows.prepare(document("new.md", text(7, "zebraquartz ") * rows.PART))
            await db.write(lambda tx: insert(tx, prepared))
        else:
            await add(db, "notes.md", secret)
        await tidying.tidy()
        assert holds_secret(db)
        if how == "removed":
            await db.write(lambda tx: rows.delete_document(tx, "notes.md"))
        elif how == "replaced":
            await add(db, "notes.md", text(41))
        await purge_all(db)

        assert await due_twice(tidying)
        assert await tidying.tidy()
        assert not holds_secret(db)
        assert not await due_twice(tidying)
        await check_index(db)
        assert not (await kb.search("zebraquartz")).hits
        assert (await kb.search("lantern 7")).hits[0].document == "7.md"


async def test_what_is_merged_is_one_segment_and_found_as_before() -> None:
    async with opened() as db:
        kb, tidying = KnowledgeBase(db, search_timeout=60), Tidying(db)
        for number in range(12):
            await add(db, f"{number}.md", text(number))
        before = await kb.search("lantern 7")
        assert await segments(db) > 1
        assert await tidying.tidy()

        assert await segments(db) == 1
        assert (await kb.search("lantern 7")).hits == before.hits


async def test_an_index_that_changes_is_left_alone_until_it_keeps_still_or_a_minute_has_passed() -> None:
    async with opened() as db:
        tidying, due = Tidying(db), []
        for number, moment in enumerate((0, 2, 30, 59, 60)):
            await add(db, f"{number}.md", text(number))
            due.append(await tidying.due(moment))
        assert due == [False, False, False, False, True]

        assert await tidying.tidy()
        await add(db, "6.md", text(6))
        assert not await tidying.due(1e12)
        assert await tidying.due(1e12)


async def test_rows_that_wait_to_be_purged_are_waited_for() -> None:
    async with opened() as db:
        tidying = Tidying(db)
        await fill(db, {"a.md": text(1)})
        await db.write(lambda tx: rows.delete_document(tx, "a.md"))

        assert not await due_twice(tidying)
        await purge_all(db)
        assert await due_twice(tidying)


async def test_a_reader_that_keeps_the_log_puts_off_the_end_of_it() -> None:
    async with opened() as db:
        tidying = Tidying(db)
        await fill(db, {"a.md": text(1)})
        with contextlib.closing(sqlite3.connect(db.path, isolation_level=None)) as backup:
            backup.execute("BEGIN")
            backup.execute("SELECT count(*) FROM documents").fetchone()
            assert not await tidying.tidy()
        assert await due_twice(tidying)
        assert await tidying.tidy()
        assert not await due_twice(tidying)


@contextlib.asynccontextmanager
async def running(tidying: Tidying) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(tidying.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_tidies_by_itself() -> None:
    async with opened() as db, running(Tidying(db, look=0.01)):
        for number in range(6):
            await add(db, f"{number}.md", text(number))

        async def merged() -> bool:
            return await segments(db) == 1

        await eventually(merged, "one segment")
        assert (await KnowledgeBase(db, search_timeout=60).search("lantern 5")).hits[0].document == "5.md"


async def test_a_full_disk_puts_it_off(caplog: pytest.LogCaptureFixture) -> None:
    async with opened() as db:
        for number in range(12):
            await add(db, f"{number}.md", text(number, "lamp " * 200))
        await db.truncate_log()
        with files_limited(4096), caplog.at_level(logging.WARNING):
            async with running(Tidying(db, look=0.01)) as task:

                async def put_off() -> bool:
                    return "tidying put off" in caplog.messages

                await eventually(put_off, "the failure")
                assert not task.done()
        assert await Tidying(db).tidy()
