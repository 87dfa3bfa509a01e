"""The reconciler: makes the index what the folder is. Start-up, watcher, API and command line all come here."""

import asyncio
import contextlib
import functools
import itertools
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Self

from service.database import Database
from service.errors import StorageError
from service.kb import folder as disk
from service.kb.folder import Folder, Root, Skipped
from service.kb.reconciliation import ObserveScan, Reconciliation
from service.kb.rows import Indexed
from service.kb.status import Changes, IndexState, Status, Step
from service.kb.writing import Listeners, Writer

__all__ = ["Changes", "Listeners", "ObserveScan", "Reconciler", "Status", "Step"]

_log = logging.getLogger(__name__)

_VERIFY_FILES: Final = 200
_REPEAT: Final = 60.0  # seconds until the same failure is logged again


class Reconciler:
    """Owns the index. Use it as an async context manager; the folder may come and go.

    Steps run one at a time, each as a task of ours: a caller that is cancelled stops nothing others wait for.
    """

    def __init__(
        self,
        database: Database,
        folder: Folder,
        *,
        settle: float = 0.2,
        listeners: Listeners | None = None,
        observe_scan: ObserveScan | None = None,
    ) -> None:
        """`settle`: seconds a file must rest before it is read. `observe_scan(seconds, state)` hears of scans."""
        self._folder = folder
        self._listeners = listeners or Listeners()
        self._writer = Writer(database, replace(self._listeners, on_change=self._changed))
        self._work = Reconciliation(self._writer, folder, settle, observe_scan)
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[Step]] = set()
        self._queued: asyncio.Task[Step] | None = None
        self._failures = 0
        self._last_error: str | None = None
        self._logged = -_REPEAT
        self._gathering: list[list[Changes]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop at once; the next start does what is left."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._work.close()

    async def reconcile(self, *, full: bool = False) -> Changes:
        """Make the index what the folder is now; `full` compares content even where fingerprints are the same.

        Waits for files that are being written, at most a few seconds each. Raises StorageError when the database
        fails; the next call does what is left.
        """
        with self.gathered() as gathered:
            step = await self.scan()
            scanned = time.monotonic()
            while step.again is not None and (self._writer.dirty or self.behind(scanned)):
                await asyncio.sleep(step.again)
                step = await self.look()
            if full:
                await self.verify()
        return functools.reduce(Changes.then, gathered, Changes(revision=self._writer.revision))

    async def scan(self) -> Step:
        """Scan the folder and take in what has settled. Calls that wait for their turn share one scan."""
        if self._queued is None:
            self._queued = self._start(self._scan())
        return await asyncio.shield(self._queued)

    async def glance(self, names: Collection[str]) -> Step:
        """Look at the files of these names, without a scan, and take in what has settled."""
        return await asyncio.shield(self._start(self._one(functools.partial(self._work.glance, names))))

    async def look(self) -> Step:
        """Take in what has settled since the last scan, without another."""
        return await asyncio.shield(self._start(self._one(self._work.look)))

    async def verify(self) -> Changes:
        """Compare the content of every file with the index; gives way to other steps in between."""
        changes = Changes(revision=self._writer.revision)
        names = iter(tuple(self._writer.known))
        while some := tuple(itertools.islice(names, _VERIFY_FILES)):
            step = await asyncio.shield(self._start(self._one(functools.partial(self._work.verify, some))))
            changes = changes.then(step.changes)
        return changes

    async def locate(self) -> Root | None:
        """Which directory the folder is just now; None where there is none."""
        with contextlib.suppress(OSError):
            return await self._work.run(disk.locate, self._folder.path)
        return None

    @property
    def root(self) -> Root | None:
        """Which directory the folder was in the last scan."""
        return self._work.scanned.root if self._work.scanned is not None else None

    @property
    def folder(self) -> Folder:
        """Where the files are and which of them count."""
        return self._folder

    @property
    def served(self) -> Mapping[str, Indexed]:
        """What is searchable just now, by name."""
        return self._writer.known

    async def news(self) -> None:
        """Return when something has been taken in, or a step has ended."""
        await self._work.news.wait()

    def scanned_since(self, moment: float) -> bool:
        """Whether a scan that began after `moment`, in monotonic seconds, has ended."""
        return self._work.scan_began >= moment

    def behind(self, moment: float) -> bool:
        """Whether a change first seen before `moment` is not in the index yet."""
        oldest = self._work.oldest
        return oldest is not None and oldest <= moment

    def pending(self, name: str) -> bool:
        """Whether the file of this name was seen to differ from the index."""
        return name in self._work.settling

    def refusal(self, name: str) -> Skipped | None:
        """Why the file of this name, or a folder it is in, is not indexed as it is; None where that is not so."""
        return self._work.refusal(name)

    async def status(self) -> Status:
        """How the index stands; from memory."""
        work, scan = self._work, self._work.scanned
        skipped = work.skipped()
        return Status(
            state=self._state(),
            folder=str(self._folder.path.absolute()),
            real_folder=scan.root.path if scan is not None and scan.root is not None else None,
            files_on_disk=len(scan.files) + len(scan.skipped) if scan else 0,
            indexed=len(self._writer.known),
            skipped=skipped,
            ignored=scan.ignored if scan else 0,
            pending=len(work.settling),
            lag=time.monotonic() - work.oldest if work.oldest is not None and work.settling else 0.0,
            revision=self._writer.revision,
            last_scan=work.last_scan,
            last_change=self._writer.last_change,
            scan_seconds=scan.seconds if scan else 0.0,
            progress=work.progress.told,
            failures=self._failures,
            last_error=self._last_error,
        )

    def _state(self) -> IndexState:
        scan = self._work.scanned
        if self._last_error is not None:
            return "failed"
        if scan is not None and scan.state != "ready":
            return scan.state
        if self._work.caught_up:
            return "ready"
        return "rebuilding" if self._writer.rebuilding else "starting"

    @contextlib.contextmanager
    def gathered(self) -> Iterator[list[Changes]]:
        """Gather what is taken in meanwhile, whoever's step it is."""
        gathered: list[Changes] = []
        self._gathering.append(gathered)
        try:
            yield gathered
        finally:
            self._gathering[:] = [other for other in self._gathering if other is not gathered]

    def _changed(self, changes: Changes) -> None:
        for gathered in self._gathering:
            gathered.append(changes)
        if self._listeners.on_change is not None:
            self._listeners.on_change(changes)

    async def _scan(self) -> Step:
        async with self._lock:
            self._queued = None  # whoever asks from now on may know of later changes
            return await self._work.scan()

    async def _one(self, step: Callable[[], Awaitable[Step]]) -> Step:
        async with self._lock:
            return await step()

    def _start(self, step: Coroutine[Any, Any, Step]) -> asyncio.Task[Step]:
        task = asyncio.create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Step]) -> None:
        self._tasks.discard(task)
        if task is self._queued:
            self._queued = None
        if task.cancelled():
            return
        error = task.exception()
        self._note(_told(error) if error is not None else None)
        self._work.tell()

    def _note(self, failure: str | None) -> None:
        """Count and log a failure: a new one at once, the same one once a minute."""
        if failure is not None:
            self._failures += 1
            if failure != self._last_error or time.monotonic() - self._logged >= _REPEAT:
                self._logged = time.monotonic()
                _log.error("reconciling failed", extra={"error": failure, "failures": self._failures})
        elif self._last_error is not None:
            _log.info("reconciling works again", extra={"failures": self._failures})
        self._last_error = failure


def _told(error: BaseException) -> str:
    """What failed, for log and status; a message that might quote a document or a path is left out."""
    if isinstance(error, StorageError):
        return str(error)
    detail = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {detail}" if detail else type(error).__name__
