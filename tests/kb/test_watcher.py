"""The watcher: a change in the folder is searchable in time, with events and without, whatever folder it is."""

import asyncio
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.kb import rows
from service.kb.status import Status
from service.kb.watcher import Intervals
from tests.kb.live import (
    DEFAULT_SETTLE,
    EVENTS_ONLY,
    NEVER,
    PATIENCE,
    USUAL,
    Live,
    eventually,
    fill,
    live,
    write,
)


async def test_a_saved_file_is_searchable_soon_while_others_search(watched: Live) -> None:
    fill(watched.root, 100)
    await watched.assert_status(lambda status: status.indexed == 100)
    stop = asyncio.Event()

    async def search() -> None:
        sql = "SELECT rowid FROM passages_fts WHERE passages_fts MATCH 'word OR known' ORDER BY rank LIMIT 8"
        while not stop.is_set():
            await watched.db.read(lambda connection: connection.execute(sql).fetchall())

    searches = [asyncio.create_task(search()) for _ in range(2)]
    for n in range(12):
        write(watched.root / f"t{n % 3}/s{n % 3}/d{n % 5}.md", f"edit {n}")
        await watched.assert_text(f"t{n % 3}/s{n % 3}/d{n % 5}.md", f"edit {n}")
    stop.set()
    await asyncio.gather(*searches)


async def test_files_that_do_not_count_cause_no_scans_and_an_edit_few(tmp_path: Path) -> None:
    root, data = tmp_path / "knowledge", tmp_path / "data"
    write(root / "a.md", "text")
    scans: list[str] = []

    def observe(seconds: float, state: str) -> None:
        assert seconds > 0
        scans.append(state)

    async with live(root, data, watch="auto", intervals=EVENTS_ONLY, observe_scan=observe) as found:
        scans.clear()
        for n in range(30):
            write(root / "app.log", f"line {n}")
            write(root / ".a.md.swp", f"swap {n}")
            await found.status()
        write(root / "a.md", "edited")
        await found.assert_text("a.md", "edited")
        assert len(scans) <= 3  # what begins with the watch, the echo of the first scan, that of the edit


async def test_a_deleted_and_a_renamed_file_are_gone_in_time(watched: Live) -> None:
    names = fill(watched.root, 12)
    await watched.assert_names(names)
    (watched.root / "t1/s1/d1.md").unlink()
    await watched.assert_names(names - {"t1/s1/d1.md"})
    (watched.root / "t2/s2/d2.md").rename(watched.root / "new name.md")
    await watched.assert_names(names - {"t1/s1/d1.md", "t2/s2/d2.md"} | {"new name.md"})


async def test_without_any_event_the_timed_scan_finds_every_change(tmp_path: Path) -> None:
    names = fill(tmp_path / "knowledge", 30)
    intervals = Intervals(scan=0.3, poll=NEVER, content=NEVER)
    async with live(tmp_path / "knowledge", tmp_path / "data", watch="off", intervals=intervals) as found:
        assert (await found.status()).watcher_mode == "scan"
        await found.assert_names(names)
        write(found.root / "a.md", "new")
        (found.root / "t1/s1/d1.md").unlink()
        await found.assert_names(names - {"t1/s1/d1.md"} | {"a.md"})


async def test_polling_finds_changes_at_its_own_interval(tmp_path: Path) -> None:
    intervals = Intervals(scan=NEVER, poll=0.3, content=NEVER)
    (tmp_path / "knowledge").mkdir()
    async with live(tmp_path / "knowledge", tmp_path / "data", watch="poll", intervals=intervals) as found:
        assert (await found.status()).watcher_mode == "poll"
        write(found.root / "a.md", "new")
        await found.assert_text("a.md", "new")


async def test_a_nudge_scans_at_once(tmp_path: Path) -> None:
    (tmp_path / "knowledge").mkdir()
    async with live(tmp_path / "knowledge", tmp_path / "data", watch="off", intervals=EVENTS_ONLY) as found:
        write(found.root / "a.md", "new")
        found.watcher.nudge()
        await found.assert_text("a.md", "new")


async def test_a_folder_that_is_missing_is_stated_and_picked_up_when_it_appears(tmp_path: Path) -> None:
    root = tmp_path / "knowledge"
    async with live(root, tmp_path / "data", watch="auto", intervals=USUAL, stands=False) as found:
        status = await found.status()
        assert (status.state, status.indexed, status.watcher_mode) == ("missing", 0, "poll")
        names = fill(root, 5)
        await found.assert_names(names)
        await found.assert_status(lambda status: (status.state, status.watcher_mode) == ("ready", "events"))
        write(root / "a.md", "new")
        await found.assert_text("a.md", "new")


