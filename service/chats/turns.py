"""The writing side of an answer: begin, steps, end. Fenced by the attempt: a stale writer changes nothing."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from service.chats import gaps, kept, rows
from service.chats.events import EventLog, EventType, LiveAnswer
from service.chats.gaps import Finding
from service.chats.kept import KeptText
from service.chats.records import Citation, Failure, Message, Outcome, Status, Step, TokenUsage, public, timestamp
from service.chats.steps import Done, Started, step_row
from service.database import Database, Transaction, load_queries
from service.errors import Conflict

EXCHANGES: Final = 20  # earlier exchanges of a chat that a turn is given at most, whatever the model's window

ReadTexts = Callable[[Sequence[Citation]], Awaitable[Sequence[KeptText]]]


@dataclass(frozen=True, slots=True)
class Exchange:
    """An earlier question of the chat and the answer it got."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One attempt at an answer; `id` is the message id, `earlier` what the chat said before, newest first."""

    id: str
    chat_id: str
    owner: str
    question_id: str
    question: str
    attempt: int
    earlier: tuple[Exchange, ...] = ()


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A turn without an end, how often it was begun, and whose it is."""

    id: str
    attempt: int
    owner: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How an answer ended; `finding` is what it says of the knowledge base."""

    status: Status
    outcome: Outcome
    content: str
    citations: tuple[Citation, ...] = ()
    citations_dropped: int = 0
    usage: TokenUsage = field(default_factory=TokenUsage)
    model: str | None = None
    error: Failure | None = None
    kb_revision: int | None = None
    finding: Finding | None = None


END_EVENTS: Final = {
    Status.COMPLETED: EventType.ANSWER_COMPLETED,
    Status.FAILED: EventType.TURN_FAILED,
    Status.CANCELLED: EventType.TURN_CANCELLED,
}


