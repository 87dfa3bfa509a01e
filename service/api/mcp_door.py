"""The MCP server behind /mcp, opened at its first request: its library costs more than the rest of the start."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

from starlette.types import ASGIApp

Open = Callable[[], AbstractAsyncContextManager[ASGIApp]]


class McpDoor:
    """Opens the MCP server when somebody comes, and keeps it open. Use it inside `open_door`."""

    def __init__(self, load: Callable[[], Open]) -> None:
        self._load = load
        self._opening = asyncio.Lock()
        self._app: ASGIApp | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    async def app(self) -> ASGIApp:
        """The server; loading it takes a thread, so that nobody else waits for it."""
        async with self._opening:
            if self._app is None:
                open_ = await asyncio.to_thread(self._load)
                opened: asyncio.Future[ASGIApp] = asyncio.get_running_loop().create_future()
                # A task of its own: what is opened here has to be closed by whoever opened it.
                self._keeper = asyncio.create_task(self._keep(open_, opened), name="mcp")
                self._app = await opened
            return self._app

    async def close(self) -> None:
        """Close the server if it was opened."""
        self._closing.set()
        if self._keeper is not None:
            await self._keeper

    async def _keep(self, open_: Open, opened: asyncio.Future[ASGIApp]) -> None:
        async with open_() as app:
            opened.set_result(app)
            await self._closing.wait()


@contextlib.asynccontextmanager
async def open_door(load: Callable[[], Open]) -> AsyncIterator[McpDoor]:
    """Give the door to the MCP server that `load` imports; close it in the end."""
    door = McpDoor(load)
    try:
        yield door
    finally:
        await door.close()
