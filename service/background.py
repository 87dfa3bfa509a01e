"""Background work with an owner: named, restarted when it dies, ended with the block that started it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from service.telemetry import Metrics

_LOG: Final = logging.getLogger(__name__)
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0


@contextlib.asynccontextmanager
async def supervised(name: str, work: Callable[[], Awaitable[None]], metrics: Metrics) -> AsyncIterator[None]:
    """Run `work` while the block lasts. When it dies it is logged, counted and begun again after a pause."""
    metrics.background_deaths.labels(name)  # begins at 0
    task = asyncio.create_task(_supervise(name, work, metrics), name=name)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` now and again after each pause of `seconds`, for ever."""
    while True:
        await work()
        await asyncio.sleep(seconds)


async def _supervise(name: str, work: Callable[[], Awaitable[None]], metrics: Metrics) -> None:
    pause = _FIRST_PAUSE
    while True:
        try:
            await work()
        except Exception:  # noqa: BLE001 - logged and counted; the work begins again
            _LOG.exception("background work died", extra={"work": name, "again_in_seconds": pause})
        metrics.background_deaths.labels(name).inc()
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
