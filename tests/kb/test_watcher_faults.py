"""The watch fails, the disk is full, a file never keeps still: changes are found in time all the same."""

import asyncio
import ctypes
import mmap
import os
import resource
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from service import schema
from service.kb.mounts import is_shared, is_shared_by
from service.kb.watcher import Intervals
from tests.kb.live import EVENTS_ONLY, MAX_BYTES, NEVER, PATIENCE, Live, fill, live, unprivileged, write

NOBODY = 65534


async def test_a_name_that_is_not_utf8_stops_events_only_for_a_moment(watched: Live) -> None:
    path = os.path.join(os.fsencode(watched.root), b"bad\xff.md")  # noqa: PTH118 - a Path would decode it
    with open(path, "wb") as file:  # noqa: PTH123, ASYNC230
        file.write(b"text")
    write(watched.root / "good.md", "good")
    await watched.assert_text("good.md", "good")
    await watched.assert_status(lambda status: status.watcher_mode == "events")
    assert await watched.reasons() == {"bad\\xff.md": "name_not_utf8"}
    write(watched.root / "good.md", "better")
    await watched.assert_text("good.md", "better")


async def test_with_an_unreadable_folder_inside_the_rest_is_polled(tmp_path: Path) -> None:
    intervals = Intervals(scan=NEVER, poll=0.3, content=NEVER)
    with unprivileged() as made:
        root = made / "knowledge"
        fill(root, 14)
        (root / "t3").chmod(0)
        async with live(root, made / "data", watch="auto", intervals=intervals, stands=False) as found:
            await found.assert_status(lambda status: status.watcher_mode == "poll" and status.indexed == 12)
            write(root / "t5/new.md", "new")
            await found.assert_text("t5/new.md", "new")
            assert await found.reasons() == {"t3": "permission"}
            (root / "t3").chmod(0o755)
            await found.assert_status(lambda status: status.indexed == 15)


@contextmanager
def no_instance_left() -> Iterator[None]:
    """Use up the inotify instances of the present user."""
    instances = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
    if instances > resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2:
        pytest.skip("a process has too few descriptors to use them up")
    libc = ctypes.CDLL(None, use_errno=True)
    with ExitStack() as stack:
        while (descriptor := libc.inotify_init1(os.O_CLOEXEC)) >= 0:
            stack.callback(os.close, descriptor)
        yield


@contextmanager
def another_user() -> Iterator[Path]:
    """A folder of another user's, as whom root goes on for so long."""
    with tempfile.TemporaryDirectory() as made:
        os.chown(made, NOBODY, NOBODY)
        os.seteuid(NOBODY)
        try:
            if not os.access(schema.__file__, os.R_OK, effective_ids=True):
                pytest.skip("another user may not read the project where it lies")
            yield Path(made)
        finally:
            os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="would take the inotify instances of the user's other programs")
async def test_when_the_system_gives_no_watch_the_folder_is_polled_until_it_does() -> None:
    intervals = Intervals(scan=NEVER, poll=0.3, content=NEVER)
    with another_user() as made:
        root = made / "knowledge"
        fill(root, 5)
        with no_instance_left():
            async with live(root, made / "data", watch="auto", intervals=intervals, stands=False) as found:
                await found.assert_status(lambda status: status.watcher_mode == "poll" and status.indexed == 5)
                write(root / "new.md", "new")
                await found.assert_text("new.md", "new")
        async with live(root, made / "data", watch="auto", intervals=intervals) as found:
            assert (await found.status()).watcher_mode == "events"


async def test_when_no_thread_can_be_had_the_folder_is_polled_until_one_can(tmp_path: Path) -> None:
    intervals = Intervals(scan=NEVER, poll=0.3, content=NEVER)
    root = tmp_path / "knowledge"
    write(root / "a.md", "text")
    usual = threading.stack_size()
    async with live(root, tmp_path / "data", watch="auto", intervals=intervals) as found:
        threading.stack_size(1 << 47)  # more than a process can have
        try:
            root.rename(tmp_path / "aside")
            write(root / "b.md", "new")
            await found.assert_names({"b.md"})
            await found.assert_status(lambda status: status.watcher_mode == "poll")
        finally:
            threading.stack_size(usual)
        await found.assert_status(lambda status: status.watcher_mode == "events")