class TurnStore:
    """Stores a turn step by step. What is awaited is committed.

    Of the two that give a future, one may be under way while the turn goes on; whoever calls the next method, or
    shows text, awaits it first. So nothing is stored or seen out of order.
    """

    def __init__(self, db: Database, log: EventLog) -> None:
        self._db = db
        self._log = log
        self._sql = load_queries("turns")

    async def begin(self, turn_id: str, model: str, *, only_to_end: bool = False) -> Turn | None:
        """Begin an attempt at a turn; None when it has ended or is gone. Earlier attempts can write no more.

        Subscribers hear that it started, unless it is begun only to be ended; and of a second attempt that the
        text they have is withdrawn: they may have seen more of it than was kept.
        """
        return await self._db.write(lambda tx: self.begin_in(tx, turn_id, model, only_to_end=only_to_end))

    def begin_in(self, tx: Transaction, turn_id: str, model: str, *, only_to_end: bool = False) -> Turn | None:
        """Begin an attempt in a transaction that does more, see `begin`."""
        if tx.execute(self._sql["begin"], {"id": turn_id, "now": timestamp()}).rowcount == 0:
            return None
        tx.execute(self._sql["mark_running"], {"id": turn_id, "model": model})
        row = tx.execute(self._sql["turn"], {"id": turn_id}).fetchone()
        said = tx.execute(self._sql["exchanges"], {"chat_id": row[1], "question_id": row[3], "limit": EXCHANGES})
        turn = replace(Turn(*row), earlier=tuple(Exchange(question, answer) for question, answer in said))
        if turn.attempt > 1:
            data = {"message_id": turn.id, "reason": "the service was restarted while it answered"}
            self._append(tx, turn, EventType.ANSWER_RESET, data)
        if not only_to_end:
            data = {"message_id": turn.id, "model": model}
            self._append(tx, turn, EventType.TURN_STARTED, {**data, "attempt": turn.attempt})
        return turn

    def tool_started(self, turn: Turn, started: Started) -> asyncio.Future[None]:
        """Tell that a tool call begins, and store the reply that asked for it.

        The future has no value; it raises Conflict when stale.
        """

        def work(tx: Transaction) -> None:
            self._check(tx, turn)
            self._start_in(tx, turn, started)

        return self._db.submit(work)

    def tool_step(
        self,
        turn: Turn,
        step: Step,
        wire: Mapping[str, Any],
        sources: str = "[]",
        started: Started | None = None,
    ) -> asyncio.Future[None]:
        """Store a tool call with its result, as the transcript message it became; a future like the other.

        With it goes that it `started`, where that is not stored yet.
        """
        row = step_row(turn.id, step.number, "tool", wire, step.duration_ms or 0.0) | {
            "name": step.name,
            "arguments": step.arguments,
            "hits": step.hits,
            "error": step.error,
            "sources": sources,
            "made_by": step.made_by,
        }

        def work(tx: Transaction) -> None:
            self._check(tx, turn)
            if started is not None:
                self._start_in(tx, turn, started)
            tx.execute(self._sql["insert_step"], row)
            self._append(tx, turn, EventType.STEP_COMPLETED, {"message_id": turn.id, "step": public(step)})

        return self._db.submit(work)

    async def done(self, turn: Turn) -> tuple[Done, ...]:
        """Give what earlier attempts at the turn finished, in order."""
        found = await self._db.read(lambda c: c.execute(self._sql["done"], {"id": turn.id}).fetchall())
        return tuple(Done(json.loads(wire), *rest) for wire, *rest in found)

    async def save_text(self, turn: Turn, content: str, citations: tuple[Citation, ...]) -> None:
        """Keep the answer's text so far, for a crash. Raises Conflict when stale."""
        row = {"id": turn.id, "content": content, "citations": rows.citations(citations)}

        def work(tx: Transaction) -> None:
            self._check(tx, turn)
            tx.execute(self._sql["save_text"], row)

        await self._db.write(work)

    async def saved_text(self, turn: Turn) -> tuple[str, tuple[Citation, ...]]:
        """Give the answer's text as it was last kept."""
        row = await self._db.read(lambda c: c.execute(self._sql["answer"], {"id": turn.id}).fetchone())
        message = rows.message(row)
        return message.content, message.citations

    async def reset(self, turn: Turn, reason: str) -> None:
        """Tell that the answer's text so far is withdrawn. Raises Conflict when stale."""

        def work(tx: Transaction) -> None:
            self._check(tx, turn)
            self._append(tx, turn, EventType.ANSWER_RESET, {"message_id": turn.id, "reason": reason})

        await self._db.write(work)

    async def finish(self, turn: Turn, ending: Ending, read: ReadTexts | None = None) -> Message:
        """End the turn. Raises Conflict when it has ended already or another attempt has begun.

        With the answer is kept what it cites; `read` gives the texts that are not kept yet.
        """
        row = {
            "id": turn.id,
            "status": ending.status,
            "outcome": ending.outcome,
            "content": ending.content,
            "citations": rows.citations(ending.citations),
            "citations_dropped": ending.citations_dropped,
            "prompt_tokens": ending.usage.prompt_tokens,
            "completion_tokens": ending.usage.completion_tokens,
            "llm_calls": ending.usage.llm_calls,
            "model": ending.model,
            "error": rows.failure(ending.error),
            "kb_revision": ending.kb_revision,
            "now": timestamp(),
        }
        texts: list[dict[str, Any]] = []
        live = self._log.live(turn.chat_id)
        shown = live.text if live is not None and live.turn_id == turn.id else ""

        def work(tx: Transaction) -> Message | tuple[Citation, ...]:
            self._check(tx, turn)
            if read is not None and (lacking := kept.lacking(tx, ending.citations, texts)):
                return lacking
            tx.execute(self._sql["finish"], row)
            tx.execute(self._sql["forget_transcript"], {"id": turn.id})
            kept.keep(tx, turn.id, ending.citations, texts)
            if ending.finding is not None:
                gaps.note(tx, turn.question_id, ending.finding)
            steps = rows.steps(tx.execute(self._sql["steps"], {"id": turn.id}))
            message = rows.message(
                tx.execute(self._sql["answer"], {"id": turn.id}).fetchone(), steps.get(turn.id, ())
            )
            if not ending.content.startswith(shown):
                reset = {"message_id": turn.id, "reason": "the text so far is not the answer"}
                self._append(tx, turn, EventType.ANSWER_RESET, reset)
            self._append(tx, turn, END_EVENTS[ending.status], {"message": public(message)})
            return message

        while not isinstance(ended := await self._db.write(work), Message):
            texts += await asyncio.to_thread(kept.packed, await read(ended) if read is not None else ())
        return ended

    def writing(self, turn: Turn) -> AbstractContextManager[LiveAnswer]:
        """Show the turn's text to subscribers as it grows, until the block is left."""
        return self._log.writing(turn.chat_id, turn.id)

    def extend(self, turn: Turn, text: str) -> None:
        """Show more text of the answer. It is stored when the turn ends."""
        self._log.extend(turn.chat_id, text)

    async def unfinished(self) -> tuple[Unfinished, ...]:
        """List the turns without an end, oldest first."""
        found = await self._db.read(lambda c: c.execute(self._sql["open_turns"]).fetchall())
        return tuple(Unfinished(*row) for row in found)

    def _start_in(self, tx: Transaction, turn: Turn, started: Started) -> None:
        asked = started.asked
        if asked is not None:
            row = step_row(turn.id, asked.number, "model", asked.wire, asked.duration_ms)
            tx.execute(self._sql["insert_step"], row)
        data = {"message_id": turn.id, "step": public(started.step)}
        self._append(tx, turn, EventType.STEP_STARTED, data)

    def _check(self, tx: Transaction, turn: Turn) -> None:
        if tx.execute(self._sql["writable"], {"id": turn.id, "attempt": turn.attempt}).fetchone() is None:
            raise Conflict("turn_ended", "the turn has ended or was begun anew", turn.id)

    def _append(self, tx: Transaction, turn: Turn, kind: EventType, data: Mapping[str, Any]) -> None:
        self._log.append(tx, kind, data, owner=turn.owner, chat_id=turn.chat_id, turn_id=turn.id)
