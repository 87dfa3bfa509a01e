"""The reconciler: the index becomes what the folder is, in short transactions."""

import asyncio
import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

from service.database import Transaction, open_database
from service.errors import StorageError
from service.kb import rows
from service.kb.index import Changes
from tests.kb.live import PATIENCE, SETTLE, Live, fill, live, write

EVENT = "INSERT INTO events (type, data, created_at) VALUES ('kb.updated', ?, 'now')"


async def test_what_is_added_changed_and_removed_is_told_with_one_revision(empty: Live) -> None:
    write(empty.root / "a.md", "one")
    write(empty.root / "b.md", "two")
    first = await empty.index.reconcile()
    assert (sorted(first.added), first.changed, first.removed, first.revision) == (["a.md", "b.md"], (), (), 1)
    write(empty.root / "a.md", "another")
    (empty.root / "b.md").unlink()
    write(empty.root / "c.md", "three")
    second = await empty.index.reconcile()
    assert second == Changes(("c.md",), ("a.md",), ("b.md",), 2)
    assert await empty.text("a.md") == "another"
    assert await empty.names() == {"a.md", "c.md"}
    assert empty.told == [first, second]


async def test_the_lag_of_what_changed_since_the_start_is_told(tmp_path: Path) -> None:
    fill(tmp_path / "knowledge", 5)
    async with live(tmp_path / "knowledge", tmp_path / "data") as found:
        await found.index.reconcile()
        assert found.lags == []
        write(tmp_path / "knowledge/a.md", "new")
        await found.index.reconcile()
        (lag,) = found.lags
        assert SETTLE <= lag < PATIENCE


async def test_an_unchanged_folder_changes_nothing(empty: Live) -> None:
    fill(empty.root, 20)
    revision = (await empty.index.reconcile()).revision
    again = await empty.index.reconcile(full=True)
    assert again == Changes(revision=revision)


async def test_a_touched_file_changes_its_fingerprint_and_not_the_revision(empty: Live) -> None:
    write(empty.root / "a.md", "text")
    await empty.index.reconcile()
    os.utime(empty.root / "a.md", (1, 1))
    assert (await empty.index.reconcile()) == Changes(revision=1)
    state = (await empty.db.read(rows.indexed))["a.md"].state
    assert state.mtime_ns == 1_000_000_000
    assert (await empty.index.reconcile()) == Changes(revision=1)


async def test_an_edit_of_the_same_size_with_its_time_set_back_is_seen(empty: Live) -> None:
    path = empty.root / "a.md"
    write(path, "first")
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    await empty.index.reconcile()
    write(path, "other")
    os.utime(path, ns=times)
    assert (await empty.index.reconcile()).changed == ("a.md",)
    assert await empty.text("a.md") == "other"


async def test_a_full_pass_compares_content_where_the_fingerprint_lies(tmp_path: Path) -> None:
    write(tmp_path / "knowledge/a.md", "text")
    async with live(tmp_path / "knowledge", tmp_path / "data") as found:
        await found.index.reconcile()
        await found.db.write(lambda tx: tx.execute("UPDATE documents SET revision = 'of another content'"))
    async with live(tmp_path / "knowledge", tmp_path / "data") as found:
        assert (await found.index.reconcile()).count == 0
        assert (await found.index.reconcile(full=True)).changed == ("a.md",)


async def test_every_batch_is_one_transaction_with_its_own_record(tmp_path: Path) -> None:
    names = fill(tmp_path / "knowledge", 700)
    seen: list[tuple[int, int]] = []

    def record(tx: Transaction, changes: Changes) -> None:
        tx.execute(EVENT, (str(changes.revision),))
        seen.append((changes.revision, changes.count))

    async with live(tmp_path / "knowledge", tmp_path / "data", record=record) as found:
        await found.index.reconcile()
        assert await found.names() == names
        stored = await found.db.read(lambda c: [int(row[0]) for row in c.execute("SELECT data FROM events")])
    assert [revision for revision, _ in seen] == list(range(1, len(seen) + 1)) == stored
    assert sum(count for _, count in seen) == 700
    assert 2 <= len(seen) <= 10


async def test_a_record_that_fails_undoes_its_batch_and_the_next_pass_repeats_it(tmp_path: Path) -> None:
    write(tmp_path / "knowledge/a.md", "text")
    refuse = True

    def record(tx: Transaction, changes: Changes) -> None:
        tx.execute(EVENT, (str(changes.revision),))
        if refuse:
            tx.execute("INSERT INTO nowhere VALUES (1)")

    async with live(tmp_path / "knowledge", tmp_path / "data", record=record) as found:
        with pytest.raises(StorageError):
            await found.index.reconcile()
        status = await found.status()
        assert (status.state, status.failures, status.indexed) == ("failed", 1, 0)
        assert status.last_error is not None
        assert "nowhere" in status.last_error
        refuse = False
        assert (await found.index.reconcile()).added == ("a.md",)
        assert (await found.status()).state == "ready"


