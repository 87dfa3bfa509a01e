"""Read-your-writes: wait until what was put into the folder is searchable, by name, by content, or all of it."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from service.errors import Conflict, Overloaded
from service.kb import folder as disk
from service.kb.index import Reconciler

_MOST: Final = 100
_WANTED: Final = re.compile(r"(?:(?P<name>.+)@)?(?P<revision>[0-9a-f]{64})|(?P<gone>.+)@gone", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is waited for: a document as it is on disk, that content of it or of any, its end, or everything.

    `name` is '' for any document, `revision` '' for the content on disk; both are '' for everything.
    """

    name: str
    revision: str
    gone: bool = False


EVERYTHING: Final = Wanted("", "")


def wanted(text: str) -> Wanted:
    """Read `NAME`, `SHA256`, `NAME@SHA256`, `NAME@gone` or `*`."""
    if text == "*":
        return EVERYTHING
    parts = _WANTED.fullmatch(text)
    if parts is None:
        return Wanted(text, "")
    return Wanted(parts["gone"] or parts["name"] or "", parts["revision"] or "", gone=parts["gone"] is not None)


class Arrivals:
    """Lets callers wait for the index. `nudge` makes whoever keeps it up to date look at the folder now."""

    def __init__(self, index: Reconciler, nudge: Callable[[], None]) -> None:
        self._index = index
        self._nudge = nudge
        self._closing = asyncio.Event()
        self._waiting = 0

    def close(self) -> None:
        """Let all go who wait; nobody waits any more."""
        self._closing.set()

    async def wait(self, text: str, seconds: float, left: Callable[[], Awaitable[None]]) -> None:
        """Wait until what `text` names is searchable, at most so long, and not after `left` has returned.

        Raises Conflict `file_skipped` at once for a file that cannot be indexed as it is, Conflict `not_live`
        when it is not searchable in time, Overloaded when too many wait.
        """
        what, asked = wanted(text), time.monotonic()
        with self._place():
            live = asyncio.ensure_future(self._live(what, asked))
            ends = [live, asyncio.ensure_future(left()), asyncio.ensure_future(self._closing.wait())]
            try:
                await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for end in ends:
                    end.cancel()
                await asyncio.gather(*ends, return_exceptions=True)
            if live.cancelled():
                over = "the service is stopping" if self._closing.is_set() else f"{seconds:g} s are over"
                raise Conflict("not_live", f"Not searchable yet: {self._standing(what, asked)}; {over}.")
            live.result()

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._waiting >= _MOST:
            raise Overloaded("too many requests wait for the index; try again shortly", retry_after=2)
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def _live(self, what: Wanted, asked: float) -> None:
        if what.revision and not what.name:
            await self._content(what.revision)
        elif not self._reads(what.name, what.revision):
            self._nudge()
            while not self._index.scanned_since(asked):
                await self._index.news()
            scanned = time.monotonic()
            while self._index.behind(scanned) if what == EVERYTHING else not self._met(what):
                await self._index.news()

    async def _content(self, revision: str) -> None:
        """Wait until a document has this content; all are looked through once, then only those that change."""
        with self._index.gathered() as gathered:
            if any(self._reads(name, revision) for name in self._index.served):
                return
            self._nudge()
            names: list[str] = []
            while not any(self._reads(name, revision) for name in names):
                await self._index.news()
                names = [name for changes in gathered for name in changes.added + changes.changed]
                gathered.clear()

    def _reads(self, name: str, revision: str) -> bool:
        served = self._index.served.get(name)
        return served is not None and served.revision == revision

    def _met(self, what: Wanted) -> bool:
        """Whether it is as wanted by now. Raises Conflict for a file that is not indexed as it is."""
        if what.gone:
            return what.name not in self._index.served
        if self._reads(what.name, what.revision):
            return True
        self._check(what.name)
        return not what.revision and what.name in self._index.served and not self._index.pending(what.name)

    def _check(self, name: str) -> None:
        refusal = self._index.refusal(name)
        if refusal is not None:
            raise Conflict("file_skipped", f"It is not indexed: {refusal.reason}, {refusal.detail}.")
        if name not in self._index.served and not disk.counts(self._index.folder, name):
            raise Conflict("file_skipped", "It is not indexed: no file with such a name or ending is.")

    def _standing(self, what: Wanted, asked: float) -> str:
        served = self._index.served.get(what.name)
        if not self._index.scanned_since(asked):
            return "the folder is still being scanned"
        if not what.name:
            return "no document has this content" if what.revision else "some changes are still being taken in"
        if what.gone:
            return "it is still in the folder"
        if self._index.pending(what.name):
            return "the file was seen and is being taken in"
        return "there is no such file in the folder" if served is None else "the document has other content"
