"""What is done beside the questions: old records pruned, commits and the event loop watched."""

import asyncio
import logging
import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from service.chats.events import EventLog
from service.chats.questions import QuestionStore
from service.errors import StorageError
from service.telemetry import Metrics

_LOG: Final = logging.getLogger(__name__)
_LAG_INTERVAL: Final = 0.5
_MINUTE: Final = 60.0
_TICKET_AGE: Final = timedelta(hours=25)  # idempotency keys are promised for 24


@dataclass(frozen=True, slots=True)
class Retention:
    """How long events are kept for clients to resume, and how many at most."""

    age: timedelta
    count: int


async def prune_records(log: EventLog, questions: QuestionStore, events_kept: Retention) -> None:
    """Drop events and idempotency keys that nobody is promised any more."""
    events = await log.prune(_before(events_kept.age), events_kept.count)
    tickets = await questions.prune_tickets(_before(_TICKET_AGE))
    if events or tickets:
        _LOG.info("old records pruned", extra={"events": events, "idempotency_keys": tickets})


async def sample_lag(metrics: Metrics) -> None:
    """Measure again and again how late the event loop is, for ever."""
    while True:
        due = time.monotonic() + _LAG_INTERVAL
        await asyncio.sleep(_LAG_INTERVAL)
        metrics.loop_lag_seconds.observe(max(0.0, time.monotonic() - due))


class CommitWatch:
    """Counts commits and the writes in them; tells the log, once a minute, that the database refuses changes."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._told = -math.inf

    def __call__(self, seconds: float, writes: int, refused: StorageError | None) -> None:
        """Take note of one commit."""
        self._metrics.commit_seconds.observe(seconds)
        self._metrics.commit_writes.observe(writes)
        if refused is None:
            return
        self._metrics.commits_refused.inc()
        if time.monotonic() >= self._told + _MINUTE:
            self._told = time.monotonic()
            _LOG.error("the database refuses changes", extra={"detail": str(refused)})


def _before(age: timedelta) -> str:
    return (datetime.now(UTC) - age).isoformat(timespec="milliseconds").replace("+00:00", "Z")
