"""What a chaos case is given and what it gives back: seed and size, counts and broken promises."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scripts.chaos_cases.servers import Servers, Zygote

_MOST_SHOWN = 20
_SHARED = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Run:
    """One run: seed, share of the full amounts, whether it is the short one, a folder, what starts servers."""

    seed: int
    share: float
    short: bool
    folder: Path
    zygote: Zygote

    def random(self, case: str) -> random.Random:
        """Random numbers of one case, the same for the same seed whichever cases run beside it."""
        return random.Random(f"{self.seed}/{case}")  # noqa: S311 - has to be repeatable, not secret

    def servers(self, settings: Mapping[str, str]) -> Servers:
        """Give servers over the run's folder."""
        return Servers(self.zygote, self.folder, settings)

    def longest(self, promised: float) -> float:
        """How many seconds something may take: ample time in the short run, which has no machine to itself."""
        return _SHARED if self.short else promised

    def amount(self, full: int, short: int) -> int:
        """How often to do something."""
        return short if self.short else max(1, round(full * self.share))


@dataclass(slots=True)
class Outcome:
    """Figures of a case, and each promise it saw broken. `skipped` tells why it could not run."""

    figures: dict[str, float] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    skipped: str = ""

    def count(self, name: str, by: float = 1) -> None:
        """Add to a figure."""
        self.figures[name] = self.figures.get(name, 0) + by

    def most(self, name: str, value: float) -> None:
        """Keep the greatest value of a figure."""
        self.figures[name] = max(self.figures.get(name, 0), round(value, 3))

    def check(self, held: bool, complaint: str) -> None:
        """Note a broken promise."""
        if not held and len(self.violations) < _MOST_SHOWN:
            self.violations.append(complaint)

    def extend(self, complaints: list[str]) -> None:
        """Note broken promises."""
        for complaint in complaints:
            self.check(False, complaint)


Case = Callable[[Run], Awaitable[Outcome]]


async def until(met: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    """Ask again and again until `met`, at most so many seconds; gives whether it came to that."""
    end = time.monotonic() + seconds
    while not await met():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.02)
    return True
