"""The machine: SQLite, the clock, and what kind of file system a folder is on."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from service.doctor.findings import Finding, Level

# Where locks and write-ahead logs cannot be relied on, and other machines' changes raise no events.
REMOTE: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs"})
_MOUNTS: Final = Path("/proc/self/mountinfo")
_SKEW: Final = 60.0  # seconds
_TRIGRAM: Final = (3, 34, 0)  # the first SQLite with all of FTS5 that is used


def examine(database: Path) -> Iterator[Finding]:
    """Look at SQLite and at the clock; files of a service that ran must not be of the future."""
    yield _sqlite()
    now = datetime.now(UTC)
    written = database.stat().st_mtime if database.exists() else 0.0
    ahead = written - now.timestamp()
    shown = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if ahead > _SKEW:
        yield Finding(
            "machine",
            "clock",
            Level.BROKEN,
            f"{shown}, but the database was written {ahead:.0f} s later than that",
            "set the clock and keep it right with NTP",
        )
    else:
        yield Finding("machine", "clock", Level.OK, shown)


def file_system(path: Path) -> str:
    """The kind of file system a path is on, '' where that cannot be told."""
    try:
        lines = _MOUNTS.read_text("utf-8").splitlines()
    except OSError:
        return ""
    real, best, kind = str(existing(path).resolve()), "", ""
    for line in lines:
        before, _, after = line.partition(" - ")
        point = before.split(" ")[4].encode().decode("unicode_escape")
        if len(point) >= len(best) and (f"{real}/").startswith(point.rstrip("/") + "/"):
            best, kind = point, after.split(" ")[0]
    return kind


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    path = path.absolute()
    return next((place for place in (path, *path.parents) if place.exists()), path)


def _sqlite() -> Finding:
    with closing(sqlite3.connect(":memory:")) as connection:
        modules = {row[0] for row in connection.execute("PRAGMA module_list")}
    version = sqlite3.sqlite_version
    if "fts5" not in modules or sqlite3.sqlite_version_info < _TRIGRAM:
        return Finding(
            "machine",
            "sqlite",
            Level.BROKEN,
            f"SQLite {version}, {'with' if 'fts5' in modules else 'without'} FTS5",
            "run a Python whose SQLite is 3.34 or newer and has FTS5, as those of python.org, Debian and uv have",
        )
    return Finding("machine", "sqlite", Level.OK, f"SQLite {version} with FTS5")
