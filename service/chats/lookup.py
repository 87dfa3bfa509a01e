"""Finding chats and messages of an owner, inside a transaction or a read."""

import sqlite3
from collections.abc import Sequence

from service.chats import rows
from service.chats.records import Chat, Message
from service.database import Transaction, load_queries
from service.errors import NotFound

Source = sqlite3.Connection | Transaction


class Lookup:
    """Finds what an owner may see; another owner's chat does not exist for it."""

    def __init__(self) -> None:
        self._sql = load_queries("lookup")

    def chat(self, source: Source, owner: str, chat_id: str) -> Chat:
        """Read a chat. Raises NotFound."""
        row = source.execute(self._sql["chat"], {"id": chat_id, "owner": owner}).fetchone()
        if row is None:
            raise NotFound("chat", chat_id)
        return rows.chat(row)

    def message(self, source: Source, owner: str, chat_id: str, message_id: str) -> Message:
        """Read one message with its tool calls. Raises NotFound."""
        parameters = {"id": message_id, "chat_id": chat_id, "owner": owner}
        row = source.execute(self._sql["message"], parameters).fetchone()
        if row is None:
            raise NotFound("message", message_id)
        return self.with_steps(source, chat_id, [row])[0]

    def with_steps(self, source: Source, chat_id: str, found: Sequence[rows.Row]) -> list[Message]:
        """Turn rows of a chat's messages into messages with their tool calls."""
        if not found:
            return []
        keys = [row[0] for row in found]
        between = {"chat_id": chat_id, "first": min(keys), "last": max(keys)}
        steps = rows.steps(source.execute(self._sql["steps_between"], between))
        return [rows.message(row, steps.get(row[1], ())) for row in found]

    def open_turn(self, source: Source, chat_id: str) -> str | None:
        """Give the answer that is being written in a chat."""
        row = source.execute(self._sql["open_turn"], {"chat_id": chat_id}).fetchone()
        return row[0] if row else None
