"""Commits are watched: what the database refuses is counted, and told to the log now and then."""

import contextlib
import logging
import sqlite3
from pathlib import Path

import pytest

from service.database import open_database
from service.errors import StorageError
from service.housekeeping import CommitWatch
from service.telemetry import Metrics

EVENT = "INSERT INTO events (type, data, created_at) VALUES ('x', '{}', '2026-01-01T00:00:00.000Z')"


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
