"""What the index tells about itself: what a reconciliation changed, and how it stands with the folder."""

from dataclasses import dataclass
from typing import Literal

from service.kb.folder import Skipped

IndexState = Literal["starting", "ready", "missing", "unreadable", "rebuilding", "failed"]
WatcherMode = Literal["events", "poll", "scan", "off"]


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of documents that became searchable, got a new version, or went; `revision` is the index's since."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    revision: int = 0

    @property
    def count(self) -> int:
        """How many documents differ."""
        return len(self.added) + len(self.changed) + len(self.removed)

    def then(self, later: "Changes") -> "Changes":
        """These and then those, as one."""
        return Changes(
            self.added + later.added,
            self.changed + later.changed,
            self.removed + later.removed,
            max(self.revision, later.revision),
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One step of reconciling.

    `noticed` counts files that were not known to differ from the index, `again` is in how many seconds the next
    step has something to do, None when the index is the folder. `scan_seconds` is what the scan took, if any;
    `unsure` whether only a scan can tell all that has changed.
    """

    changes: Changes
    noticed: int
    again: float | None
    scan_seconds: float = 0.0
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """How the index stands.

    `files_on_disk` are those with an ending that counts, skipped ones included; `ignored` are the others.
    `folder` is absolute, `real_folder` the directory it is just now, None where there is none.
    `pending` changes are seen but not yet searchable, the oldest for `lag` seconds. Times are ISO 8601 in UTC,
    `heartbeat_age` (None while the watcher is dead) and `scan_seconds` in seconds. `progress` is (done,
    total) documents while many are taken in. `failures` counts reconciliations that failed since the start;
    `last_error` is None once one succeeds.
    """

    state: IndexState
    folder: str
    files_on_disk: int
    indexed: int
    skipped: tuple[Skipped, ...]
    ignored: int
    pending: int
    lag: float
    revision: int
    last_scan: str | None
    last_change: str | None
    scan_seconds: float
    progress: tuple[int, int] | None
    failures: int
    last_error: str | None
    real_folder: str | None = None
    watcher_mode: WatcherMode = "off"
    heartbeat_age: float | None = None
