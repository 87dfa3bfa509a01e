"""Open event streams: how many, whose, and their end when what opened them opens nothing any more."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from service.access.gate import Gate
from service.access.records import Principal
from service.errors import Overloaded

_RETRY_AFTER: Final = 5
_LOOK: Final = 0.25  # seconds between two looks at who may still listen; a revocation is promised to count in 1 s


@dataclass(eq=False, slots=True)
class Visit:
    """One request of somebody: its task, whether it holds a stream's place, whether it was ended from here."""

    principal: Principal
    task: asyncio.Task[Any] | None = None
    held: bool = False
    ended: bool = False
    headers: dict[str, str] = field(default_factory=dict)


class Streams:
    """Counts open streams, in all and of each caller with limits."""

    def __init__(self, gate: Gate, most: int, most_per_caller: int) -> None:
        self._gate = gate
        self._most = most
        self._most_per_caller = most_per_caller
        self._held: Counter[str] = Counter()
        self._open: set[Visit] = set()

    def hold(self, visit: Visit) -> None:
        """Take a place for a stream that is about to be opened. Raises Overloaded when there is none."""
        if visit.held:
            return
        if self._held.total() >= self._most:
            raise Overloaded("too many event streams are open; close one or try again shortly", _RETRY_AFTER)
        limited = visit.principal.limited
        if limited is not None and self._held[limited] >= self._most_per_caller:
            detail = f"{self._most_per_caller} of your event streams are open; close one or try again shortly"
            raise Overloaded(detail, _RETRY_AFTER)
        visit.held = True
        self._held[limited or ""] += 1

    @contextlib.contextmanager
    def visiting(self, visit: Visit) -> Iterator[None]:
        """Give back, when the block is left, what the visit held."""
        try:
            yield
        finally:
            self.ended(visit)
            if visit.held:
                self._held[visit.principal.limited or ""] -= 1
                self._held += Counter()  # drops what is at zero

    def began(self, visit: Visit) -> None:
        """Note that the visit's response is a stream by now."""
        self._open.add(visit)

    def ended(self, visit: Visit) -> None:
        """Note that the visit's response has its end."""
        self._open.discard(visit)

    async def watch(self) -> None:
        """End the streams of those whose key or sign-in has ended, for ever."""
        while True:
            await asyncio.sleep(_LOOK)
            for visit in [visit for visit in self._open if not self._gate.holds(visit.principal)]:
                self._open.discard(visit)
                visit.ended = True
                if visit.task is not None:
                    visit.task.cancel()
