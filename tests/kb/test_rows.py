"""Documents as rows: parts, replacement, purge, clear; nothing is left over."""

import sqlite3

from service.database import Database
from service.kb import rows
from service.kb.search import KnowledgeBase
from tests.kb.shelf import STATE, add, document, fill, insert, opened

TABLES = ("documents", "blocks", "passages", "passage_terms", "passages_vocab")


async def counts(db: Database) -> dict[str, int]:
    def count(connection: sqlite3.Connection) -> dict[str, int]:
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}  # noqa: S608

    return await db.read(count)


async def check_index(db: Database) -> None:
    """The full-text index says of itself that it is sound."""
    await db.write(lambda tx: tx.execute("INSERT INTO passages_fts (passages_fts) VALUES ('integrity-check')"))


async def purge_all(db: Database) -> None:
    while await db.write(rows.purge):
        pass


async def test_what_is_replaced_and_purged_leaves_no_row() -> None:
    async with opened() as db:
        await fill(db, {"a.md": "# A\n\nlantern\n\n## B\n\ncandle\n", "b.md": "quokka"})
        await add(db, "a.md", "new words")
        await db.write(lambda tx: rows.delete_document(tx, "b.md"))
        await purge_all(db)
        await check_index(db)
        left = await counts(db)
        totals = await db.read(lambda c: dict(c.execute("SELECT key, value FROM kb_meta")))

        assert left == {
            "documents": 1,
            "blocks": 1,
            "passages": 1,
            "passage_terms": 1,
            "passages_vocab": left["passages_vocab"],
        }
        assert totals["passages"] == "1"
        assert {"lantern", "quokka"}.isdisjoint(
            await db.read(lambda c: {term for (term,) in c.execute("SELECT term FROM passages_vocab")})
        )


async def test_purging_goes_on_in_small_steps_until_nothing_is_left() -> None:
    async with opened() as db:
        await fill(db, {f"{n}.md": "## A\n\nx\n\n## B\n\ny\n" for n in range(20)})
        for n in range(20):
            await db.write(lambda tx, n=n: rows.delete_document(tx, f"{n}.md"))  # type: ignore[misc]
        steps = []
        while removed := await db.write(lambda tx: rows.purge(tx, 7)):
            steps.append(removed)

        assert max(steps) <= 14
        assert set((await counts(db)).values()) == {0}


async def test_a_long_document_appears_whole_or_not_at_all() -> None:
    text = "".join(f"## S{n}\n\nlantern {n}\n\n" for n in range(rows.PART * 2 + 10))
    async with opened() as db:
        kb = KnowledgeBase(db, search_timeout=60)
        await fill(db, {"a.md": "old lantern"})
        prepared = rows.prepare(document("a.md", text))
        assert prepared.parts == 3
        for part in range(3):
            assert [hit.text for hit in (await kb.search("lantern")).hits] == ["old lantern"]
            await db.write(lambda tx, part=part: insert(tx, prepared, part))  # type: ignore[misc]
        found = await kb.search(f"lantern {rows.PART + 3}")
        await purge_all(db)
        await check_index(db)

        assert found.hits[0].heading == f"S{rows.PART + 3}"
        assert (await counts(db))["passages"] == rows.PART * 2 + 10


async def test_what_a_crash_left_half_written_is_purged() -> None:
    text = "".join(f"## S{n}\n\nlantern {n}\n\n" for n in range(rows.PART + 10))
    async with opened() as db:
        await fill(db, {"b.md": "stays"})
        prepared = rows.prepare(document("a.md", text))
        await db.write(lambda tx: insert(tx, prepared))
        await purge_all(db)

        assert await db.read(rows.indexed) == {"b.md": rows.Indexed(STATE, document("b.md", "stays").revision)}
        assert (await counts(db))["passages"] == 1


async def test_clearing_empties_the_index_and_keeps_its_revision() -> None:
    async with opened() as db:
        assert not await db.read(rows.is_current)
        await fill(db, {"a.md": "x"})
        await db.write(lambda tx: rows.skip_file(tx, "b.bin", "not_text", "NUL"))
        await db.write(rows.clear)

        assert await db.read(rows.is_current)
        assert set((await counts(db)).values()) == {0}
        assert await db.read(rows.skipped) == ()
        assert await db.read(rows.revision) == 1


async def test_a_skipped_file_is_noted_until_it_is_indexed_or_gone() -> None:
    async with opened() as db:
        await fill(db, {})
        for name in ("a.md", "b.md"):
            await db.write(lambda tx, name=name: rows.skip_file(tx, name, "not_text", "first"))  # type: ignore[misc]
        await db.write(lambda tx: rows.skip_file(tx, "a.md", "too_large", "again"))
        assert await db.read(rows.skipped) == (("a.md", "too_large", "again"), ("b.md", "not_text", "first"))
        await add(db, "a.md", "text now")
        await db.write(lambda tx: rows.unskip_file(tx, "b.md"))

        assert await db.read(rows.skipped) == ()


async def test_a_new_fingerprint_is_noted_without_touching_the_rest() -> None:
    state = rows.FileState(9, 8, 7, 6, 5)
    async with opened() as db:
        await fill(db, {"a.md": "x"})
        await db.write(lambda tx: rows.touch_document(tx, "a.md", state))
        known = await db.read(rows.indexed)

    assert known["a.md"] == rows.Indexed(state, document("a.md", "x").revision)
