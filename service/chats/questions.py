"""Questions and what comes of them: accepting one, answering it anew, rating the answer."""

import sqlite3
from dataclasses import dataclass
from typing import Final

from service.chats import rows
from service.chats.events import EventLog, EventType
from service.chats.lookup import Lookup
from service.chats.records import Chat, Feedback, Message, Role, Status, new_id, public, timestamp
from service.chats.turns import Turn, TurnStore
from service.database import Database, Transaction, load_queries
from service.errors import Conflict, InvalidInput

_TITLE_CHARS: Final = 60


@dataclass(frozen=True, slots=True)
class Ticket:
    """A caller's idempotency key, with the hash of what it was sent with."""

    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Posted:
    """An accepted question and the answer that was opened for it; `replayed` when an earlier request made them.

    `turn` is the first attempt at the answer, where that was begun with it.
    """

    question: Message
    answer: Message
    replayed: bool = False
    turn: Turn | None = None


class QuestionStore:
    """Accepts questions on behalf of an owner. Each method commits before it returns."""

    def __init__(self, db: Database, log: EventLog) -> None:
        self._db = db
        self._log = log
        self._turns = TurnStore(db, log)
        self._sql = load_queries("questions")
        self._find = Lookup()

    async def post(
        self,
        owner: str,
        chat_id: str,
        content: str,
        model: str,
        ticket: Ticket | None = None,
        *,
        begin: bool = False,
    ) -> Posted:
        """Store a question, open the answer to it, `begin` its turn, and keep the ticket, in one commit.

        The same ticket again gives what the first request made. Raises NotFound, Conflict `turn_in_progress` while
        the chat's last answer is still being written, InvalidInput when its key stands for another message.
        """

        def work(tx: Transaction) -> Posted:
            chat = self._find.chat(tx, owner, chat_id)
            earlier = self._redeem(tx, owner, chat_id, ticket) if ticket else None
            if earlier is not None:
                return earlier
            self._refuse_second_turn(tx, chat_id)
            question = self._insert(tx, chat_id, "user", content)
            answer = self._open_answer(tx, chat_id, question.id, model)
            if ticket is not None:
                row = {"key": ticket.key, "fingerprint": ticket.fingerprint, "now": timestamp(), "owner": owner}
                tx.execute(self._sql["insert_ticket"], {**row, "chat_id": chat_id, "message_id": answer.id})
            self._note_question(tx, owner, chat, content)
            self._tell_message(tx, owner, question, answer.id)
            self._tell_message(tx, owner, answer, answer.id)
            turn = self._turns.begin_in(tx, answer.id, model) if begin else None
            return Posted(question, answer, turn=turn)

        return await self._db.write(work)

    async def replay(self, owner: str, chat_id: str, ticket: Ticket) -> Posted | None:
        """Give what an earlier request with the same ticket made, None when there was none.

        Raises NotFound, and InvalidInput when the ticket's key stands for another message.
        """

        def find(connection: sqlite3.Connection) -> Posted | None:
            self._find.chat(connection, owner, chat_id)
            return self._redeem(connection, owner, chat_id, ticket)

        return await self._db.read(find)

    async def regenerate(
        self, owner: str, chat_id: str, message_id: str, model: str, *, begin: bool = False
    ) -> Posted:
        """Open another answer to the question of `message_id`, which stays, superseded; `begin` its turn with it.

        Raises NotFound, and Conflict `turn_in_progress` while an answer is being written in the chat, or
        `not_an_answer`, or `already_superseded` with the message that came after.
        """

        def work(tx: Transaction) -> Posted:
            old = self._find.message(tx, owner, chat_id, message_id)
            self._refuse_second_turn(tx, chat_id)
            question = tx.execute(self._sql["question_of"], {"id": message_id, "chat_id": chat_id}).fetchone()
            if question is None:
                raise Conflict("not_an_answer", "only an answer can be written anew; choose an assistant message")
            if old.superseded_by is not None:
                detail = "the answer was written anew before; choose its newest version"
                raise Conflict("already_superseded", detail, old.superseded_by)
            answer = self._open_answer(tx, chat_id, question[0], model, supersedes=message_id)
            tx.execute(self._sql["supersede"], {"id": message_id, "by": answer.id})
            tx.execute(self._sql["touch_chat"], {"id": chat_id, "now": timestamp()})
            self._tell_message(tx, owner, answer, answer.id)
            turn = self._turns.begin_in(tx, answer.id, model) if begin else None
            return Posted(self._find.message(tx, owner, chat_id, question[0]), answer, turn=turn)

        return await self._db.write(work)

    async def rate(self, owner: str, chat_id: str, message_id: str, feedback: Feedback) -> Message:
        """Keep what its reader thinks of an answer, in place of what he thought before, and tell it.

        Raises NotFound, and Conflict `not_an_answer`.
        """

        def work(tx: Transaction) -> Message:
            if self._find.message(tx, owner, chat_id, message_id).role != "assistant":
                raise Conflict("not_an_answer", "only an answer can be rated; choose an assistant message")
            row = {"id": message_id, "rating": feedback.rating, "comment": feedback.comment}
            tx.execute(self._sql["rate"], row)
            rated = self._find.message(tx, owner, chat_id, message_id)
            data = {"message_id": message_id, "feedback": public(rated)["feedback"]}
            self._log.append(tx, EventType.MESSAGE_RATED, data, owner=owner, chat_id=chat_id)
            return rated

        return await self._db.write(work)

    async def prune_tickets(self, before: str) -> int:
        """Forget idempotency keys older than the timestamp `before`; give how many."""
        return await self._db.write(lambda tx: tx.execute(self._sql["prune_tickets"], (before,)).rowcount)

    def _redeem(
        self, tx: Transaction | sqlite3.Connection, owner: str, chat_id: str, ticket: Ticket
    ) -> Posted | None:
        parameters = {"owner": owner, "chat_id": chat_id, "key": ticket.key}
        row = tx.execute(self._sql["ticket"], parameters).fetchone()
        if row is None:
            return None
        fingerprint, question_id, answer_id = row
        if fingerprint != ticket.fingerprint:
            raise InvalidInput(
                "the Idempotency-Key was used for another message of this chat; use a new key for each message",
                field="header.idempotency-key",
                code="idempotency_key_reused",
            )
        question = self._find.message(tx, owner, chat_id, question_id)
        return Posted(question, self._find.message(tx, owner, chat_id, answer_id), replayed=True)

    def _refuse_second_turn(self, tx: Transaction, chat_id: str) -> None:
        running = self._find.open_turn(tx, chat_id)
        if running is not None:
            raise Conflict(
                "turn_in_progress",
                "the chat's last question is still being answered; follow or cancel that message, then ask again",
                running,
            )

    def _open_answer(
        self, tx: Transaction, chat_id: str, question_id: str, model: str, *, supersedes: str | None = None
    ) -> Message:
        answer = self._insert(tx, chat_id, "assistant", "", model, supersedes)
        tx.execute(self._sql["insert_turn"], {"id": answer.id, "chat_id": chat_id, "question_id": question_id})
        return answer

    def _insert(
        self,
        tx: Transaction,
        chat_id: str,
        role: Role,
        content: str,
        model: str | None = None,
        supersedes: str | None = None,
    ) -> Message:
        now = timestamp()
        row = {
            "id": new_id("msg"),
            "chat_id": chat_id,
            "role": role,
            "status": Status.COMPLETED if role == "user" else Status.QUEUED,
            "content": content,
            "model": model,
            "supersedes": supersedes,
            "now": now,
            "completed_at": now if role == "user" else None,
        }
        return rows.message(tx.execute(self._sql["insert_message"], row).fetchall()[0])

    def _note_question(self, tx: Transaction, owner: str, chat: Chat, content: str) -> None:
        tx.execute(self._sql["touch_chat"], {"id": chat.id, "now": timestamp()})
        if chat.title is None:
            tx.execute(self._sql["name_chat"], {"title": _title(content), "id": chat.id, "now": timestamp()})
            data = {"chat": public(self._find.chat(tx, owner, chat.id))}
            self._log.append(tx, EventType.CHAT_UPDATED, data, owner=owner, chat_id=chat.id)

    def _tell_message(self, tx: Transaction, owner: str, message: Message, turn_id: str) -> None:
        data = {"message": public(message)}
        kind = EventType.MESSAGE_CREATED
        self._log.append(tx, kind, data, owner=owner, chat_id=message.chat_id, turn_id=turn_id)


def _title(question: str) -> str:
    """Shorten a question to a title of at most 60 characters, at a word's end where there is one."""
    words = " ".join(question.split())
    if len(words) <= _TITLE_CHARS:
        return words
    cut = words[: _TITLE_CHARS - 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut[20:] else cut) + "…"
