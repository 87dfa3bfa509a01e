"""One SQLite file: one writer that commits in groups, read-only readers with a deadline.

Work is a synchronous function run in its connection's thread. sqlite3's errors become ours here, and in
`schema.py` while the file is opened, nowhere else.
"""

import asyncio
import contextlib
import itertools
import math
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from service import schema
from service.errors import ReadDeadlineExceeded, StorageError
from service.sqlite import Connection, connected

T = TypeVar("T")
Parameters = Sequence[Any] | Mapping[str, Any]

FILE_NAME: Final = "kb-agent.db"
_GROUP_LIMIT: Final = 128
_GIVES_WAY: Final = 64  # later writes that a bulky one lets pass at most, so that it is not put off for ever
_PROGRESS_STEPS: Final = 2_000  # virtual machine steps between two looks at the clock, about 0.1 ms


class Transaction:
    """What a piece of work sees of the group's transaction: a savepoint of its own."""

    __slots__ = ("_connection", "callbacks")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.callbacks: list[Callable[[], None]] = []

    def execute(self, sql: str, parameters: Parameters = ()) -> sqlite3.Cursor:
        """Run one statement."""
        return self._connection.execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Parameters]) -> sqlite3.Cursor:
        """Run one statement for every row."""
        return self._connection.executemany(sql, rows)

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Run `callback` on the event loop once the group is on disk.

        Callbacks run in commit order, before the callers of the group's writes wake.
        """
        self.callbacks.append(callback)


class CommitObserver(Protocol):
    """Told of every commit: how long it took in seconds, how many writes shared it, what the database refused."""

    def __call__(self, seconds: float, writes: int, refused: StorageError | None) -> None:
        """Take note of one commit."""
        ...


@dataclass(slots=True)
class _Write:
    work: Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    bulky: bool
    value: Any = None
    error: BaseException | None = None
    callbacks: list[Callable[[], None]] = field(default_factory=list)


class Database:
    """The open database. Make one with `open_database`."""

    def __init__(
        self, path: Path, writer: Connection, readers: Sequence[Connection], observe: CommitObserver | None
    ) -> None:
        self.path = path
        self._writer = writer
        self._observe = observe
        self._readers: asyncio.Queue[Connection] = asyncio.Queue()
        for reader in readers:
            self._readers.put_nowait(reader)
        self._writes: asyncio.PriorityQueue[tuple[float, bool, _Write | None]] = asyncio.PriorityQueue()
        self._places = itertools.count()
        self._closed = False

    async def write(self, work: Callable[[Transaction], T], *, bulky: bool = False) -> T:
        """Run `work` in the writer's thread and return its value once it is committed and synced.

        What `work` raises undoes its own statements and is raised here. Raises StorageError when nothing was
        stored. A caller that is cancelled meanwhile does not undo it. `bulky` work takes long: it is committed by
        itself, after what waits and some of what comes later.
        """
        return await self.submit(work, bulky=bulky)

    def submit(self, work: Callable[[Transaction], T], *, bulky: bool = False) -> asyncio.Future[T]:
        """Queue `work` after what was queued before; the future ends as `write` would. It has to be awaited."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._closed:
            future.set_exception(StorageError("the database is closed"))
        else:
            place = next(self._places) + _GIVES_WAY * bulky
            self._writes.put_nowait((place, bulky, _Write(work, future, bulky)))
        return future

    async def read(self, work: Callable[[sqlite3.Connection], T], *, deadline: float = 5.0) -> T:
        """Run `work` on a read-only connection, at most `deadline` seconds of it.

        Raises ReadDeadlineExceeded, or StorageError when the database fails.
        """
        reader = await self._readers.get()
        try:
            return await reader.run(_bounded, work, deadline)
        finally:
            self._readers.put_nowait(reader)

    async def truncate_log(self) -> bool:
        """Fold the log into the file and empty it: what was deleted is gone from both. False while somebody reads.

        Raises StorageError when the database fails.
        """
        return await self._writer.run(_truncate)

    @property
    def queued_writes(self) -> int:
        """Writes that wait for a commit."""
        return self._writes.qsize()

    def file_bytes(self) -> int:
        """Size of the database file."""
        return _size(self.path)

    def wal_bytes(self) -> int:
        """Size of the write-ahead log."""
        return _size(self.path.with_name(self.path.name + "-wal"))

    async def commit_groups(self) -> None:
        """Take what waits, commit it together, tell the callers; until `stop`. Run by `open_database`."""
        while group := await self._group():
            started = time.perf_counter()
            await self._writer.run(_commit, group)
            if self._observe is not None:
                refused = next((write.error for write in group if isinstance(write.error, StorageError)), None)
                self._observe(time.perf_counter() - started, len(group), refused)
            loop = asyncio.get_running_loop()
            for write in group:
                loop.call_soon(_deliver, write)  # by the loop, which logs what a callback raises, and goes on

    async def _group(self) -> list[_Write]:
        """The next to be committed together: a bulky write, or those that wait before one; none at the end."""
        group: list[_Write] = []
        while not group or (len(group) < _GROUP_LIMIT and not self._writes.empty()):
            entry = await self._writes.get()
            write = entry[2]
            if write is None or (group and write.bulky):
                self._writes.put_nowait(entry)
                break
            group.append(write)
            if write.bulky:
                break
        return group

    async def stop(self, commits: asyncio.Task[None]) -> None:
        """Refuse new writes and wait for those that are queued."""
        self._closed = True
        self._writes.put_nowait((math.inf, True, None))
        await commits


