"""What wakes a subscriber."""

import asyncio


class Bell:
    """Rung or not, with one at most who waits until it is.

    `asyncio.Event` has a queue for any number of them, which is a fortieth of what an idle stream takes.
    """

    __slots__ = ("_rung", "_waiter")

    def __init__(self) -> None:
        self._rung = False
        self._waiter: asyncio.Future[None] | None = None

    def set(self) -> None:
        """Ring, and wake who waits."""
        self._rung = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def clear(self) -> None:
        """Be silent again."""
        self._rung = False

    async def wait(self) -> None:
        """Return when it rings, at once where it does. Raises RuntimeError when somebody waits already."""
        if self._rung:
            return
        if self._waiter is not None:
            raise RuntimeError("somebody waits already")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
