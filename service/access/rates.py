"""How many requests, and how many questions, a caller may send in a minute."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from service.access.records import Principal
from service.errors import Overloaded

_MINUTE: Final = 60


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a caller has left of a limit: `reset` seconds until there is more."""

    name: str
    most: int
    left: int
    reset: int

    def headers(self) -> dict[str, str]:
        """Tell it as the fields of draft-ietf-httpapi-ratelimit-headers."""
        return {
            "RateLimit-Policy": f'"{self.name}";q={self.most};w={_MINUTE}',
            "RateLimit": f'"{self.name}";r={self.left};t={self.reset}',
        }


@dataclass(slots=True)
class _Counts:
    """What a caller sent in a minute of the clock, and in the one before."""

    minute: int
    before: int = 0
    now: int = 0

    def at(self, minute: int) -> "_Counts":
        """The counts as they stand in a later minute."""
        if minute == self.minute:
            return self
        return _Counts(minute, self.now if minute == self.minute + 1 else 0)

    def used(self, left: float) -> int:
        """What counts while so many seconds of the minute are left: so much of the minute before, and this one."""
        return math.floor(self.before * left / _MINUTE) + self.now

    def reset(self, left: float) -> int:
        """Seconds until less counts."""
        return max(1, math.ceil(left % (_MINUTE / self.before) if self.before else left))


class Rates:
    """Counts by caller in a sliding minute, of which two numbers are kept. A limit of 0 is none."""

    def __init__(self, requests: int, questions: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = {"requests": requests, "questions": questions}
        self._clock = clock
        self._counts: dict[tuple[str, str], _Counts] = {}
        self._minute = 0

    def take(self, name: str, principal: Principal) -> Allowance | None:
        """Count one of `requests` or `questions`; None for a caller without limits.

        Raises Overloaded `rate_limited`.
        """
        most = self._most[name]
        if principal.limited is None or most == 0:
            return None
        minute, passed = divmod(self._clock(), _MINUTE)
        left = _MINUTE - passed
        counts = self._counted((name, principal.limited), int(minute))
        if counts.used(left) >= most:
            detail = f"more than {most} {name} in a minute; slow down"
            raise Overloaded(detail, counts.reset(left), "rate_limited")
        counts.now += 1
        return Allowance(name, most, most - counts.used(left), counts.reset(left))

    def _counted(self, key: tuple[str, str], minute: int) -> _Counts:
        if minute != self._minute:  # who sent nothing for a minute is forgotten
            self._minute = minute
            self._counts = {key: counts for key, counts in self._counts.items() if counts.minute >= minute - 1}
        counts = self._counts[key] = self._counts.get(key, _Counts(minute)).at(minute)
        return counts