@contextmanager
def mounted(folder: Path, *source: str) -> Iterator[None]:
    """Something else mounted over a folder."""
    done = subprocess.run(["mount", *source, str(folder)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
async def test_what_is_mounted_over_the_folder_is_the_folder(watched: Live, kind: str) -> None:
    names = fill(watched.root, 8)
    await watched.assert_names(names)
    other = watched.root.parent / "other"
    other.mkdir()
    source = ("-t", "tmpfs", "none") if kind == "tmpfs" else ("--bind", str(other))
    with mounted(watched.root, *source):
        write(watched.root / "mounted.md", "new")
        await watched.assert_names({"mounted.md"})
        await watched.assert_status(lambda status: status.watcher_mode == "events")
        write(watched.root / "mounted.md", "newer")
        await watched.assert_text("mounted.md", "newer")
    await watched.assert_names(names)


@contextmanager
def seen_through(kind: str, place: Path) -> Iterator[tuple[Path, Path]]:
    """A folder, and one below it whose changes show in it and make no event there."""
    below, root, upper, work = (place / name for name in ("below", "knowledge", "upper", "work"))
    for folder in (below, root, upper, work):
        folder.mkdir()
    if kind == "overlay":
        with mounted(root, "-t", "overlay", "-o", f"lowerdir={below},upperdir={upper},workdir={work}", "none"):
            yield below, root
    else:
        subprocess.run(["bindfs", str(below), str(root)], check=True)
        try:
            yield below, root
        finally:
            subprocess.run(["umount", "--lazy", str(root)], check=True)


POLLED = Intervals(scan=NEVER, poll=0.3, content=NEVER)  # from the start, for the kind of file system it is
MOUNTS = [("overlay", Intervals(scan=0.4, poll=0.3, content=NEVER)), ("fuse", POLLED)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
@pytest.mark.parametrize(("kind", "intervals"), MOUNTS if shutil.which("bindfs") else MOUNTS[:1])
async def test_a_mount_that_makes_no_events_is_polled(tmp_path: Path, kind: str, intervals: Intervals) -> None:
    with seen_through(kind, tmp_path) as (below, root):
        names = fill(below, 7)
        async with live(root, tmp_path / "data", watch="auto", intervals=intervals) as found:
            for n in range(3):
                write(below / min(names), f"edit {n}")
                await found.assert_text(min(names), f"edit {n}")
            await found.assert_status(lambda status: status.watcher_mode == "poll")


TABLE = """\
22 28 0:20 / /sys rw,nosuid - sysfs sysfs rw
28 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 28 0:52 / /srv/with\\040space rw shared:1 master:2 - nfs4 host:/docs rw,vers=4.2
32 28 0:53 / /mnt/a rw - fuse.sshfs host: rw
33 28 8:1 / /mnt/b rw - fuseblk /dev/sda1 rw
"""


@pytest.mark.parametrize(
    ("device", "shared"), [((254, 0), False), ((0, 52), True), ((0, 53), True), ((8, 1), False), ((9, 9), False)]
)
def test_network_drives_and_fuse_are_told_by_the_table_of_mounts(device: tuple[int, int], shared: bool) -> None:
    assert is_shared_by(TABLE, os.makedev(*device)) is shared
    assert is_shared(Path("/proc").stat().st_dev) is False


async def test_changes_without_events_lead_to_polling_and_an_event_leads_back(tmp_path: Path) -> None:
    root = tmp_path / "knowledge"
    outside = tmp_path / "outside.md"
    write(root / "mapped.md", "0" * 64)
    write(outside, "first")
    os.link(outside, root / "linked.md")
    intervals = Intervals(scan=0.4, poll=0.4, content=NEVER)
    async with live(root, tmp_path / "data", watch="auto", intervals=intervals) as found:
        with (root / "mapped.md").open("r+b") as file, mmap.mmap(file.fileno(), 64) as memory:
            memory[0:5] = b"first"
            memory.flush()
            await found.assert_text("mapped.md", "first" + "0" * 59)
        write(outside, "second")
        await found.assert_text("linked.md", "second")
        for n in range(2):
            write(outside, f"more {n}")
            await found.assert_text("linked.md", f"more {n}")
        await found.assert_status(lambda status: status.watcher_mode == "poll")
        write(root / "told.md", "new")
        await found.assert_status(lambda status: status.watcher_mode == "events")


async def test_a_file_rewritten_all_the_time_is_indexed_seldom_and_starves_nobody(watched: Live) -> None:
    stop = threading.Event()

    def churn() -> None:
        count = 0
        while not stop.wait(0.08):
            count += 1
            write(watched.root / "busy.md", f"version {count}")

    churning = asyncio.create_task(asyncio.to_thread(churn))
    took = []
    for n in range(6):
        write(watched.root / f"calm{n % 3}.md", f"edit {n}")
        took.append(await watched.assert_text(f"calm{n % 3}.md", f"edit {n}"))
    stop.set()
    await churning
    busy = [c for c in watched.told if "busy.md" in c.added + c.changed]
    assert len(busy) <= sum(took) + 1


async def test_a_pipe_and_a_newline_in_a_name_disturb_nobody(watched: Live) -> None:
    os.mkfifo(watched.root / "pipe.md")
    write(watched.root / 'line\n{"level": "error"}.md', "forged")
    write(watched.root / "good.md", "good")
    await watched.assert_names({"good.md", 'line\n{"level": "error"}.md'})
    assert await watched.reasons() == {"pipe.md": "not_regular"}


async def test_a_full_disk_pauses_indexing_and_nothing_else(watched: Live) -> None:
    write(watched.root / "a.md", "before")
    await watched.assert_text("a.md", "before")
    limit = "PRAGMA max_page_count = {}"
    pages = await watched.db.read(lambda c: int(c.execute("PRAGMA page_count").fetchone()[0]))
    await watched.db.write(lambda tx: tx.execute(limit.format(pages)).fetchall())
    write(watched.root / "a.md", "word\n" * (MAX_BYTES // 10))
    status = await watched.assert_status(lambda status: status.state == "failed")
    assert status.last_error is not None
    assert "full" in status.last_error
    assert await watched.text("a.md") == "before"
    await watched.db.write(lambda tx: tx.execute(limit.format(1_000_000)).fetchall())
    await watched.assert_text("a.md", "word\n" * (MAX_BYTES // 10))
    status = await watched.assert_status(lambda status: status.state == "ready")
    assert (status.last_error, status.failures > 0) == (None, True)


@pytest.mark.parametrize("turns", range(4))
async def test_a_watcher_cancelled_at_the_moment_it_is_woken_ends(tmp_path: Path, turns: int) -> None:
    (tmp_path / "knowledge").mkdir()
    async with live(tmp_path / "knowledge", tmp_path / "data", watch="off", intervals=EVENTS_ONLY) as found:
        assert found.running is not None
        found.watcher.nudge()
        for _ in range(turns):
            await asyncio.sleep(0)
        found.running.cancel()
        await asyncio.wait([found.running], timeout=PATIENCE)
        assert found.running.cancelled()
