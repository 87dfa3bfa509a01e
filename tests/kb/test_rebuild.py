"""Cleared, made by other code, killed or closed half-way: the next pass makes the same index again."""

import asyncio
import contextlib
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from service.database import Database, open_database
from service.kb import rows
from service.kb.search import KnowledgeBase
from tests.kb.live import Live, fill, live, write


async def dump(db: Database) -> list[tuple[object, ...]]:
    """All that a reader of the index can see, without row numbers."""
    sql = """SELECT d.name, d.title, d.topic, d.revision, p.heading, p.start_line, p.end_line, p.text, t.terms
             FROM documents d LEFT JOIN passages p ON p.document_id = d.id
             LEFT JOIN passage_terms t ON t.passage_id = p.id WHERE d.live = 1 ORDER BY d.name, p.ordinal"""
    return await db.read(lambda connection: connection.execute(sql).fetchall())


async def postings(db: Database) -> list[tuple[object, ...]]:
    """What the full-text index holds: each term with its number of passages and occurrences."""
    sql = "SELECT term, doc, cnt FROM passages_vocab ORDER BY term"
    return await db.read(lambda connection: connection.execute(sql).fetchall())


async def test_rows_that_somebody_else_removed_are_made_again(empty: Live) -> None:
    names = fill(empty.root, 3)
    await empty.index.reconcile()
    await empty.db.write(lambda tx: rows.delete_document(tx, min(names)))
    assert (await empty.index.reconcile()).added == (min(names),)


async def test_closing_in_the_middle_leaves_a_whole_index_and_the_next_start_goes_on(tmp_path: Path) -> None:
    names = fill(tmp_path / "knowledge", 700)
    async with live(tmp_path / "knowledge", tmp_path / "data", settle=0) as found:
        work = asyncio.create_task(found.index.reconcile())
        await found.assert_status(lambda status: status.indexed > 0)
    assert work.done()
    async with live(tmp_path / "knowledge", tmp_path / "data") as found:
        await found.index.reconcile()
        assert await found.names() == names
        assert sum(changes.count for changes in found.told) < 700


QUESTIONS = (
    "how do I resume a stream after a disconnect",
    "Last-Event-ID",
    "KB_SETTLE_MS",
    "what happens at SIGTERM",
    "word known",
    "title of t1",
    "which model",
    "quorum of unicorns",
)


async def answers(db: Database) -> list[object]:
    """What the tools and the API get: ranked hits of some questions, the topics, the text of every document."""
    base = KnowledgeBase(db, search_timeout=60)
    results = [await base.search(question, limit=50) for question in QUESTIONS]
    found: list[object] = [(result.step, result.hits, result.near_terms) for result in results]
    names = [document.name for document in await base.documents(limit=200)]
    texts = [replace(await base.read(name), kb_revision=0) for name in names]
    return [*found, await base.topics(), texts]


async def test_an_index_that_grew_by_edits_answers_like_one_that_was_cleared_and_rebuilt(empty: Live) -> None:
    shutil.copytree(Path(__file__).parents[2] / "knowledge", empty.root, dirs_exist_ok=True)
    fill(empty.root, 40)
    await empty.index.reconcile()
    for path in sorted(empty.root.rglob("*.md"))[::3]:
        path.write_text(path.read_text("utf-8") + "\nA further word about the stream.\n", "utf-8")
    (empty.root / "t1/s1/d1.md").unlink()
    await empty.index.reconcile()
    before = await answers(empty.db)
    await empty.db.write(rows.clear)
    await empty.index.reconcile()
    assert await answers(empty.db) == before


async def test_clearing_the_index_and_reconciling_gives_the_same_index(empty: Live) -> None:
    fill(empty.root, 60)
    await empty.index.reconcile()
    for n in range(0, 60, 3):
        write(empty.root / f"t{n % 7}/s{n % 3}/d{n}.md", f"# New {n}\n\nother words {n}\n")
    (empty.root / "t1/s1/d1.md").unlink()
    await empty.index.reconcile()
    before = await dump(empty.db), await postings(empty.db)
    await empty.db.write(rows.clear)
    assert await empty.names() == set()
    await empty.index.reconcile()
    assert (await dump(empty.db), await postings(empty.db)) == before


async def test_an_index_made_by_another_analyzer_is_rebuilt(tmp_path: Path) -> None:
    names = fill(tmp_path / "knowledge", 10)
    async with live(tmp_path / "knowledge", tmp_path / "data") as found:
        await found.index.reconcile()
        await found.db.write(lambda tx: tx.execute("UPDATE kb_meta SET value = 'old' WHERE key = 'version'"))
    async with live(tmp_path / "knowledge", tmp_path / "data") as found:
        scan = await found.index.scan()
        assert (scan.noticed, (await found.status()).state) == (10, "rebuilding")
        assert len((await found.index.reconcile()).added) == 10
        assert ((await found.status()).state, await found.names()) == ("ready", names)


async def test_a_restart_over_an_unchanged_folder_changes_nothing(tmp_path: Path) -> None:
    fill(tmp_path / "knowledge", 5)
    async with live(tmp_path / "knowledge", tmp_path / "data") as found:
        before = await found.index.reconcile()
    async with live(tmp_path / "knowledge", tmp_path / "data") as found:
        step = await found.index.scan()
        assert (step.noticed, step.again) == (0, None)
        status = await found.status()
        assert (status.state, status.indexed, status.revision) == ("ready", 5, before.revision)


CHILD = """
import asyncio, sys
from pathlib import Path
from tests.kb.live import live
async def main():
    async with live(Path(sys.argv[1]), Path(sys.argv[2]), settle=0) as found:
        print("go", flush=True)
        await found.index.reconcile()
asyncio.run(main())
"""


def reconcile_and_die(folder: Path, seconds: float) -> None:
    """Reconcile in another process and kill it so many seconds after it began."""
    command = [sys.executable, "-c", CHILD, str(folder / "knowledge"), str(folder / "data")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"go\n"
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(seconds)
        child.kill()


async def test_after_kills_in_the_middle_the_next_start_completes_the_index(tmp_path: Path) -> None:
    names = fill(tmp_path / "knowledge", 600)
    for seconds in (0.1, 0.3):
        reconcile_and_die(tmp_path, seconds)
    async with live(tmp_path / "knowledge", tmp_path / "data") as found:
        await found.index.reconcile()
        assert await found.names() == names
        survived = await dump(found.db), await postings(found.db)
    async with live(tmp_path / "knowledge", tmp_path / "fresh") as found:
        await found.index.reconcile()
        assert (await dump(found.db), await postings(found.db)) == survived


async def test_the_database_that_is_reopened_serves_what_was_indexed_before_any_scan(tmp_path: Path) -> None:
    names = fill(tmp_path / "knowledge", 5)
    async with live(tmp_path / "knowledge", tmp_path / "data") as found:
        await found.index.reconcile()
    async with open_database(tmp_path / "data") as db:
        assert set(await db.read(rows.indexed)) == names
