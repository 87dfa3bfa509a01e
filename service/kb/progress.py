"""How far the intake of many files has come, for status and log."""

import logging
import time
from typing import Final

_log = logging.getLogger(__name__)

_TOLD: Final = 250  # files; fewer are taken in before anybody looks
_REPORT: Final = 1.0  # seconds between two lines of the log


class Progress:
    """`told` is (done, total) files while many are taken in, over as many spells as that takes."""

    def __init__(self) -> None:
        self.told: tuple[int, int] | None = None
        self._done = 0
        self._reported = 0.0

    def begin(self, left: int) -> None:
        """A batch begins; so many files are left with it."""
        moment = time.monotonic()
        if not self._done:
            self._reported = moment
        total = self._done + left
        if total > _TOLD:
            self.told = (self._done, total)
        if moment - self._reported >= _REPORT:
            self._reported = moment
            _log.info("indexing", extra={"done": self._done, "total": total})

    def took(self, files: int) -> None:
        """So many files of the batch are taken in."""
        self._done += files

    def end(self) -> None:
        """Nothing is left."""
        self.told, self._done = None, 0