@pytest.mark.parametrize("pause", [0.0, 0.5])
async def test_a_folder_that_is_deleted_and_made_again_is_watched_again(watched: Live, pause: float) -> None:
    names = fill(watched.root, 20)
    await watched.assert_names(names)
    shutil.rmtree(watched.root)
    if pause:
        await watched.assert_status(lambda status: status.state == "missing" or status.pending > 0)
    fill(watched.root, 20, "other")
    write(watched.root / "new.md", "new")
    await watched.assert_names(names | {"new.md"})
    await watched.assert_status(lambda status: status.watcher_mode == "events")
    assert {name for changes in watched.told for name in changes.removed} == set()
    write(watched.root / "new.md", "newer")
    await watched.assert_text("new.md", "newer")


async def test_a_folder_made_again_with_the_same_number_is_watched_again(tmp_path: Path) -> None:
    root = tmp_path / "knowledge"
    names = fill(root, 20)
    async with live(root, tmp_path / "data", watch="auto", intervals=EVENTS_ONLY) as found:
        await found.assert_names(names)
        shutil.rmtree(root)  # ext4 gives the next folder the same inode
        fill(root, 20, "other")
        write(root / "new.md", "new")
        await found.assert_names(names | {"new.md"})
        await found.assert_status(lambda status: status.watcher_mode == "events" and rested(status, 2))
        write(root / "new.md", "newer")
        await found.assert_text("new.md", "newer")


def rested(status: Status, seconds: float) -> bool:
    """Whether the last scan is so long ago."""
    last = datetime.fromisoformat(status.last_scan or "")
    return datetime.now(UTC) - last > timedelta(seconds=seconds)


async def test_a_folder_that_is_renamed_away_is_not_followed(watched: Live) -> None:
    names = fill(watched.root, 6)
    await watched.assert_names(names)
    aside = watched.root.with_name("aside")
    watched.root.rename(aside)
    write(watched.root / "only.md", "new")
    await watched.assert_names({"only.md"})
    write(aside / "false.md", "not in the folder")
    write(watched.root / "true.md", "in the folder")
    await watched.assert_names({"only.md", "true.md"})


async def test_a_link_to_the_folder_may_be_swapped(tmp_path: Path) -> None:
    for generation in range(3):
        for n in range(6):
            write(tmp_path / f"tree{generation}/d{n}.md", f"generation {generation}")
    root = tmp_path / "knowledge"
    root.symlink_to("tree0")
    async with live(root, tmp_path / "data", watch="auto", intervals=USUAL, settle=DEFAULT_SETTLE) as found:
        for generation in range(1, 3):
            (tmp_path / "next").symlink_to(f"tree{generation}")
            (tmp_path / "next").rename(root)
            for n in range(6):
                await found.assert_text(f"d{n}.md", f"generation {generation}")
        await found.assert_status(lambda status: status.watcher_mode == "events")
        write(tmp_path / "tree2/new.md", "new")
        await found.assert_text("new.md", "new")


async def test_content_is_compared_now_and_then_where_the_fingerprint_lies(tmp_path: Path) -> None:
    write(tmp_path / "knowledge/a.md", "text")
    async with live(tmp_path / "knowledge", tmp_path / "data") as found:
        await found.index.reconcile()
        await found.db.write(lambda tx: tx.execute("UPDATE documents SET revision = 'of another content'"))
    intervals = Intervals(scan=NEVER, poll=NEVER, content=0.3)
    async with live(tmp_path / "knowledge", tmp_path / "data", watch="off", intervals=intervals) as found:

        async def mended() -> bool:
            return (await found.db.read(rows.indexed))["a.md"].revision != "of another content"

        await eventually(mended, "the content to be compared")
        assert [changes.changed for changes in found.told] == [("a.md",)]


async def test_the_watcher_tells_that_it_lives_and_ends_leaving_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "knowledge").mkdir()
    async with live(tmp_path / "knowledge", tmp_path / "data", watch="auto", intervals=USUAL) as found:
        status = await found.status()
        assert status.heartbeat_age is not None
        assert status.heartbeat_age < PATIENCE
        assert any(thread.name.startswith("kb-events") for thread in threading.enumerate())
    status = await found.status()
    assert (status.watcher_mode, status.heartbeat_age) == ("off", None)

    async def no_thread_left() -> bool:
        return not any(thread.name.startswith("kb-") for thread in threading.enumerate())

    await eventually(no_thread_left, "the threads to end")
