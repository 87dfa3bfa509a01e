"""Tokens a day: counted for each caller, kept over a restart, gone at midnight."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from service.access.quotas import Quotas
from service.database import FILE_NAME, open_database
from service.errors import Overloaded, StorageError
from service.telemetry import Metrics
from tests.server import eventually

EVENING = datetime(2026, 11, 22, 20, 48, 30, tzinfo=UTC)


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = EVENING

    def __call__(self) -> datetime:
        return self.now


@asynccontextmanager
async def opened(
    folder: Path, clock: Clock, default: int = 1000, metrics: Metrics | None = None, **own: int
) -> AsyncIterator[Quotas]:
    async with open_database(folder) as db:
        quotas = Quotas(db, default, own.get, metrics or Metrics("0", "0"), clock)
        await quotas.load()
        yield quotas


async def test_past_its_tokens_a_caller_is_told_when_there_are_more_and_others_go_on(tmp_path: Path) -> None:
    async with opened(tmp_path, Clock()) as quotas:
        quotas.charge("ann", 600, 0)
        quotas.check("ann", 0)
        quotas.charge("ann", 0, 400)
        with pytest.raises(Overloaded) as refused:
            quotas.check("ann", 0)
        assert (refused.value.code, refused.value.retry_after) == ("quota_exhausted", 3 * 3600 + 11 * 60 + 30)
        assert "1,000 tokens a day is used up" in refused.value.detail
        assert "in 3 h 12 min" in refused.value.detail
        quotas.check("bob", 0)
        assert (quotas.of("ann").used, quotas.of("bob").used, quotas.exhausted()) == (1000, 0, 1)


async def test_turns_that_are_not_over_count_as_what_a_turn_needs(tmp_path: Path) -> None:
    async with opened(tmp_path, Clock(), default=20_000, small=100) as quotas:
        quotas.check("small", 0)
        with pytest.raises(Overloaded, match="ask again when they are"):
            quotas.check("small", 1)
        quotas.check("ann", 2)
        with pytest.raises(Overloaded) as refused:
            quotas.check("ann", 3)
        assert (refused.value.code, refused.value.retry_after) == ("overloaded", 5)
        quotas.charge("ann", 12_000, 0)
        quotas.check("ann", 0)
        with pytest.raises(Overloaded):
            quotas.check("ann", 1)
        quotas.charge("ann", 8_000, 0)
        with pytest.raises(Overloaded) as refused:
            quotas.check("ann", 1)
        assert refused.value.code == "quota_exhausted"


async def test_a_number_of_the_keys_own_wins_and_zero_is_none(tmp_path: Path) -> None:
    async with opened(tmp_path, Clock(), small=10, free=0) as quotas:
        for caller in ("small", "free", "usual"):
            quotas.charge(caller, 999, 0)
        with pytest.raises(Overloaded):
            quotas.check("small", 0)
        quotas.check("free", 0)
        quotas.check("usual", 0)
        assert [quotas.of(caller).limit for caller in ("small", "free", "usual")] == [10, None, 1000]
    async with opened(tmp_path / "other", Clock(), default=0) as quotas:
        quotas.charge("ann", 10**9, 0)
        quotas.check("ann", 0)
        assert (quotas.of("ann").limit, quotas.exhausted()) == (None, 0)


async def test_at_midnight_everybody_begins_anew(tmp_path: Path) -> None:
    clock = Clock()
    async with opened(tmp_path, clock) as quotas:
        quotas.charge("ann", 2000, 0)
        await quotas.save()
        midnight = quotas.of("ann").resets_at
        clock.now = midnight - timedelta(milliseconds=1)
        with pytest.raises(Overloaded) as refused:
            quotas.check("ann", 0)
        assert (refused.value.retry_after, "in 1 min" in refused.value.detail) == (1, True)
        clock.now = midnight
        quotas.check("ann", 0)
        assert (quotas.of("ann").used, quotas.exhausted()) == (0, 0)
        quotas.charge("ann", 5, 0)
        await quotas.save()
    async with opened(tmp_path, clock) as quotas:
        assert quotas.of("ann").used == 5


async def test_what_was_used_is_known_after_a_restart_of_the_same_day_only(tmp_path: Path) -> None:
    clock = Clock()
    async with opened(tmp_path, clock) as quotas:
        quotas.charge("ann", 1000, 0)
        quotas.charge("bob", 1, 0)
        await quotas.save()
        quotas.charge("bob", 1, 0)
        await quotas.save()
        await quotas.save()
    async with opened(tmp_path, clock) as quotas:
        assert (quotas.of("ann").used, quotas.of("bob").used) == (1000, 2)
        with pytest.raises(Overloaded):
            quotas.check("ann", 0)
    clock.now += timedelta(days=1)
    async with opened(tmp_path, clock) as quotas:
        assert (quotas.of("ann").used, quotas.of("bob").used) == (0, 0)


def is_kept(folder: Path, rows: list[tuple[str, int]]) -> bool:
    """Whether the database holds these tokens by owner."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        return connection.execute("SELECT owner, tokens FROM token_use").fetchall() == rows


async def test_what_could_not_be_written_is_written_the_next_time(tmp_path: Path) -> None:
    async with open_database(tmp_path) as db:
        quotas = Quotas(db, 1000, lambda _: None, Metrics("0", "0"), Clock())
        await db.write(lambda tx: tx.execute("ALTER TABLE token_use RENAME TO away"))
        quotas.charge("ann", 1000, 0)
        with pytest.raises(StorageError):
            await quotas.save()
        with pytest.raises(Overloaded):
            quotas.check("ann", 0)
        await db.write(lambda tx: tx.execute("ALTER TABLE away RENAME TO token_use"))
        await quotas.save()
    assert is_kept(tmp_path, [("ann", 1000)])


async def test_what_is_charged_is_written_by_itself_also_when_no_more_comes_and_counted(tmp_path: Path) -> None:
    metrics = Metrics("0", "0")
    async with opened(tmp_path, Clock(), metrics=metrics) as quotas:
        keeping = asyncio.create_task(quotas.keep())
        for number in range(1, 4):
            quotas.charge("ann", 10, 1, more=number == 2)
            await asyncio.to_thread(eventually, partial(is_kept, tmp_path, [("ann", 11 * number)]))
        keeping.cancel()
    sample = metrics.registry.get_sample_value
    counted = [sample("kb_agent_quota_tokens_total", {"counted": how}) for how in ("reported", "estimated")]
    assert counted == [30, 3]
