"""What must hold of the database file after anything: counted on a copy, so that the server may be running."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

# Each query gives what must not be: a complaint and the rows that show it.
_NEVER: Final = {
    "messages without an end": "SELECT id, status FROM messages WHERE status IN ('queued', 'running')",
    "answers whose turn does not have exactly one terminal event": """
        SELECT m.id, m.status, count(e.id) FROM messages m LEFT JOIN events e ON e.turn_id = m.id
            AND e.type IN ('answer.completed', 'turn.failed', 'turn.cancelled')
        WHERE m.role = 'assistant' AND m.status NOT IN ('queued', 'running')
        GROUP BY m.id HAVING count(e.id) <> 1""",
    "events after their turn's last": """
        SELECT e.turn_id, f.type FROM events e JOIN events f ON f.turn_id = e.turn_id AND f.id > e.id
        WHERE e.type IN ('answer.completed', 'turn.failed', 'turn.cancelled')""",
    "answers without a turn": """
        SELECT id FROM messages WHERE role = 'assistant' AND id NOT IN (SELECT id FROM turns)""",
    "turns without their question": "SELECT id FROM turns WHERE question_id NOT IN (SELECT id FROM messages)",
    "messages of no chat": "SELECT id FROM messages WHERE chat_id NOT IN (SELECT id FROM chats)",
    "steps of no turn": "SELECT turn_id FROM steps WHERE turn_id NOT IN (SELECT id FROM turns)",
    "idempotency records of no message": """
        SELECT key FROM idempotency WHERE message_id NOT IN (SELECT id FROM messages)""",
    "events of no chat": """
        SELECT id, type FROM events
        WHERE chat_id IS NOT NULL AND type <> 'chat.deleted' AND chat_id NOT IN (SELECT id FROM chats)""",
    "rows whose key points nowhere": "PRAGMA foreign_key_check",
}


def copy(path: Path) -> sqlite3.Connection:
    """Copy a database that may be in use, its log included."""
    memory = sqlite3.connect(":memory:")
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=60)) as file:
        file.backup(memory)
    return memory


def complaints(path: Path) -> list[str]:
    """Give everything that must not be. It expects that no answer is being written."""
    with closing(copy(path)) as database:
        found = []
        for what, query in _NEVER.items():
            rows = database.execute(query).fetchmany(3)
            found += [f"{what}: {rows}"] if rows else []
        verdict = database.execute("PRAGMA integrity_check").fetchall()
        found += [f"integrity_check: {verdict[:3]}"] if verdict != [("ok",)] else []
        try:
            database.execute("INSERT INTO passages_fts (passages_fts) VALUES ('integrity-check')")
        except sqlite3.DatabaseError as error:
            found.append(f"full-text integrity-check: {error}")
        return found


def unfinished(path: Path) -> int:
    """Count the answers that are queued or running."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=60)) as database:
        rows = database.execute("SELECT count(*) FROM messages WHERE status IN ('queued', 'running')")
        return int(rows.fetchone()[0])


def events(path: Path) -> dict[int, str]:
    """Read every logged event: id -> type."""
    with closing(copy(path)) as database:
        return dict(database.execute("SELECT id, type FROM events"))
