"""A SQLite connection and its thread, as aiosqlite keeps them."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import aiosqlite

T = TypeVar("T")


class Connection(aiosqlite.Connection):
    """aiosqlite's connection with a whole function as the unit of work: one hop to its thread."""

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run `function` with the sqlite3 connection and these arguments in the thread."""
        result: T = await self._execute(function, self._conn, *arguments)  # type: ignore[no-untyped-call]
        return result

    async def ended(self) -> None:
        """Wait for the thread of a connection that could not be opened, which aiosqlite does not."""
        await asyncio.to_thread(self._thread.join)


@contextlib.asynccontextmanager
async def connected(connect: Callable[[], sqlite3.Connection]) -> AsyncIterator[Connection]:
    """Open a connection in a thread of its own; close it on leaving, and wait for the thread."""
    connection = Connection(connect, iter_chunk_size=64)
    opened = False
    try:
        await connection
        opened = True
        yield connection
    finally:
        await (connection.close() if opened else connection.ended())
