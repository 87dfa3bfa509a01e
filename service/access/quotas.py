"""How many tokens of the model a caller may use in a day: counted in memory, kept in the database.

The day is UTC's. A caller is an owner of chats: a rotated key goes on counting, and all without a key are one.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from service.database import Database, load_queries
from service.errors import Overloaded
from service.telemetry import Metrics

_TURN_TOKENS: Final = 8_000  # what a turn is taken to need until it is over: a search and an answer, about
_RETRY_AFTER: Final = 5
_PUT_OFF: Final = 1.0  # seconds until a charge is written down after which more are to come


@dataclass(frozen=True, slots=True)
class DailyTokens:
    """What a caller has used of its day: `limit` None is any number, `resets_at` is the next midnight."""

    used: int
    limit: int | None
    resets_at: datetime

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left."""
        return self.limit is not None and self.used >= self.limit


class Quotas:
    """Counts tokens by owner. Load it before use, and keep `keep` running.

    `default` is the limit of an owner for whom `own` gives None; 0 is none, of both.
    """

    def __init__(
        self,
        db: Database,
        default: int,
        own: Callable[[str], int | None],
        metrics: Metrics,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._db = db
        self._default = default
        self._own = own
        self._metrics = metrics
        self._now = now
        self._sql = load_queries("quotas")
        self._day = now().date()
        self._used: dict[str, int] = {}
        self._kept: dict[str, int] = {}
        self._charged = asyncio.Event()

    async def load(self) -> None:
        """Take what the database holds of today."""
        day = {"day": self._today().isoformat()}
        self._kept = dict(await self._db.read(lambda c: c.execute(self._sql["tokens_of_day"], day).fetchall()))
        self._used = dict(self._kept)

    def check(self, caller: str, turns: int) -> None:
        """Let a caller begin one more turn, beside so many that are not over yet.

        Raises Overloaded: `quota_exhausted` when it has used its day's tokens, `overloaded` while its other turns
        may yet do so.
        """
        tokens = self.of(caller)
        if tokens.limit is None:
            return
        if tokens.exhausted:
            raise self._refusal(tokens)
        if turns and tokens.used + turns * _TURN_TOKENS >= tokens.limit:
            raise Overloaded(
                f"Your questions that are being answered may use up your quota of {tokens.limit:,} tokens a day;"
                " ask again when they are.",
                _RETRY_AFTER,
            )

    def _refusal(self, tokens: DailyTokens) -> Overloaded:
        left = math.ceil((tokens.resets_at - self._now()).total_seconds())
        detail = (
            f"Your quota of {tokens.limit:,} tokens a day is used up. It is renewed at midnight UTC, in"
            f" {_told(left)}; whoever runs the service can raise it with `kb-agent keys limit` or TOKENS_A_DAY."
        )
        return Overloaded(detail, max(1, left), "quota_exhausted")

    def charge(self, caller: str, reported: int, estimated: int, *, more: bool = False) -> None:
        """Count tokens that a caller has used: those the provider told, and what it did not, as estimated.

        When `more` of the same turn follow, it is written down with those, or in a second: a commit of its own
        would hold up the step that the turn stores next.
        """
        self._today()
        self._used[caller] = self._used.get(caller, 0) + reported + estimated
        self._metrics.quota_tokens.labels("reported").inc(reported)
        self._metrics.quota_tokens.labels("estimated").inc(estimated)
        if more:
            asyncio.get_running_loop().call_later(_PUT_OFF, self._charged.set)
        else:
            self._charged.set()

    def of(self, caller: str) -> DailyTokens:
        """Tell where a caller stands."""
        today = self._today()
        own = self._own(caller)
        limit = self._default if own is None else own
        tomorrow = datetime.combine(today + timedelta(days=1), time(), UTC)
        return DailyTokens(self._used.get(caller, 0), limit or None, tomorrow)

    def exhausted(self) -> int:
        """How many callers have nothing left."""
        return sum(self.of(caller).exhausted for caller in tuple(self._used))

    async def keep(self) -> None:
        """Write down what was charged, soon after it was, for ever."""
        while True:
            self._charged.clear()
            await self.save()
            await self._charged.wait()

    async def save(self) -> None:
        """Write down what is not yet. Raises StorageError; then it is still to be written."""
        day = self._today().isoformat()
        news = {owner: used for owner, used in self._used.items() if used != self._kept.get(owner)}
        if news:
            rows = [{"owner": owner, "day": day, "tokens": used} for owner, used in news.items()]
            await self._db.write(lambda tx: tx.executemany(self._sql["keep_tokens"], rows))
            if day == self._day.isoformat():
                self._kept |= news

    def _today(self) -> date:
        """The day; with a new one everybody begins at nothing."""
        today = self._now().date()
        if today != self._day:
            self._day, self._used, self._kept = today, {}, {}
        return today


def _told(seconds: int) -> str:
    hours, minutes = divmod(math.ceil(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
