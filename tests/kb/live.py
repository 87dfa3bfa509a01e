"""A live index over a real folder and a real database, and assertions of what it becomes, each with a deadline."""

import asyncio
import contextlib
import ctypes
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from service.database import Database, open_database
from service.kb import rows
from service.kb.folder import Folder
from service.kb.index import Changes, Listeners, ObserveScan, Reconciler
from service.kb.status import Status
from service.kb.watcher import Intervals, Watch, Watcher
from service.kb.writing import Record

ENDINGS = frozenset({".md", ".txt", ".rst", ".adoc", ""})
MAX_BYTES = 100_000
NEVER = 3600.0
SETTLE = 0.15
DEFAULT_SETTLE = 0.2
PATIENCE = 60.0  # seconds until a wait is given up: far more than anything takes, on a slow and busy machine too
USUAL = Intervals(scan=NEVER, poll=2, content=600)  # no timed scan finds what an event should have told
EVENTS_ONLY = Intervals(scan=NEVER, poll=NEVER, content=NEVER)


@dataclass
class Live:
    """What a test works with: `told` are the changes as they were committed, `lags` the seconds they took."""

    root: Path
    db: Database
    index: Reconciler
    watcher: Watcher
    told: list[Changes] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    running: asyncio.Task[None] | None = None

    async def names(self) -> set[str]:
        """Names that are served, according to the database."""
        return set(await self.db.read(rows.indexed))

    async def text(self, name: str) -> str | None:
        """The indexed text of a document."""
        sql = "SELECT group_concat(b.text, '') FROM documents d JOIN blocks b ON b.document_id = d.id"
        sql += " WHERE d.live = 1 AND d.name = ?"
        found = await self.db.read(lambda c: c.execute(sql, (name,)).fetchone()[0])
        return None if found is None else str(found)

    async def status(self) -> Status:
        """As the API sees it."""
        return await self.watcher.status()

    async def reasons(self) -> dict[str, str]:
        """Why files are skipped."""
        return {skipped.name: skipped.reason for skipped in (await self.status()).skipped}

    async def assert_text(self, name: str, wanted: str | None) -> float:
        """Assert that the text of a document becomes `wanted`; returns how long it took."""

        async def met() -> bool:
            return await self.text(name) == wanted

        return await eventually(met, f"{name} to read {wanted!r}")

    async def assert_names(self, wanted: set[str]) -> float:
        """Assert that exactly these documents come to be served; returns how long it took."""

        async def met() -> bool:
            return await self.names() == wanted

        return await eventually(met, f"{len(wanted)} documents")

    async def assert_status(self, met: Callable[[Status], bool]) -> Status:
        """Assert that the status becomes such; returns it."""

        async def is_met() -> bool:
            return met(await self.status())

        await eventually(is_met, "the status")
        return await self.status()


async def eventually(met: Callable[[], Awaitable[bool]], what: str) -> float:
    """Assert that a condition comes to hold; returns how long that took."""
    began = time.monotonic()
    while not await met():
        assert time.monotonic() - began < PATIENCE, f"waited {PATIENCE:g} s for {what}"
        await asyncio.sleep(0.01)
    return time.monotonic() - began


@contextlib.asynccontextmanager
async def live(
    root: Path,
    data: Path,
    *,
    watch: Watch | None = None,
    intervals: Intervals | None = None,
    settle: float = SETTLE,
    record: Record | None = None,
    observe_scan: ObserveScan | None = None,
    stands: bool = True,
) -> AsyncIterator[Live]:
    """An index over `root`; with `watch` it is being watched, and the watch `stands` unless that cannot be."""
    async with open_database(data) as db:
        told: list[Changes] = []
        lags: list[float] = []
        listeners = Listeners(record=record, on_change=told.append, observe_lag=lags.append)
        folder = Folder(root, ENDINGS, MAX_BYTES)
        async with Reconciler(db, folder, settle=settle, listeners=listeners, observe_scan=observe_scan) as index:
            watcher = Watcher(index, watch or "off", intervals or Intervals(NEVER, NEVER, NEVER))
            found = Live(root, db, index, watcher, told, lags)
            if watch is None:
                yield found
                return
            found.running = asyncio.create_task(watcher.run())
            try:
                await found.assert_status(lambda status: status.state not in ("starting", "rebuilding"))
                if stands and watch in ("auto", "events"):
                    await found.assert_status(lambda status: status.watcher_mode == "events")
                yield found
            finally:
                found.running.cancel()
                await asyncio.wait([found.running], timeout=PATIENCE)
                assert found.running.done()


@contextlib.contextmanager
def unprivileged() -> Iterator[Path]:
    """A folder of our own where permissions bind us; root gives up for so long what puts it above them."""
    with tempfile.TemporaryDirectory() as made:
        root = os.geteuid() == 0
        if root:
            _bound(by_permissions=True)
        try:
            yield Path(made)
        finally:
            if root:
                _bound(by_permissions=False)


def _bound(*, by_permissions: bool) -> None:
    """Take CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH from this thread and those it starts, or give them back.

    Another user would do too, but might not read the project itself: it may lie in a folder of root's own.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this thread
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; then the same of capabilities past 31
    done = libc.capget(header, sets)
    sets[0] = sets[0] & ~0b110 if by_permissions else sets[0] | (sets[1] & 0b110)
    if done or libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "capabilities")


def fill(root: Path, count: int, word: str = "word") -> set[str]:
    """Make `count` small documents in some folders; returns their names."""
    names = {f"t{n % 7}/s{n % 3}/d{n}.md" for n in range(count)}
    for name in names:
        write(root / name, f"# Title of {name}\n\nThe {word} of {name} is known.\n")
    return names


def write(path: Path, text: str) -> None:
    """Write a file, its folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
