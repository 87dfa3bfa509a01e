"""The data directory: where it is, who uses it, whether the database in it is sound."""

import fcntl
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from service.database import FILE_NAME
from service.doctor.findings import Finding, Level
from service.doctor.machine import REMOTE, existing, file_system
from service.schema import APPLICATION_ID, latest_version

_SCARCE: Final = (100_000_000, 1_000_000_000)  # bytes left that are too few, or soon will be
_CHECK_SECONDS: Final = 20.0


def examine(data_dir: Path) -> Iterator[Finding]:
    """Try to write, look at the lock, read the database from end to end. It may be in use meanwhile."""
    writable = _writable(data_dir)
    yield writable
    kind = file_system(data_dir)
    if kind in REMOTE:
        fix = "set DATA_DIR to a folder on a local disk"
        yield Finding("storage", "file system", Level.BROKEN, f"{kind}, on which SQLite's log is not safe", fix)
    elif kind:
        yield Finding("storage", "file system", Level.OK, kind)
    if shutil.disk_usage(existing(data_dir)).total:  # else it is none of a disk
        yield _space(data_dir)
    if (data_dir / ".lock").exists():
        yield _lock(data_dir / ".lock")
    if (data_dir / FILE_NAME).exists():
        yield _database(data_dir / FILE_NAME)


def _writable(data_dir: Path) -> Finding:
    place = existing(data_dir)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return Finding(
            "storage",
            "data directory",
            Level.BROKEN,
            f"{data_dir.absolute()} cannot be written ({error.strerror})",
            f"give {place} to the user that runs the service, or set DATA_DIR to another folder",
        )
    made = "" if data_dir.exists() else ", will be made"
    return Finding("storage", "data directory", Level.OK, f"{data_dir.absolute()}{made}")


def _space(data_dir: Path) -> Finding:
    free = shutil.disk_usage(existing(data_dir)).free
    level = Level.BROKEN if free < _SCARCE[0] else Level.WARNING if free < _SCARCE[1] else Level.OK
    fix = "" if level is Level.OK else "free some space: without it nothing can be stored, not even a question"
    return Finding("storage", "space", level, f"{free / 1e9:.1f} GB left", fix)


def _lock(path: Path) -> Finding:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        fix = f"give {path} to the user that runs the service"
        return Finding("storage", "lock", Level.BROKEN, f"{path} cannot be opened ({error.strerror})", fix)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return Finding("storage", "lock", Level.OK, f"held by {_holder(os.fstat(descriptor))}")
    finally:
        os.close(descriptor)
    return Finding("storage", "lock", Level.OK, "free")


def _holder(lock: os.stat_result) -> str:
    """The process that holds a lock, as far as the kernel tells."""
    try:
        lines = Path("/proc/locks").read_text("ascii").splitlines()
    except OSError:
        return "another process"
    for line in lines:
        fields = line.split()
        if fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == str(lock.st_ino):
            return f"process {fields[4]}"
    return "another process"


def _database(path: Path) -> Finding:
    """Check it read-only, for a while at most: what is large is not read to its end."""
    end = time.monotonic() + _CHECK_SECONDS
    size = f"{path.stat().st_size / 1e6:.1f} MB"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            application, version = (_pragma(connection, name) for name in ("application_id", "user_version"))
            if application != APPLICATION_ID:
                fix = "set DATA_DIR to a folder of its own"
                return Finding("storage", "database", Level.BROKEN, f"{path} is another program's", fix)
            if version > latest_version():
                fix = "run the newer release, or restore the copy made before the upgrade"
                detail = f"its schema {version} is newer than this program's {latest_version()}"
                return Finding("storage", "database", Level.BROKEN, detail, fix)
            connection.set_progress_handler(lambda: int(time.monotonic() > end), 100_000)
            verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError as error:
        if time.monotonic() > end:
            detail = f"{size}, schema {version}; sound as far as it was read in {_CHECK_SECONDS:.0f} s"
            return Finding("storage", "database", Level.NOTE, detail)
        verdict = str(error)
    except sqlite3.DatabaseError as error:
        verdict = str(error)
    if verdict != "ok":
        fix = "stop the service, move the file away, and bring a copy back with `kb-agent restore`"
        return Finding("storage", "database", Level.BROKEN, f"{path} is damaged ({verdict})", fix)
    upgrade = f", will be brought to {latest_version()} at the next start" if version < latest_version() else ""
    return Finding("storage", "database", Level.OK, f"{size}, schema {version}{upgrade}, sound")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
