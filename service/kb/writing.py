"""Outcomes of the intake -> short transactions, each of which leaves the index whole and counts one revision."""

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from service.database import Database, Transaction
from service.kb import rows
from service.kb.folder import Skipped
from service.kb.intake import Fresh, Gone, Outcome, Refused, Same
from service.kb.rows import FileState, Indexed, Part
from service.kb.status import Changes

# Passages a transaction, about 3 ms of CPU in the writer: a chat's write may have to wait for it.
_WRITE: Final = 150
_NOTES: Final = 1_000

Record = Callable[[Transaction, Changes], None]
OnChange = Callable[[Changes], None]


@dataclass(frozen=True, slots=True)
class Listeners:
    """Told of every transaction that changed the index. None may raise.

    `record` is called inside it, in the database's writer thread, so that what it writes stands or falls with it;
    `on_change` on the event loop once it is on disk; `observe_lag` too, for each file changed since the start,
    with the seconds from that change until it was searchable.
    """

    record: Record | None = None
    on_change: OnChange | None = None
    observe_lag: Callable[[float], None] | None = None


class Writer:
    """The only one that writes the index. `known` is what it serves, `rebuilding` whether it had to be emptied."""

    def __init__(self, database: Database, listeners: Listeners) -> None:
        self.known: dict[str, Indexed] = {}
        self.revision = 0
        self.dirty = True
        self.rebuilding = False
        self.last_change: str | None = None
        self._database = database
        self._listeners = listeners
        self._began = time.time_ns()
        self._loaded = False
        self._noted: frozenset[Skipped] | None = None

    async def load(self) -> None:
        """Read what is indexed where that is not known any more; empty an index made by another analyzer."""
        if self._loaded and await self._database.read(rows.stamp) == (self.revision, len(self.known)):
            return
        if not await self._database.read(rows.is_current):
            self.rebuilding = await self._database.read(rows.stamp) != (0, 0)
            await self._database.write(rows.clear, bulky=True)
        self.known, self.revision = await self._database.read(lambda db: (rows.indexed(db), rows.revision(db)))
        self._noted = None
        self._loaded = self.dirty = True

    async def write(self, units: Iterable[Sequence[Outcome]]) -> Changes:
        """Write the outcomes, those of a unit together where a transaction can hold them."""
        total = Changes(revision=self.revision)
        for chunk in _chunks([outcome for outcome in unit if self._differs(outcome)] for unit in units):
            self._loaded = False  # until the write is known to be stored
            await self._stage(chunk)
            total = total.then(await self._database.write(functools.partial(self._apply, chunk=chunk), bulky=True))
            self._loaded = True
        return total

    async def purge(self, until: Callable[[], bool]) -> None:
        """Remove the rows of old versions, in short transactions, until all are gone or `until` says stop."""
        while self.dirty and not until():
            self.dirty = await self._database.write(rows.purge, bulky=True) > 0

    async def note_skipped(self, skipped: Sequence[Skipped]) -> None:
        """Keep the list of files that are not indexed."""
        wanted = frozenset(skipped)
        if self._noted is None:
            self._noted = frozenset(Skipped(*row) for row in await self._database.read(rows.skipped))
        if wanted == self._noted:
            return
        gone = list({note.name for note in self._noted} - {note.name for note in wanted})
        new = sorted(wanted - self._noted)
        for start in range(0, max(len(gone), len(new)), _NOTES):
            end = start + _NOTES
            piece = functools.partial(_note, gone=gone[start:end], new=new[start:end])
            await self._database.write(piece, bulky=True)
        self._noted = wanted

    async def _stage(self, chunk: Sequence[Outcome]) -> None:
        """Write the parts of large documents but for the last, each in a transaction of its own; unseen as yet."""
        for outcome in chunk:
            if isinstance(outcome, Fresh):
                for number in range(outcome.prepared.parts - 1):
                    part = Part(outcome.prepared, outcome.state, number)
                    await self._database.write(functools.partial(_insert, parts=[part]), bulky=True)

    def _differs(self, outcome: Outcome) -> bool:
        """Whether there is something to write."""
        indexed = self.known.get(outcome.name)
        if isinstance(outcome, Same):
            return indexed is not None and indexed.state != outcome.state
        return isinstance(outcome, Fresh) or (indexed is not None and _ends(outcome))

    def _apply(self, tx: Transaction, chunk: Sequence[Outcome]) -> Changes:
        added: list[str] = []
        changed: list[str] = []
        removed: list[str] = []
        fresh: list[Part] = []
        for outcome in chunk:
            if isinstance(outcome, Fresh):
                fresh.append(Part(outcome.prepared, outcome.state, outcome.prepared.parts - 1))
                (changed if outcome.name in self.known else added).append(outcome.name)
            elif isinstance(outcome, Same):
                rows.touch_document(tx, outcome.name, outcome.state)
            elif _ends(outcome) and rows.delete_document(tx, outcome.name):
                removed.append(outcome.name)
        _insert(tx, fresh)
        changes = Changes(tuple(added), tuple(changed), tuple(removed), self.revision)
        if changes.count:
            changes = replace(changes, revision=rows.advance_revision(tx))
            if self._listeners.record is not None:
                self._listeners.record(tx, changes)
        tx.after_commit(functools.partial(self._committed, chunk, changes))
        return changes

    def _committed(self, chunk: Sequence[Outcome], changes: Changes) -> None:
        for outcome in chunk:
            if isinstance(outcome, Fresh):
                self.known[outcome.name] = Indexed(outcome.state, outcome.prepared.document.revision)
                self._tell_lag(outcome.state)
            elif isinstance(outcome, Same):
                self.known[outcome.name] = Indexed(outcome.state, self.known[outcome.name].revision)
            elif _ends(outcome):
                self.known.pop(outcome.name, None)
        if changes.count:
            self.revision = changes.revision
            self.last_change = now()
            self.dirty = self.dirty or bool(changes.changed or changes.removed)
            if self._listeners.on_change is not None:
                self._listeners.on_change(changes)

    def _tell_lag(self, state: FileState) -> None:
        if self._listeners.observe_lag is not None and state.ctime_ns >= self._began:
            self._listeners.observe_lag(max(0, time.time_ns() - state.ctime_ns) / 1e9)


def now() -> str:
    """The time in UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _ends(outcome: Outcome) -> bool:
    """Whether the document is served no more."""
    return isinstance(outcome, Gone) or (isinstance(outcome, Refused) and not outcome.passing)


def _chunks(units: Iterable[Sequence[Outcome]]) -> Iterator[list[Outcome]]:
    chunk: list[Outcome] = []
    filled = 0
    for unit in units:
        weight = sum(map(_weight, unit))
        if chunk and filled + weight > _WRITE:
            yield chunk
            chunk, filled = [], 0
        chunk.extend(unit)
        filled += weight
    if chunk:
        yield chunk


def _weight(outcome: Outcome) -> int:
    """Passages in the transaction that completes a document; anything else costs about as much as one."""
    if not isinstance(outcome, Fresh):
        return 1
    return max(1, min(len(outcome.prepared.document.passages), rows.PART))


def _insert(tx: Transaction, parts: Sequence[Part]) -> None:
    rows.insert_parts(tx, parts, now())


def _note(tx: Transaction, gone: Sequence[str], new: Sequence[Skipped]) -> None:
    for name in gone:
        rows.unskip_file(tx, name)
    for note in new:
        rows.skip_file(tx, *note)
