"""The parts of access control, opened together: the gate, open streams, rates, quotas."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from service.access.gate import Gate
from service.access.quotas import Quotas
from service.access.rates import Rates
from service.access.store import KeyStore
from service.access.streams import Streams
from service.background import every, supervised
from service.database import Database
from service.telemetry import Metrics

_USES_WRITTEN: Final = 60.0  # seconds between two times that it is written down when keys were used
_PRUNED: Final = 3600.0


@dataclass(frozen=True, slots=True)
class AccessLimits:
    """The admin's key from the settings, whether anonymous callers have limits, and the limits, 0 for none."""

    admin_key: str | None
    limit_anonymous: bool
    streams: int
    streams_per_caller: int
    requests_per_minute: int
    questions_per_minute: int
    tokens_a_day: int


@dataclass(frozen=True, slots=True)
class AccessControl:
    """Who is asking, who listens, who asks too much or uses too much."""

    gate: Gate
    streams: Streams
    rates: Rates
    quotas: Quotas


@contextlib.asynccontextmanager
async def open_access(db: Database, limits: AccessLimits, metrics: Metrics) -> AsyncIterator[AccessControl]:
    """Load the keys; while the block lasts end the streams of those that end, and note when keys are used."""
    gate = Gate(KeyStore(db), admin=limits.admin_key, limit_anonymous=limits.limit_anonymous)
    await gate.load()
    quotas = Quotas(db, limits.tokens_a_day, gate.tokens_a_day, metrics)
    await quotas.load()
    streams = Streams(gate, limits.streams, limits.streams_per_caller)
    works: dict[str, Callable[[], Awaitable[None]]] = {
        "streams": streams.watch,
        "key-uses": partial(every, _USES_WRITTEN, gate.save_uses),
        "sign-ins": partial(every, _PRUNED, gate.store.prune),
        "quotas": quotas.keep,
    }
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(gate.save_uses)
        stack.push_async_callback(quotas.save)
        for name, work in works.items():
            await stack.enter_async_context(supervised(name, work, metrics))
        yield AccessControl(gate, streams, Rates(limits.requests_per_minute, limits.questions_per_minute), quotas)
