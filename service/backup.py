"""Copies of the database: made while the service runs, checked before they count, brought back when it is lost."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from service.database import FILE_NAME, load_queries
from service.errors import DatabaseUnusable, StorageError
from service.schema import APPLICATION_ID, latest_version, lock_directory

_PATTERN: Final = "kb-agent-*.db"


@dataclass(frozen=True, slots=True)
class Backup:
    """A checked copy: where it is, its size in bytes, the version of its schema, and what it holds."""

    path: Path
    bytes: int
    schema: int
    chats: int
    messages: int
    documents: int


def back_up(data_dir: Path, target: Path, *, keep: int | None = None) -> Backup:
    """Copy the database of `data_dir` to the file `target`, or into that folder under a name with the time.

    The service may run. The copy is what was committed when it began; it is on the disk and checked before it gets
    its name. With `keep` the target is a folder, made where there is none, in which so many of the newest copies
    stay. Raises StorageError, and DatabaseUnusable when there is no database or it is damaged.
    """
    source = data_dir / FILE_NAME
    if not source.is_file():
        raise DatabaseUnusable(f"{source}: there is no database; check DATA_DIR")
    into_folder = keep is not None or target.is_dir()
    path = target / f"kb-agent-{_now()}.db" if into_folder else target
    if path.exists():
        raise StorageError(f"{path}: exists already; choose another name")
    with _arriving(path) as unfinished:
        sql = load_queries("backup")
        with _reading(source) as connection:
            connection.execute(sql["copy"], (str(unfinished),))
        made = verify(unfinished)
    if keep is not None:
        for old in sorted(target.glob(_PATTERN))[:-keep]:
            old.unlink()
    return Backup(path, made.bytes, made.schema, made.chats, made.messages, made.documents)


def restore(source: Path, data_dir: Path) -> Backup:
    """Bring a copy back as the database of `data_dir`, where there must be none and no service running.

    Raises StorageError, DataDirectoryLocked while the service runs, DatabaseUnusable when the copy is of no use.
    """
    verify(source)
    with lock_directory(data_dir):
        path = data_dir / FILE_NAME
        if path.exists():
            raise StorageError(f"{path}: there is a database; move it away before another takes its place")
        with _arriving(path) as unfinished:
            shutil.copyfile(source, unfinished)
            sql = load_queries("backup")
            with contextlib.closing(sqlite3.connect(unfinished, isolation_level=None)) as connection:
                connection.execute(sql["skip_events"])
            made = verify(unfinished)
    return Backup(path, made.bytes, made.schema, made.chats, made.messages, made.documents)


def verify(path: Path) -> Backup:
    """Read a copy from end to end. Raises DatabaseUnusable when it is damaged, not ours, or too new."""
    if not path.is_file():
        raise DatabaseUnusable(f"{path}: there is no such file")
    try:
        with _reading(path) as connection:
            application, schema = (_pragma(connection, name) for name in ("application_id", "user_version"))
            if application != APPLICATION_ID:
                raise DatabaseUnusable(f"{path}: is no copy of a kb-agent database")
            if schema > latest_version():
                raise DatabaseUnusable(f"{path}: its schema {schema} is newer than this program's")
            verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if verdict != "ok" or connection.execute("PRAGMA foreign_key_check").fetchone():
                raise DatabaseUnusable(f"{path}: is damaged ({verdict}); take another copy")
            sql = load_queries("backup")
            counts = connection.execute(sql["counts"]).fetchone()
    except sqlite3.DatabaseError as error:
        raise DatabaseUnusable(f"{path}: cannot be read ({error}); take another copy") from error
    return Backup(path, path.stat().st_size, schema, *counts)


@contextlib.contextmanager
def _arriving(path: Path) -> Iterator[Path]:
    """Give a name beside `path` to write to; what is there at the end gets onto the disk, then to its own name."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        yield unfinished
        _sync(unfinished)
        unfinished.rename(path)
        _sync(path.parent)
    except (OSError, sqlite3.OperationalError) as error:
        raise StorageError(
            f"{path}: cannot be written ({error}); is there room, and who owns the folder?"
        ) from error
    except sqlite3.DatabaseError as error:
        raise DatabaseUnusable(f"{path}: cannot be written ({error}); what it comes from is damaged") from error
    finally:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            unfinished.unlink()


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        connection.execute("PRAGMA busy_timeout = 5000")
        try:
            _pragma(connection, "schema_version")
        except sqlite3.OperationalError as error:
            raise StorageError(
                f"{path}: cannot be opened ({error}); while no service runs on it, its folder must be writable"
            ) from error
        yield connection


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
