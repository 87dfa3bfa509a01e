"""From files that have settled to rows ready to write: read, compare, parse, analyse. Run in a worker thread."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from service.kb import rows
from service.kb.documents import NotText, parse
from service.kb.files import Files
from service.kb.folder import Folder, Skipped, reason
from service.kb.rows import FileState, Indexed, PreparedDocument
from service.kb.settling import Settled, Unit

_BATCH_BYTES: Final = 230_000  # about 250 passages: 40 ms of analysis, 15 ms of writing
BATCH_FILES: Final = 250
_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class Fresh:
    """New content to index."""

    name: str
    state: FileState
    prepared: PreparedDocument


@dataclass(frozen=True, slots=True)
class Same:
    """The content that is indexed, under another fingerprint perhaps."""

    name: str
    state: FileState


@dataclass(frozen=True, slots=True)
class Gone:
    """No such file any more."""

    name: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that cannot be indexed. A fault that is `passing` leaves the old version and is tried again."""

    name: str
    state: FileState | None
    skipped: Skipped
    passing: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """Not what was seen before: look again. `state` None is a file that is gone."""

    name: str
    state: FileState | None


Outcome = Fresh | Same | Gone | Refused | Moved


def batches(units: Iterable[Unit]) -> Iterator[list[Unit]]:
    """Units in batches that take a short time and a bounded amount of memory."""
    batch: list[Unit] = []
    files = size = 0
    for unit in units:
        if batch and (size + unit.size > _BATCH_BYTES or files + len(unit.changes) > BATCH_FILES):
            yield batch
            batch, files, size = [], 0, 0
        batch.append(unit)
        files += len(unit.changes)
        size += unit.size
    if batch:
        yield batch


def take(folder: Folder, units: Iterable[Unit], known: Mapping[str, Indexed]) -> list[list[Outcome]]:
    """Take the units in: the outcomes of each. Raises OSError when the folder itself cannot be reached."""
    files = Files(folder)
    return [_unit(files, unit, known) for unit in units]


def failed(unit: Unit, error: BaseException) -> list[Outcome]:
    """The outcomes of a unit whose intake raised: no file may hold up the others."""
    detail = f"{type(error).__name__} while it was read"
    return [
        Refused(change.name, change.state, Skipped(change.name, "unreadable", detail), passing=True)
        for change in unit.changes
    ]


def _unit(files: Files, unit: Unit, known: Mapping[str, Indexed]) -> list[Outcome]:
    moved: list[Outcome] = [
        Moved(name, seen) for name, state in unit.unchanged if (seen := files.look(name)) != state
    ]
    if moved:
        return moved
    outcomes = [_take(files, change, known.get(change.name)) for change in unit.changes]
    if len(outcomes) > 1 and any(isinstance(outcome, Moved) for outcome in outcomes):
        return [outcome for outcome in outcomes if isinstance(outcome, Moved)]
    return outcomes


def _take(files: Files, change: Settled, indexed: Indexed | None) -> Outcome:
    try:
        if change.state is None:
            seen = files.look(change.name)
            return Gone(change.name) if seen is None else Moved(change.name, seen)
        state, data = _read(files, change, change.state)
        if data is None or state is None:
            return Moved(change.name, files.look(change.name))
    except OSError as error:
        why = Skipped(change.name, *reason(error))
        return Refused(change.name, change.state, why, passing=True)
    if indexed is not None and hashlib.sha256(data).hexdigest() == indexed.revision:
        return Same(change.name, state)
    document = parse(change.name, data)
    if isinstance(document, NotText):
        why = Skipped(change.name, "not_text", document.detail)
        return Refused(change.name, state, why, passing=False)
    return Fresh(change.name, state, rows.prepare(document))


def _read(files: Files, change: Settled, state: FileState) -> tuple[FileState | None, bytes | None]:
    if not change.moving:
        return state, files.read(change.name, state)
    for _ in range(_ATTEMPTS):
        seen = files.look(change.name)
        data = files.read(change.name, seen, moving=True) if seen is not None else None
        if data is not None:
            return seen, data
    return None, None
