"""Commits are watched: what the database refuses is counted, and told to the log now and then."""

import contextlib
import logging
import sqlite3
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from service.app import open_services
from service.chats.events import EventLog, Scope
from service.chats.questions import QuestionStore, Ticket
from service.chats.store import ChatStore
from service.database import Transaction, open_database
from service.errors import StorageError
from service.housekeeping import CommitWatch, Retention, prune_records
from service.settings import Settings
from service.telemetry import Metrics
from tests.kb.live import eventually

EVENT = "INSERT INTO events (type, data, created_at) VALUES ('x', '{}', '2026-01-01T00:00:00.000Z')"

KEYS = "SELECT key FROM idempotency ORDER BY created_at"
AGE_KEYS = "UPDATE idempotency SET created_at = ? WHERE created_at = (SELECT max(created_at) FROM idempotency)"
AGE_EVENTS = "UPDATE events SET created_at = ? WHERE chat_id = (SELECT id FROM chats ORDER BY seq DESC LIMIT 1)"


async def test_what_the_database_refuses_is_counted_and_logged_once_a_minute(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics("0", "0")
    async with open_database(tmp_path, observe=CommitWatch(metrics)) as db:
        await db.write(lambda tx: tx.execute("PRAGMA busy_timeout = 0"))
        with contextlib.closing(sqlite3.connect(db.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with caplog.at_level(logging.ERROR):
                for _ in range(3):
                    with pytest.raises(StorageError):
                        await db.write(lambda tx: tx.execute(EVENT))
        await db.write(lambda tx: tx.execute(EVENT))
    assert metrics.registry.get_sample_value("kb_agent_db_commits_refused_total") == 3
    assert [record.message for record in caplog.records] == ["the database refuses changes"]
    assert "locked" in str(caplog.records[0].__dict__["detail"])


def age(tx: Transaction, then: str) -> None:
    """Let what was stored last be of another time."""
    tx.execute(AGE_KEYS, (then,))
    tx.execute(AGE_EVENTS, (then,))


async def test_keys_are_kept_for_a_day_and_events_for_as_long_as_the_settings_say(tmp_path: Path) -> None:
    async with open_database(tmp_path) as db:
        log = EventLog(db)
        chats, questions = ChatStore(db, log), QuestionStore(db, log)
        for hours in (26, 24, 0):
            chat = await chats.create("ann", None, {})
            await questions.post("ann", chat.id, "why", "m", Ticket(f"{hours}", "f"))
            then = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
            await db.write(partial(age, then=then))
        await prune_records(log, questions, Retention(timedelta(hours=25), 1_000))
        assert await db.read(lambda c: c.execute(KEYS).fetchall()) == [("24",), ("0",)]
        assert await db.read(lambda c: c.execute("SELECT min(id), max(id) FROM events").fetchone()) == (5, 12)
        await prune_records(log, questions, Retention(timedelta(hours=25), 3))
        assert await db.read(lambda c: c.execute("SELECT min(id), max(id) FROM events").fetchone()) == (10, 12)


async def test_what_is_old_and_the_words_of_deleted_chats_go_as_soon_as_the_service_runs(tmp_path: Path) -> None:
    data, knowledge = tmp_path / "data", tmp_path / "knowledge"
    knowledge.mkdir()
    async with open_database(data) as db:
        chats = ChatStore(db, EventLog(db))
        for days in (3, 1):
            await chats.create("ann", None, {})
            await db.write(partial(age, then=(datetime.now(UTC) - timedelta(days=days)).isoformat()))
        await chats.delete("ann", (await chats.create("ann", "zebraquartz", {})).id)
        file = db.path
    assert b"zebraquartz" in file.read_bytes()
    settings = Settings(data_dir=data, knowledge_dir=knowledge, event_retention_days=2, _env_file=None)

    async def gone() -> bool:
        oldest = await services.db.read(lambda c: c.execute("SELECT min(id) FROM events").fetchone()[0])
        return oldest > 1 and b"zebraquartz" not in file.read_bytes()

    async with open_services(settings, Metrics("0", "0")) as services:
        await eventually(gone, "the first rounds of pruning and erasing")
        assert await services.log.knows(Scope("ann"), 2)
