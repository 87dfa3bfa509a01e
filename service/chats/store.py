"""Chats and their messages as callers see them; every ownership check is in the WHERE."""

import contextlib
import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, Literal, TypeVar

from service.chats import rows
from service.chats.events import EventLog, EventType, Scope
from service.chats.lookup import Lookup
from service.chats.records import Chat, Message, new_id, public, timestamp
from service.database import Database, Transaction, load_queries
from service.errors import StorageError
from service.spacing import spaced

T = TypeVar("T")
Order = Literal["asc", "desc"]
NEWEST: Final = 2**62  # above every key
_WORD: Final = re.compile(r"[^\x00-/:-@\[-`{-\x7f\s]+")  # to FTS5 a word may still be a phrase, or nothing
_MOST_WORDS: Final = 8
_MERGED_PAGES: Final = 500  # in one step, about 2 MB


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; `next_key` begins the following one, None after the last."""

    items: tuple[T, ...]
    next_key: int | None


class ChatStore:
    """Reads and changes chats on behalf of an owner; another owner's chat does not exist for it."""

    def __init__(self, db: Database, log: EventLog) -> None:
        self._db = db
        self._log = log
        self._sql = load_queries("chats")
        self._find = Lookup()
        self._deletions = 1  # the former run may have left some
        self._erased = 0  # so many of them have left nothing behind

    async def create(self, owner: str, title: str | None, metadata: Mapping[str, str]) -> Chat:
        """Make a chat. Without a title it takes one from its first question."""
        chat_id = new_id("chat")
        row = {"id": chat_id, "owner": owner, "title": title, "metadata": json.dumps(metadata), "now": timestamp()}

        def work(tx: Transaction) -> Chat:
            tx.execute(self._sql["insert_chat"], row)
            chat = self._find.chat(tx, owner, chat_id)
            self._tell(tx, EventType.CHAT_CREATED, owner, chat)
            return chat

        return await self._db.write(work)

    async def get(self, owner: str, chat_id: str) -> Chat:
        """Read a chat. Raises NotFound."""
        return await self._db.read(lambda connection: self._find.chat(connection, owner, chat_id))

    async def page(self, owner: str, limit: int, before: int = NEWEST, words: str = "") -> Page[Chat]:
        """List chats, newest first, older than the key `before`; with `words` those that hold all of them."""
        match = _match(words)
        if words.strip() and match is None:
            return Page((), None)
        name = "chats_page" if match is None else "chats_found"
        parameters = {"owner": owner, "before": before, "limit": limit + 1, "match": match}
        found = await self._db.read(lambda c: c.execute(self._sql[name], parameters).fetchall())
        return page_of([rows.chat(row) for row in found], limit)

    async def update(
        self, owner: str, chat_id: str, title: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> Chat:
        """Change a chat's title or metadata, whichever is given. Nothing happens to one that is so already.

        Raises NotFound.
        """

        def work(tx: Transaction) -> Chat:
            old = self._find.chat(tx, owner, chat_id)
            wanted = (old.title if title is None else title, old.metadata if metadata is None else metadata)
            if wanted == (old.title, old.metadata):
                return old
            fields = {"title": wanted[0], "metadata": json.dumps(dict(wanted[1]))}
            tx.execute(self._sql["update_chat"], {**fields, "id": chat_id, "owner": owner, "now": timestamp()})
            chat = self._find.chat(tx, owner, chat_id)
            self._tell(tx, EventType.CHAT_UPDATED, owner, chat)
            return chat

        return await self._db.write(work)

    async def delete(self, owner: str, chat_id: str) -> str | None:
        """Delete a chat with everything in it and what the log tells of it. Raises NotFound.

        Gives the turn that was running in it, which has nothing to write to any more.
        """

        def work(tx: Transaction) -> str | None:
            self._find.chat(tx, owner, chat_id)
            running = self._find.open_turn(tx, chat_id)
            tx.execute(self._sql["delete_chat_events"], {"id": chat_id, "owner": owner})
            tx.execute(self._sql["delete_chat"], {"id": chat_id, "owner": owner})
            self._log.append(tx, EventType.CHAT_DELETED, {"chat_id": chat_id}, owner=owner, chat_id=chat_id)
            return running

        running = await self._db.write(work)
        self._deletions += 1
        with contextlib.suppress(StorageError):  # it is deleted; `erase` tries again
            await self._db.truncate_log()
        return running

    async def erase(self) -> None:
        """Remove what deleted chats have left in the search over chats, where a deletion only adds a mark.

        It goes in steps, so that others write meanwhile. The log is emptied too, which a reader may have put off.
        What fails or is put off again is left for the next time. Raises StorageError.
        """
        deletions = self._deletions
        if self._erased == deletions:
            return
        for merge in (self._sql["merge_messages"], self._sql["merge_titles"]):
            pages = -_MERGED_PAGES  # the sign has all segments merged, not only those of one size
            while await self._db.write(partial(self._merge, merge, pages)):
                pages = _MERGED_PAGES
        if await self._db.truncate_log():
            self._erased = deletions

    def _merge(self, statement: str, pages: int, tx: Transaction) -> bool:
        before = tx.execute(self._sql["total_changes"]).fetchone()[0]
        tx.execute(statement, (pages,))
        done: bool = tx.execute(self._sql["total_changes"]).fetchone()[0] - before < 2  # as FTS5's manual has it
        return not done

    async def messages(
        self, owner: str, chat_id: str, limit: int, key: int | None = None, order: Order = "asc"
    ) -> Page[Message]:
        """List a chat's messages with their tool calls, beyond `key` in the given order. Raises NotFound."""
        start = key if key is not None else (0 if order == "asc" else NEWEST)
        parameters = {"chat_id": chat_id, "owner": owner, "after": start, "limit": limit + 1}

        def work(connection: sqlite3.Connection) -> Page[Message]:
            self._find.chat(connection, owner, chat_id)
            found = connection.execute(self._sql[f"messages_{order}ending"], parameters).fetchall()
            return page_of(self._find.with_steps(connection, chat_id, found), limit)

        return await self._db.read(work)

    async def message(self, owner: str, chat_id: str, message_id: str) -> Message:
        """Read one message with its tool calls. Raises NotFound."""
        return await self._db.read(lambda connection: self._find.message(connection, owner, chat_id, message_id))

    async def snapshot(self, scope: Scope, limit: int = 50) -> dict[str, Any]:
        """Give what a client needs to begin anew: the chat with its newest messages, or the newest chats."""
        if scope.chat_id is None:
            chats = await self.page(scope.owner, limit)
            return {"chats": [public(chat) for chat in chats.items]}
        chat = await self.get(scope.owner, scope.chat_id)
        messages = await self.messages(scope.owner, scope.chat_id, limit, order="desc")
        return {"chat": public(chat), "messages": [public(message) for message in reversed(messages.items)]}

    def _tell(self, tx: Transaction, kind: EventType, owner: str, chat: Chat) -> None:
        self._log.append(tx, kind, {"chat": public(chat)}, owner=owner, chat_id=chat.id)


def page_of(items: Sequence[Any], limit: int) -> Page[Any]:
    """Make a page of at most `limit` items; of one more, where it was found, only that another page follows."""
    kept = tuple(items[:limit])
    return Page(kept, kept[-1].seq if len(items) > limit else None)


def _match(words: str) -> str | None:
    """Ask FTS5 for all of the words, the last one perhaps unfinished. Nothing that was typed is syntax."""
    found = list(dict.fromkeys(_WORD.findall(words)))[:_MOST_WORDS]
    return " ".join(f'"{spaced(word)}"' for word in found) + "*" if found else None
