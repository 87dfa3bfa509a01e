"""The steps of reconciling: survey the folder, let what differs settle, take it in by batches.

One step runs at a time. What counts with the number of files runs in one worker thread, never on the event loop.
"""

import asyncio
import logging
import math
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final, TypeVar

from service.kb import intake
from service.kb import survey as surveys
from service.kb.folder import Folder, Scan, Skipped, printable
from service.kb.intake import Moved, Outcome, Refused
from service.kb.progress import Progress
from service.kb.rows import FileState
from service.kb.settling import Settled, Settling, Unit
from service.kb.status import Changes, Step
from service.kb.survey import Refusal
from service.kb.writing import Writer, now
from service.telemetry import tracing

T = TypeVar("T")
ObserveScan = Callable[[float, str], None]
_log = logging.getLogger(__name__)

_SPELL: Final = 2.0  # seconds of taking in before a scan may see to later changes
_PURGE_SPELL: Final = 0.25
_RETRY: Final = 5.0  # seconds until a file that could not be read is tried again
_NAMED: Final = 5  # files named in a log line


class Reconciliation:
    """The work itself; who may start a step, and when, is `Reconciler`'s business."""

    def __init__(self, writer: Writer, folder: Folder, settle: float, observe_scan: ObserveScan | None) -> None:
        self.writer = writer
        self.folder = folder
        self.settling = Settling(settle)
        self.scanned: Scan | None = None
        self.last_scan: str | None = None
        self.progress = Progress()
        self.caught_up = False
        self.oldest: float | None = None
        self.scan_began = -math.inf
        self.news = asyncio.Event()
        self._first_scan = 0.0
        self._refused: dict[str, Refusal] = {}
        self._observe_scan = observe_scan
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="kb-index")

    def close(self) -> None:
        """Let go of the worker; what it is doing is dropped."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def scan(self) -> Step:
        """Scan the folder, take in what has settled."""
        await self.writer.load()
        began = time.monotonic()
        survey = await self.run(surveys.survey, self.folder, self.writer.known, self._refused, began)
        scan, moment = survey.scan, time.monotonic()
        new = await self.run(self.settling.differing, survey.states, moment)
        self.scanned, self.last_scan, self._refused = scan, now(), survey.refused
        self.scan_began, self.oldest = began, await self.run(self.settling.oldest)
        self._first_scan = self._first_scan or moment
        if self._observe_scan is not None:
            self._observe_scan(scan.seconds, scan.state)
        step = await self._step(max(0, new - survey.retried))
        return replace(step, scan_seconds=scan.seconds)

    async def glance(self, names: Collection[str]) -> Step:
        """Look at the files of these names only, take in what has settled."""
        if self.scanned is None or self.scanned.root is None:
            return await self.scan()
        await self.writer.load()
        known = self.writer.known
        seen = await self.run(surveys.glance, self.folder, names, known, self.scanned)
        self.scanned, moment, before = seen.scan, time.monotonic(), len(self.settling)
        for name, state in seen.states.items():
            self._observe(name, state, moment)
        step = await self._step(max(0, len(self.settling) - before))
        return replace(step, unsure=seen.unsure)

    async def look(self) -> Step:
        """Take in what has settled meanwhile."""
        await self.writer.load()
        return await self._step(0)

    async def verify(self, names: Iterable[str]) -> Step:
        """Compare the content of these files, as far as they look as they are indexed, with the index."""
        await self.writer.load()
        files = self.scanned.files if self.scanned is not None else {}
        known = self.writer.known
        same = [name for name in names if name in known and files.get(name) == known[name].state]
        changes = await self._take([Unit((Settled(name, known[name].state),)) for name in same])
        return await self._result(changes, 0)

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function in the worker thread."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, function, *arguments)

    def tell(self) -> None:
        """Wake all who wait for news."""
        self.news.set()
        self.news = asyncio.Event()

    def refusal(self, name: str) -> Skipped | None:
        """Why the file of this name, or a folder it is in, is not indexed as it is; None where that is not so."""
        refusal, shown = self._refused.get(name), printable(name)
        if refusal is not None:
            return refusal.outcome.skipped
        listed = self.scanned.skipped if self.scanned is not None else ()
        return next((s for s in listed if s.name in (shown, ".") or shown.startswith(f"{s.name}/")), None)

    def skipped(self) -> tuple[Skipped, ...]:
        """All that is not indexed, by name."""
        listed = self.scanned.skipped if self.scanned is not None else ()
        return tuple(sorted([*listed, *(refusal.outcome.skipped for refusal in self._refused.values())]))

    async def _step(self, noticed: int) -> Step:
        links = self.scanned.links if self.scanned is not None else {}
        units = await self.run(self.settling.units, time.monotonic(), self.writer.known, links)
        started = time.monotonic()
        changes = await self._reconciled(units)
        if changes.count:
            counts = {
                "added": len(changes.added),
                "changed": len(changes.changed),
                "removed": len(changes.removed),
            }
            seconds = round(time.monotonic() - started, 3)
            _log.info("index updated", extra={"kb_revision": changes.revision, "seconds": seconds, **counts})
        end = time.monotonic() + _PURGE_SPELL
        await self.writer.purge(lambda: time.monotonic() > end)
        await self.writer.note_skipped(self.skipped())
        return await self._result(changes, noticed)

    async def _reconciled(self, units: Sequence[Unit]) -> Changes:
        """Take in what differs, in a span of its own; where nothing does there is nothing to tell."""
        if not units:
            self.progress.end()
            return Changes(revision=self.writer.revision)
        with tracing.span("reconcile") as span:
            changes = await self._take(units, self.progress)
            span.set_attributes({"kb_agent.kb.revision": changes.revision, "kb_agent.kb.changes": changes.count})
        return changes

    async def _result(self, changes: Changes, noticed: int) -> Step:
        known = len(self.writer.known)
        self.oldest, due = await self.run(self.settling.outlook, time.monotonic(), known)
        self.caught_up = self.caught_up or self.oldest is None or self.oldest > self._first_scan
        return Step(changes, noticed, 0.0 if self.writer.dirty else due)

    async def _take(self, units: Sequence[Unit], progress: Progress | None = None) -> Changes:
        """Read and write batch after batch, for one spell. Only what differs is `progress`, not what is verified.

        In turn: side by side they would fight for the interpreter, and a chat's write would wait for transactions
        that take several times as long.
        """
        end = time.monotonic() + _SPELL
        left = sum(len(unit.changes) for unit in units)
        changes = Changes(revision=self.writer.revision)
        for batch in intake.batches(units):
            if progress is not None:
                progress.begin(left)
            outcomes = await self._outcomes(self._read(batch), batch)
            changes = changes.then(await self.writer.write(outcomes))
            self._settle(outcome for unit in outcomes for outcome in unit)
            self.tell()
            taken = sum(len(unit.changes) for unit in batch)
            left -= taken
            if progress is not None:
                progress.took(taken)
            if time.monotonic() >= end:
                break
        if progress is not None and not left:
            progress.end()
        return changes

    def _read(self, units: Sequence[Unit]) -> asyncio.Future[list[list[Outcome]]]:
        loop = asyncio.get_running_loop()
        reading = loop.run_in_executor(self._worker, intake.take, self.folder, units, self.writer.known)
        reading.add_done_callback(lambda done: done.cancelled() or done.exception())  # it may never be awaited
        return reading

    async def _outcomes(
        self, reading: asyncio.Future[list[list[Outcome]]], units: Sequence[Unit]
    ) -> list[list[Outcome]]:
        """What the intake of a batch gave; when that failed, unit by unit: one file holds up nobody but itself."""
        (result,) = await asyncio.gather(reading, return_exceptions=True)
        if not isinstance(result, BaseException):
            return result
        if isinstance(result, OSError):  # the folder itself cannot be reached
            raise result
        if len(units) > 1:
            return [(await self._outcomes(self._read([unit]), [unit]))[0] for unit in units]
        where = traceback.extract_tb(result.__traceback__)[-1]  # the message might quote the document
        extra = {"error": type(result).__name__, "where": f"{where.name}:{where.lineno}"}
        _log.error("file not taken in", extra=extra | {"document": printable(units[0].changes[0].name)})
        return [intake.failed(units[0], result)]

    def _settle(self, outcomes: Iterable[Outcome]) -> None:
        moment = time.monotonic()
        new: list[Skipped] = []
        for outcome in outcomes:
            if isinstance(outcome, Moved):
                self._observe(outcome.name, outcome.state, moment)
                continue
            self.settling.forget(outcome.name, moment)
            former = self._refused.pop(outcome.name, None)
            if isinstance(outcome, Refused):
                until = moment + _RETRY if outcome.passing else math.inf
                self._refused[outcome.name] = Refusal(outcome, until)
                new += [outcome.skipped] if former is None else []
        if new:
            first = {printable(skipped.name): skipped.reason for skipped in new[:_NAMED]}
            _log.warning("files not indexed", extra={"files": len(new), "first": first})

    def _observe(self, name: str, state: FileState | None, moment: float) -> None:
        """Note how a file looks; one that is as it is indexed, or was refused as it is, has nothing to settle."""
        indexed, refusal = self.writer.known.get(name), self._refused.get(name)
        if state == (indexed and indexed.state) or (refusal is not None and refusal.outcome.state == state):
            self.settling.forget(name, moment)
        else:
            self.settling.observe(name, state, moment)
