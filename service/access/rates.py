"""How many requests, and how many questions, a caller may send in a minute."""

import math
import time
from dataclasses import dataclass
from typing import Final

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

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


class Rates:
    """Counts by caller in a sliding minute. A limit of 0 is none."""

    def __init__(self, requests: int, questions: int) -> None:
        self._most = {"requests": requests, "questions": questions}
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def take(self, name: str, principal: Principal) -> Allowance | None:
        """Count one of `requests` or `questions`; None for a caller without limits.

        Raises Overloaded `rate_limited`.
        """
        most = self._most[name]
        if principal.limited is None or most == 0:
            return None
        item = RateLimitItemPerMinute(most)
        granted = await self._limiter.hit(item, name, principal.limited)
        stats = await self._limiter.get_window_stats(item, name, principal.limited)
        reset = max(1, math.ceil(stats.reset_time - time.time()))
        if not granted:
            raise Overloaded(f"more than {most} {name} in a minute; slow down", reset, "rate_limited")
        return Allowance(name, most, stats.remaining, reset)