async def test_callers_that_wait_together_share_a_scan(tmp_path: Path) -> None:
    scans: list[str] = []
    fill(tmp_path / "knowledge", 30)

    def observe(seconds: float, state: str) -> None:
        assert seconds > 0
        scans.append(state)

    async with live(tmp_path / "knowledge", tmp_path / "data", observe_scan=observe) as found:
        results = await asyncio.gather(*(found.index.reconcile() for _ in range(20)))
    assert sum(result.count for result in results) == 30 * len([r for r in results if r.count])
    assert len(scans) <= 2


async def test_a_caller_that_is_cancelled_stops_nothing(empty: Live) -> None:
    names = fill(empty.root, 50)
    first = asyncio.create_task(empty.index.reconcile())
    second = asyncio.create_task(empty.index.reconcile())
    await asyncio.sleep(0)
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    await second
    assert await empty.names() == names


async def test_a_document_of_many_passages_replaces_its_old_version_at_one_instant(tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []

    def record(tx: Transaction, changes: Changes) -> None:
        sql = "SELECT d.title, count(*) FROM documents d JOIN passages p ON p.document_id = d.id WHERE d.live = 1"
        seen.append(tx.execute(sql).fetchone())

    def text(word: str) -> str:
        return f"# {word}\n\n" + "".join(f"## Part {n}\n\n{word} {n}\n\n" for n in range(3 * rows.PART))

    async with live(tmp_path / "knowledge", tmp_path / "data", record=record) as found:
        for word in ("alpha", "beta", "gamma"):
            write(tmp_path / "knowledge/a.md", text(word))
            await found.index.reconcile()
            left = await found.db.read(lambda c: c.execute("SELECT count(*) FROM passages").fetchone()[0])
            assert left == seen[-1][1]
    assert [title for title, _ in seen] == ["alpha", "beta", "gamma"]
    assert len({count for _, count in seen}) == 1
    assert seen[0][1] > 2 * rows.PART


async def test_a_reconciliation_tells_what_others_took_in_meanwhile(watched: Live) -> None:
    for n in range(5):
        write(watched.root / "a.md", f"edit {n}")
        changes = await watched.index.reconcile()
        assert await watched.text("a.md") == f"edit {n}"
        assert changes.added + changes.changed == ("a.md",)
        assert changes.revision == (await watched.status()).revision == n + 1


async def test_the_status_tells_progress_while_many_files_are_taken_in(tmp_path: Path) -> None:
    fill(tmp_path / "knowledge", 700)
    async with live(tmp_path / "knowledge", tmp_path / "data") as found:
        before = await found.status()
        assert (before.state, before.last_scan, before.watcher_mode) == ("starting", None, "off")
        work = asyncio.create_task(found.index.reconcile())
        steps: list[tuple[int, int]] = []
        while not work.done():
            progress = (await found.status()).progress
            steps += [progress] if progress is not None else []
            await asyncio.sleep(0)
        after = await found.status()
    assert len(set(steps)) >= 2
    assert {total for _, total in steps} == {700}
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert (after.state, after.progress, after.pending, after.indexed) == ("ready", None, 0, 700)
    assert after.revision >= 3


async def test_files_that_went_while_they_waited_leave_no_progress_behind(tmp_path: Path) -> None:
    names = fill(tmp_path / "knowledge", 700)
    batches = 0

    def record(tx: Transaction, changes: Changes) -> None:
        nonlocal batches
        batches += 1
        if batches > 1:
            tx.execute("INSERT INTO nowhere VALUES (1)")

    async with live(tmp_path / "knowledge", tmp_path / "data", record=record) as found:
        with pytest.raises(StorageError):
            await found.index.reconcile()
        done = await found.names()
        assert ((await found.status()).progress or (0, 0))[1] == 700
        for name in names - done:
            (found.root / name).unlink()
        assert (await found.index.reconcile()).count == 0
        assert (await found.status()).progress is None
        assert await found.names() == done


async def test_no_removal_has_to_search_a_whole_table_for_rows_that_refer_to_it(tmp_path: Path) -> None:
    def slow(connection: sqlite3.Connection) -> set[tuple[str, str]]:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = set()
        for table in tables:
            keys = {row[3] for row in connection.execute("SELECT * FROM pragma_foreign_key_list(?)", (table,))}
            first = {
                connection.execute("SELECT name FROM pragma_index_info(?)", (index[1],)).fetchone()[0]
                for index in connection.execute("SELECT * FROM pragma_index_list(?)", (table,))
                if not index[4]
            }
            first |= {
                row[1] for row in connection.execute("SELECT * FROM pragma_table_info(?)", (table,)) if row[5] == 1
            }
            found |= {(table, key) for key in keys - first}
        return found

    async with open_database(tmp_path) as db:
        assert await db.read(slow) == set()
