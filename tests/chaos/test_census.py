"""The census sees what a crash could leave: each kind of damage, made on purpose, is told."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from scripts.chaos_cases.census import complaints
from scripts.chaos_cases.ledger import Ledger, Posting
from scripts.chaos_cases.outcome import Outcome
from service.schema import open_writer

SOUND = """
    INSERT INTO chats (id, owner, created_at, updated_at) VALUES ('c', 'o', '', '');
    INSERT INTO messages (id, chat_id, role, status, content, created_at)
        VALUES ('q', 'c', 'user', 'completed', 'why', ''), ('a', 'c', 'assistant', 'completed', 'so', '');
    INSERT INTO turns (id, chat_id, question_id) VALUES ('a', 'c', 'q');
    INSERT INTO events (owner, chat_id, turn_id, type, data, created_at)
        VALUES ('o', 'c', 'a', 'turn.started', '', ''), ('o', 'c', 'a', 'answer.completed', '', '');
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kb-agent.db"


@pytest.fixture
def database(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_writer(path)) as connection:
        connection.executescript(SOUND)
        connection.execute("PRAGMA foreign_keys = OFF")
        yield connection


def test_a_sound_database_gives_no_complaint(database: sqlite3.Connection, path: Path) -> None:
    assert complaints(path) == []


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ("UPDATE messages SET status = 'running' WHERE id = 'a'", "messages without an end"),
        ("DELETE FROM events WHERE type = 'answer.completed'", "exactly one terminal event"),
        (
            (
                "INSERT INTO events (owner, chat_id, turn_id, type, data, created_at) "
                "VALUES ('o', 'c', 'a', 'turn.cancelled', '', '')"
            ),
            "exactly one terminal event",
        ),
        (
            (
                "INSERT INTO events (owner, chat_id, turn_id, type, data, created_at) "
                "VALUES ('o', 'c', 'a', 'step.completed', '', '')"
            ),
            "events after their turn's last",
        ),
        ("DELETE FROM turns", "answers without a turn"),
        ("DELETE FROM messages WHERE id = 'q'", "turns without their question"),
        ("DELETE FROM chats", "messages of no chat"),
        ("DELETE FROM chats", "events of no chat"),
        ("DELETE FROM chats", "rows whose key points nowhere"),
        (
            "INSERT INTO steps (turn_id, number, kind, wire, duration_ms) VALUES ('x', 1, 'tool', '', 0)",
            "steps of no turn",
        ),
        (
            (
                "INSERT INTO idempotency (owner, route, key, fingerprint, chat_id, message_id, created_at) "
                "VALUES ('o', 'r', 'k', 'f', 'c', 'x', '')"
            ),
            "idempotency records of no message",
        ),
        ("DELETE FROM passages_fts_data WHERE id = 10", "full-text integrity-check"),
    ],
)
def test_damage_is_told(database: sqlite3.Connection, path: Path, damage: str, complaint: str) -> None:
    database.execute(damage)

    assert any(complaint in found for found in complaints(path)), complaints(path)


def test_the_ledger_tells_what_is_lost_doubled_or_stored_after_a_refusal(
    database: sqlite3.Connection, path: Path
) -> None:
    database.executescript(
        """
        INSERT INTO messages (id, chat_id, role, status, content, created_at)
            VALUES ('r', 'c', 'user', 'completed', 'why', ''), ('b', 'c', 'assistant', 'completed', 'so', ''),
                   ('s', 'c', 'user', 'completed', 'how', ''), ('d', 'c', 'assistant', 'completed', 'so', '');
        INSERT INTO turns (id, chat_id, question_id) VALUES ('b', 'c', 'r'), ('d', 'c', 's');
        """
    )
    ledger = Ledger(Outcome())
    ledger.accepted = {Posting("doubled", "c", "why"): "a", Posting("lost", "c", "when"): "x"}
    ledger.refused = {Posting("refused", "c", "how")}

    ledger.compare(path)

    told = [violation.split(" ")[0] for violation in ledger.outcome.violations]
    assert told == ["doubled", "lost", "refused", "stored"]