@contextlib.asynccontextmanager
async def open_database(
    directory: Path, *, readers: int = 3, observe: CommitObserver | None = None
) -> AsyncIterator[Database]:
    """Lock `directory`, open and check its database, bring its schema up to date; close it all on leaving.

    Raises DataDirectoryLocked, DatabaseUnusable, or StorageError when the folder cannot be used.
    """
    path = directory / FILE_NAME
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(schema.lock_directory(directory))
        writer = await stack.enter_async_context(connected(lambda: schema.open_writer(path)))
        pool = [await stack.enter_async_context(connected(lambda: _open_reader(path))) for _ in range(readers)]
        database = Database(path, writer, pool, observe)
        commits = asyncio.create_task(database.commit_groups(), name="commit-groups")
        try:
            yield database
        finally:
            await database.stop(commits)
            await writer.run(_checkpoint)


def load_queries(package: str) -> Mapping[str, str]:
    """Read the named queries of `service/sql/<package>.sql`: name -> SQL.

    Each begins with `-- name: <name>` and a comment that says what it does.
    """
    text = resources.files("service").joinpath("sql", f"{package}.sql").read_text("utf-8")
    parts = re.split(r"^-- name: (\w+)\s*$", text, flags=re.MULTILINE)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def _commit(connection: sqlite3.Connection, group: Sequence[_Write]) -> None:
    """Run a group in one transaction; each write's outcome is left on it. A failed commit fails them all."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        for write in group:
            _run(connection, write)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        with contextlib.suppress(sqlite3.Error):  # none is active where SQLite rolled back by itself
            connection.execute("ROLLBACK")
        failure = StorageError(f"the database did not take the change: {error}")
        failure.__cause__ = error
        for write in group:
            write.error, write.callbacks = failure, []


def _run(connection: sqlite3.Connection, write: _Write) -> None:
    transaction = Transaction(connection)
    connection.execute("SAVEPOINT one_write")
    try:
        write.value = write.work(transaction)
        write.callbacks = transaction.callbacks
    except Exception as error:  # handed to the caller that waits for this write
        if not connection.in_transaction:  # SQLite rolled the whole group back: disk full, I/O error
            raise sqlite3.OperationalError(str(error)) from error
        connection.execute("ROLLBACK TO one_write")
        write.error = _translated(error) if isinstance(error, sqlite3.Error) else error
    connection.execute("RELEASE one_write")


def _deliver(write: _Write) -> None:
    try:
        for callback in write.callbacks:
            callback()
    finally:
        if write.future.done():  # its caller was cancelled
            pass
        elif write.error is not None:
            write.future.set_exception(write.error)
        else:
            write.future.set_result(write.value)


def _bounded(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T], deadline: float) -> T:
    end = time.monotonic() + deadline
    connection.set_progress_handler(lambda: time.monotonic() > end, _PROGRESS_STEPS)
    try:
        connection.execute("BEGIN")  # one state of the database for all that is asked of it
        return work(connection)
    except sqlite3.Error as error:
        if isinstance(error, sqlite3.OperationalError) and time.monotonic() > end:
            raise ReadDeadlineExceeded(f"the query took longer than {deadline:g} s") from error
        raise _translated(error) from error
    finally:
        connection.set_progress_handler(None, 0)
        connection.rollback()


def _translated(error: sqlite3.Error) -> StorageError:
    failure = StorageError(f"the database failed: {error}")
    failure.__cause__ = error
    return failure


def _open_reader(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA busy_timeout = 5000")
    return connection


def _truncate(connection: sqlite3.Connection) -> bool:
    connection.execute("PRAGMA busy_timeout = 250")  # a backup may read
    try:
        busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.Error as error:
        raise _translated(error) from error
    finally:
        connection.execute("PRAGMA busy_timeout = 5000")
    return not busy


def _checkpoint(connection: sqlite3.Connection) -> None:
    with contextlib.suppress(sqlite3.Error, StorageError):  # what is not folded in now is at the next start
        connection.execute("PRAGMA optimize")
        _truncate(connection)


def _size(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0
