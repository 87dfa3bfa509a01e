"""File events as hints: a watch of the folder in a thread of its own, renewed when it cannot be trusted any more.

An event says only: look again. That none comes proves nothing.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Literal

import watchfiles

from service.kb.folder import Root
from service.kb.status import WatcherMode

Watch = Literal["auto", "events", "poll", "off"]
_log = logging.getLogger(__name__)

_STEP_MS: Final = 20  # also how often the thread looks whether it shall stop
_DEBOUNCE_MS: Final = 100
_ALIVE_MS: Final = 100  # until the watch is known to stand
_CLOSING: Final = 1.0  # seconds
_RETRY: Final = (0.5, 60.0)  # seconds until a watch that failed is tried again, doubled up to the second figure
_NAMES: Final = 200  # files looked at by name; more are a scan
_MISSES: Final = 2  # changes in a row of which no event had told


class _Watch:
    """One watch of one directory.

    `heard` is called on the event loop: with the paths of every batch of events, and with none once the watch
    stands and when it has ended by itself.
    """

    def __init__(self, root: Root, heard: Callable[[Collection[str]], None]) -> None:
        self.root = root
        self.standing = False
        self._heard = heard
        self._stop = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kb-events")
        self._end = self._loop.run_in_executor(self._thread, self._run)
        self._end.add_done_callback(self._ended)

    @property
    def error(self) -> str | None:
        """What ended it, None while it lasts."""
        if not self._end.done():
            return None
        return repr(self._end.exception()) if not self._end.cancelled() else "cancelled"

    async def close(self) -> None:
        """Stop watching; takes some 20 ms."""
        self._stop.set()
        await asyncio.wait([self._end], timeout=_CLOSING)
        self._thread.shutdown(wait=False)

    def _ended(self, _: asyncio.Future[None]) -> None:
        if not self._stop.is_set():
            self._heard(())

    def _run(self) -> None:
        # No filter: the update of a ConfigMap shows only in names that begin with dots. Permission errors are not
        # ignored: that would silently leave out some of the other folders.
        batches = watchfiles.watch(
            self.root.path,
            watch_filter=None,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            stop_event=self._stop,
            rust_timeout=_ALIVE_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
            force_polling=False,
            ignore_permission_denied=False,
        )
        for batch in batches:
            if batch or not self.standing:
                self._loop.call_soon_threadsafe(self._tell, {path for _, path in batch})

    def _tell(self, paths: Collection[str]) -> None:
        self.standing = True
        self._heard(paths)


class FileEvents:
    """Keeps a watch on whatever directory the folder is. `wake` is called when there is reason to look again.

    `named` are files that may have changed, by their names in the folder; `hinted` is set where that is not all.
    """

    def __init__(self, watch: Watch, wake: Callable[[], None]) -> None:
        self.hinted = False
        self.named: set[str] = set()
        self._watch = watch
        self._wake = wake
        self._current: _Watch | None = None
        self._trouble: str | None = "no watch stands yet"
        self._misses = 0
        self._renew = False
        self._retry_at = 0.0
        self._pause = _RETRY[0]
        self._reported: WatcherMode | None = None

    @property
    def mode(self) -> WatcherMode:
        """How changes are noticed just now."""
        if self._watch == "off":
            return "scan"
        if self._watch == "poll" or self._trouble is not None:
            return "poll"
        return "poll" if self._watch == "auto" and self._misses >= _MISSES else "events"

    @property
    def told(self) -> bool:
        """Whether events came that nobody has followed up."""
        return self.hinted or bool(self.named)

    async def tend(self, root: Root | None, now: float) -> None:
        """Watch `root`, the directory the folder is just now: begin, renew or give up the watch."""
        if self._watch in ("auto", "events"):
            await self._drop_unless_good(root, now)
            if root is None:
                self._trouble = "there is no folder"
            elif self._current is None and now >= self._retry_at:
                self._begin(root, now)
        self._report()

    def missed(self) -> None:
        """A scan that nothing hinted at has found changes."""
        if self._current is not None and self._current.standing:
            self._misses += 1
            self._renew = self._misses.bit_count() == 1  # the 1st, 2nd, 4th, 8th time: a new watch may see more

    async def close(self) -> None:
        """Stop watching."""
        if self._current is not None:
            await self._current.close()
            self._current = None

    def _begin(self, root: Root, now: float) -> None:
        try:
            self._current = _Watch(root, self._heard)
        except RuntimeError as error:  # the system gives no thread
            self._failed(repr(error), now)

    def _failed(self, error: str, now: float) -> None:
        """Note why there is no watch, and try again later: each time after a longer pause."""
        self._trouble = error
        self._retry_at = now + self._pause
        self._pause = min(self._pause * 2, _RETRY[1])

    async def _drop_unless_good(self, root: Root | None, now: float) -> None:
        if self._current is None:
            return
        error = self._current.error
        lost = self._renew or root != self._current.root
        if error is not None:
            self._failed(error, now)
        elif lost:
            self._trouble = "the watch is renewed"
        if error is not None or lost:
            self._renew = False
            await self.close()

    def _heard(self, paths: Collection[str]) -> None:
        if paths:
            self._misses = 0
        inside = f"{self._current.root.path}/" if self._current is not None else ""
        # The folder itself: it may be gone, and another one with the same number in its place, unwatched.
        self._renew = self._renew or inside[:-1] in paths
        self.named |= {path.removeprefix(inside) for path in paths if path.startswith(inside)}
        if not paths or len(self.named) > _NAMES or not all(path.startswith(inside) for path in paths):
            self.hinted = True
            self.named.clear()
        if self._current is not None and self._current.standing:
            self._trouble = None
            self._pause = _RETRY[0]
        self._wake()

    def _report(self) -> None:
        """Log a change of mode, once, and not while a watch is being set up."""
        arming = self._current is not None and not self._current.standing and self._current.error is None
        if arming or self.mode == self._reported:
            return
        reason = self._trouble or ("changes came without events" if self._misses >= _MISSES else "")
        level = logging.WARNING if reason and self.mode == "poll" and self._reported else logging.INFO
        _log.log(level, "watching by %s", self.mode, extra={"watcher_mode": self.mode, "reason": reason})
        self._reported = self.mode
