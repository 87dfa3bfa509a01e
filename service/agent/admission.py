"""Who may have one more turn: bounds for the process and for each caller, and what a caller may use."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from service.agent.metering import MeteredModel, NoQuota, Quota
from service.agent.model import ChatModel
from service.errors import Overloaded

_RETRY_AFTER: Final = 5


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many turns run at once, how many more may wait, and how many of both one caller may have."""

    running: int
    queued: int
    per_caller: int


class Admission:
    """Counts turns from their admission to their end; one that is admitted runs inside `running`.

    A `quota` says who has none left for another turn; one that is admitted goes on to its end.
    """

    def __init__(self, capacity: Capacity, quota: Quota | None = None) -> None:
        self._quota = quota or NoQuota()
        self.running = asyncio.Semaphore(capacity.running)
        self._capacity = capacity
        self._admitted: Counter[str] = Counter()
        self._callers: dict[str, str] = {}
        self._requests: set[tuple[str, str]] = set()

    @contextlib.contextmanager
    def place(self, caller: str, request: str | None = None) -> Iterator[bool]:
        """Hold a place for one more turn while the block lasts, until `begin` takes it over. Raises Overloaded.

        Gives whether the turn may run at once: all there are find room in `running`.

        Held, because many requests may wait for the database between their admission and their turn's beginning.
        Repeats of one `request` will make one turn, so those that come while its first holds a place need none.
        """
        if request is not None and (caller, request) in self._requests:
            yield False
            return
        self._quota.check(caller, self._admitted[caller])
        if self._admitted.total() >= self._capacity.running + self._capacity.queued:
            raise Overloaded("too many questions are being answered; try again shortly", _RETRY_AFTER)
        if self._admitted[caller] >= self._capacity.per_caller:
            most = self._capacity.per_caller
            raise Overloaded(f"{most} of your questions are being answered; try again shortly", _RETRY_AFTER)
        self._admitted[caller] += 1
        mark = {(caller, request)} if request is not None else set()
        self._requests |= mark
        try:
            yield self._admitted.total() <= self._capacity.running
        finally:
            self._requests -= mark
            self._leave(caller)

    def begin(self, turn_id: str, caller: str) -> None:
        """Count a turn of `caller` until it ends."""
        self._callers[turn_id] = caller
        self._admitted[caller] += 1

    def metered(self, model: ChatModel, caller: str, window: int) -> ChatModel:
        """Give `model` with its calls charged to a caller; no request has more than `window` tokens."""
        return MeteredModel(model, self._quota, caller, window)

    @property
    def waiting(self) -> int:
        """How many turns have begun to count and wait for others to end."""
        return max(0, len(self._callers) - self._capacity.running)

    def end(self, turn_id: str) -> None:
        """Free the turn's place."""
        self._leave(self._callers.pop(turn_id))

    def _leave(self, caller: str) -> None:
        self._admitted[caller] -= 1
        if not self._admitted[caller]:
            del self._admitted[caller]
