"""When to reconcile: file events are a hint, a timed scan is the truth. Supervises itself."""

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from service.kb import mounts
from service.kb.file_events import FileEvents, Watch
from service.kb.folder import Root
from service.kb.index import Reconciler, Status, Step

__all__ = ["Intervals", "Watch", "Watcher"]

_TICK: Final = 1.0  # seconds between two looks whether the folder is still the same directory
_GAP: Final = (0.05, 2.0)  # least seconds between two scans, and how many times what a scan took
_ECHO: Final = (0.5, 3.0)  # the same, until the scan that follows one which found something
_POLL_SHARE: Final = 5.0  # polling takes at most a sixth of the time
_FAILED: Final = (0.25, 4.0)  # seconds until a step that failed is repeated, doubled up to the second figure


@dataclass(frozen=True, slots=True)
class Intervals:
    """Seconds between two timed scans (`scan`), when polling (`poll`), and between two passes over the content."""

    scan: float
    poll: float
    content: float


class Watcher:
    """Keeps the index up to date while `run` runs, whatever fails."""

    def __init__(self, reconciler: Reconciler, watch: Watch, intervals: Intervals) -> None:
        self._reconciler = reconciler
        self._intervals = intervals
        self._wake = asyncio.Event()
        self._watch = watch
        self._events = FileEvents(watch, self._wake.set)
        self._root: Root | None = None
        self._device: int | None = None
        self._shared = False
        self._nudged = False
        self._beat: float | None = None
        self._scanned_at = -math.inf
        self._scan_seconds = 0.0
        self._echo_at = self._look_at = math.inf
        self._tick_at = self._not_before = 0.0
        self._pause = _FAILED[0]
        self._content: asyncio.Task[Any] | None = None
        self._content_at = math.inf

    async def run(self) -> None:
        """Watch until cancelled. Ends within a second of that, and leaves nothing running."""
        self._content_at = time.monotonic() + self._intervals.content
        try:
            while True:
                self._beat = time.monotonic()
                await self._turn(self._beat)
        finally:
            self._beat = None
            if self._content is not None:
                self._content.cancel()
            await self._events.close()

    def nudge(self) -> None:
        """Scan now."""
        self._nudged = True
        self._wake.set()

    async def status(self) -> Status:
        """How the index stands, and how it is watched."""
        beat = self._beat
        return replace(
            await self._reconciler.status(),
            watcher_mode=self._events.mode if beat is not None else "off",
            heartbeat_age=time.monotonic() - beat if beat is not None else None,
        )

    async def _turn(self, now: float) -> None:
        if now >= self._tick_at:
            await self._found(await self._reconciler.locate(), now)
        await self._events.tend(self._root, now)
        self._compare_content(now)
        reason = self._reason(now)
        if reason is not None:
            await self._scan(timed=reason == "timer")
        elif self._events.named and now >= self._not_before:
            await self._glance()
        elif self._look_at <= now and now >= self._not_before:
            await self._attempt(self._reconciler.look())
        else:
            await self._rest(now)

    async def _found(self, root: Root | None, now: float) -> None:
        """Note which directory the folder is by now; another one is looked at once, and watched."""
        if root != self._root:
            self._root = root
            self._nudged = True
        device = root.identity[0] if root is not None else None
        if device != self._device:
            self._device = device
            self._shared = device is not None and await asyncio.to_thread(mounts.is_shared, device)
        self._tick_at = now + _TICK

    def _reason(self, now: float) -> Literal["hint", "echo", "timer"] | None:
        """Why to scan now, if at all."""
        if now < self._not_before:
            return None
        if self._nudged or (
            self._events.hinted and now >= self._scanned_at + max(_GAP[0], _GAP[1] * self._scan_seconds)
        ):
            return "hint"
        if now >= self._echo_at:
            return "echo"
        return "timer" if now >= self._scanned_at + self._interval() else None

    def _interval(self) -> float:
        """Until the next timed scan. Events do not tell what others change on a shared drive."""
        polling = self._events.mode == "poll" or (self._shared and self._watch == "auto")
        return max(self._intervals.poll, _POLL_SHARE * self._scan_seconds) if polling else self._intervals.scan

    async def _scan(self, *, timed: bool) -> None:
        self._nudged = self._events.hinted = False
        self._events.named.clear()
        self._echo_at = math.inf
        step = await self._attempt(self._reconciler.scan())
        self._scanned_at = time.monotonic()
        if step is None:
            return
        self._scan_seconds = step.scan_seconds
        self._root = self._reconciler.root
        self._echo(step)
        if step.noticed and timed and not self._events.told:
            self._events.missed()

    async def _glance(self) -> None:
        """Look at the files that events named: what is saved is found as fast in a large folder as in a small."""
        names = frozenset(self._events.named)
        self._events.named.clear()
        step = await self._attempt(self._reconciler.glance(names))
        if step is not None:
            self._events.hinted = self._events.hinted or step.unsure
            self._echo(step)

    def _echo(self, step: Step) -> None:
        """Scan again after a find: files raise no event while their directories are not watched as yet."""
        if step.noticed:
            pause = max(_ECHO[0], _ECHO[1] * self._scan_seconds)
            self._echo_at = min(self._echo_at, time.monotonic() + pause)

    async def _attempt(self, step: Awaitable[Step]) -> Step | None:
        """Make one step. One that fails is counted and logged by the reconciler, and repeated after a pause."""
        (result,) = await asyncio.gather(step, return_exceptions=True)
        if isinstance(result, BaseException):
            self._nudged = True
            self._not_before = time.monotonic() + self._pause
            self._pause = min(self._pause * 2, _FAILED[1])
            return None
        self._pause = _FAILED[0]
        self._look_at = time.monotonic() + result.again if result.again is not None else math.inf
        return result

    def _compare_content(self, now: float) -> None:
        """Begin a pass over the content of every file when it is time; it gives way to scans."""
        if now >= self._content_at and (self._content is None or self._content.done()):
            self._content_at = now + self._intervals.content
            self._content = asyncio.create_task(self._reconciler.verify())
            self._content.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _rest(self, now: float) -> None:
        """Sleep until something is due or woken, one tick at most."""
        due = min(self._tick_at, self._echo_at, self._look_at, self._scanned_at + self._interval())
        if self._events.told or self._nudged:
            due = now
        seconds = min(max(due, self._not_before) - now, _TICK)
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, _GAP[0])):  # wait_for may swallow a cancellation
                await self._wake.wait()
