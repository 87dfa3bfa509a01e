"""Merges the full-text index once it keeps still: searches get faster, and words of removed documents go.

A deletion in FTS5 only adds a mark; the words stay in older segments until these are rewritten.
"""

import asyncio
import functools
import logging
import sqlite3
import time
from collections.abc import Mapping
from typing import Final

from service.database import Database, Transaction, load_queries
from service.errors import StorageError

_log = logging.getLogger(__name__)

_LATEST: Final = 60.0  # after so many seconds it is merged although it keeps changing
_REST: Final = 100.0  # times as long as the last merge took, so that it is a hundredth of the work at most
_PAGES: Final = 250  # of 4 kB in one transaction: about 10 ms in the writer


class Tidying:
    """Keeps the full-text index in one segment. One at a time for a database."""

    def __init__(self, database: Database, look: float = 2.0) -> None:
        """`look`: seconds between two looks; the index keeps still when nothing changed from one to the next."""
        self._database = database
        self._look = look
        self._changed = 0
        self._since = 0.0
        self._rested = 0.0

    async def run(self) -> None:
        """Look again and again whether there is something to tidy, for ever."""
        while True:
            await asyncio.sleep(self._look)
            try:
                if await self.due(time.monotonic()):
                    await self.tidy()
            except StorageError as error:  # a full disk, which others tell of too; nothing is lost
                _log.warning("tidying put off", extra={"error": str(error)})
                self._rested = time.monotonic() + _LATEST

    async def due(self, now: float) -> bool:
        """Whether the index has changed since it was merged, and now keeps still or has waited long enough."""
        changed, unfinished = await self._database.read(_state)
        former, self._changed = self._changed, changed
        if not former:
            self._since = now
        waited = changed == former or now - self._since >= _LATEST
        return changed != 0 and waited and now >= self._rested and not unfinished

    async def tidy(self) -> bool:
        """Merge the whole index in short transactions; returns whether nothing old is left in the files now."""
        started = time.monotonic()
        changed, unfinished = await self._database.read(_state)
        pages = -_PAGES  # the sign has all segments merged, not only those of one size
        while await self._database.write(functools.partial(_merge, pages), bulky=True):
            pages = _PAGES
        clean = await self._database.truncate_log() and not unfinished
        if clean:
            await self._database.write(functools.partial(_done, changed))
        self._changed = 0
        self._rested = time.monotonic() + _REST * (time.monotonic() - started)
        return clean


def _merge(pages: int, tx: Transaction) -> bool:
    """Merge about so many pages; returns whether there may be more to do, which FTS5 tells by rows changed."""
    before = tx.execute(_sql()["total_changes"]).fetchone()[0]
    tx.execute(_sql()["merge_postings"], (pages,))
    more: bool = tx.execute(_sql()["total_changes"]).fetchone()[0] - before >= 2
    return more


def _done(changed: int, tx: Transaction) -> None:
    tx.execute(_sql()["add_total"], ("untidied", -changed))


def _state(connection: sqlite3.Connection) -> tuple[int, bool]:
    """How many passages came or went since the last merge, and whether rows of versions not served are left."""
    changed, unfinished = connection.execute(_sql()["tidiness"]).fetchone()
    return int(changed), bool(unfinished)


@functools.cache
def _sql() -> Mapping[str, str]:
    return load_queries("kb")
