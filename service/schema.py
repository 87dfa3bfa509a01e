"""The database file: opening it, checking that it is ours and sound, numbered migrations."""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Final, TypeVar

from service.errors import DatabaseUnusable, DataDirectoryLocked, KbAgentError, StorageError
from service.spacing import spaced

T = TypeVar("T")

APPLICATION_ID: Final = 0x6B624167  # "kbAg"


@contextlib.contextmanager
def lock_directory(directory: Path) -> Iterator[None]:
    """Make `directory` where needed and hold its lock; the lock dies with the process.

    Raises DataDirectoryLocked when another process holds it, StorageError when the folder cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError(
            f"DATA_DIR {directory}: cannot be written ({error.strerror}); choose a folder that can"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise DataDirectoryLocked(
            f"DATA_DIR {directory}: another process uses it; stop that, or give this one a folder of its own"
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)


def open_writer(path: Path) -> sqlite3.Connection:
    """Open `path` for writing, check it and bring its schema up to date; make it where there is none.

    Raises DatabaseUnusable when it is damaged, newer than this code or another program's; StorageError when it
    cannot be opened.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # nobody else's to read
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise StorageError(f"{path}: cannot be opened ({error}); check its owner and permissions") from error
    try:
        _prepare(connection, path)
    except (sqlite3.DatabaseError, OSError) as error:
        connection.close()
        raise DatabaseUnusable(
            f"{path}: {error}; restore a backup, or move the file away to start empty"
        ) from error
    except KbAgentError:
        connection.close()
        raise
    return connection


def latest_version() -> int:
    """Give the version of the schema that this code works with."""
    return len(_migrations())


def touch(execute: Callable[[str], sqlite3.Cursor]) -> None:
    """Write to the file what it holds already: a transaction without a change would commit without the disk."""
    version = int(execute("PRAGMA user_version").fetchone()[0])
    execute(f"PRAGMA user_version = {version}")


def equip(connection: sqlite3.Connection) -> None:
    """Let a connection write to chats, whose triggers call a function of ours."""
    connection.create_function("spaced", 1, spaced, deterministic=True)
    connection.execute("PRAGMA trusted_schema = ON")


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    equip(connection)
    for pragma in ("busy_timeout = 5000", "foreign_keys = ON", "secure_delete = ON", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if application not in (0, APPLICATION_ID) or (application == 0 and version):
        raise DatabaseUnusable(f"{path}: belongs to another program; set DATA_DIR to a folder of its own")
    migrations = _migrations()
    if version > len(migrations):
        raise DatabaseUnusable(
            f"{path}: its schema {version} is newer than this program's {len(migrations)}; "
            "run the newer release, or restore the backup made before the upgrade"
        )
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise DatabaseUnusable(
            f"{path}: is damaged ({verdict}); restore a backup, or move the file away to start empty"
        )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    if 0 < version < len(migrations):
        _keep_former(connection, path, version)
    for number, script in enumerate(migrations[version:], start=version + 1):
        _migrate(connection, number, script)


def _keep_former(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Copy the database as the former release left it, so that there is a way back from an upgrade."""
    kept = path.with_name(f"{path.stem}-schema-{version}.db")
    if kept.exists():
        return
    unfinished = kept.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection.execute("VACUUM INTO ?", (str(unfinished),))
    unfinished.rename(kept)


def _migrate(connection: sqlite3.Connection, number: int, script: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _statements(script):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _migrations() -> list[str]:
    """Read the migration scripts in order; number n brings `user_version` from n-1 to n."""
    folder = resources.files("service").joinpath("sql", "migrations")
    scripts = sorted((entry.name, entry) for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [entry.read_text("utf-8") for _, entry in scripts]


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if line.rstrip().endswith(";") and sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def peek(path: Path, work: Callable[[sqlite3.Connection], T]) -> T:
    """Run `work` on a database that another process may own. Raises StorageError when it cannot be read."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return work(connection)
    except sqlite3.Error as error:
        raise StorageError(f"the database cannot be read: {error}") from error
