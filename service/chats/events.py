"""The closed set of events, their durable log, and the live fan-out to subscribers.

An event is committed before anyone hears of it. The text of a running answer is not logged: it grows in a
`LiveAnswer`, and its final form is the message.
"""

import contextlib
import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain, takewhile
from typing import Any, Final

from service.chats.bell import Bell
from service.chats.encoding import encode, encode_delta
from service.chats.records import timestamp
from service.database import Database, Transaction, load_queries

_PAGE: Final = 200
_PRUNE_BATCH: Final = 1_000
_RECENT: Final = 256  # events kept in memory, so that following a turn from its beginning asks no database
_QUEUE_LIMIT: Final = 1_000  # events a subscriber may lag behind before it is dropped and has to resume


class EventType(StrEnum):
    """Every event there is. Deltas are not logged, `stream.reset` is made for one subscriber."""

    MESSAGE_CREATED = "message.created"
    TURN_STARTED = "turn.started"
    STEP_STARTED = "step.started"
    STEP_COMPLETED = "step.completed"
    ANSWER_DELTA = "answer.delta"
    ANSWER_RESET = "answer.reset"
    ANSWER_COMPLETED = "answer.completed"
    TURN_FAILED = "turn.failed"
    TURN_CANCELLED = "turn.cancelled"
    MESSAGE_RATED = "message.rated"
    CHAT_CREATED = "chat.created"
    CHAT_UPDATED = "chat.updated"
    CHAT_DELETED = "chat.deleted"
    KB_UPDATED = "kb.updated"
    STREAM_RESET = "stream.reset"


TERMINAL: Final = frozenset({EventType.ANSWER_COMPLETED, EventType.TURN_FAILED, EventType.TURN_CANCELLED})


@dataclass(frozen=True, slots=True)
class Event:
    """A logged event. `owner` None means that everyone may see it; `data` is one line of JSON, encoded once."""

    id: int
    type: EventType
    owner: str | None
    chat_id: str | None
    turn_id: str | None
    data: bytes


@dataclass(frozen=True, slots=True)
class Scope:
    """What a subscriber may and wants to see: everything of `owner`, or one of its chats.

    With everything go events of the index, where `knowledge` says that the subscriber may see those, and the text
    of the answers of one chat, `beside`.
    """

    owner: str
    chat_id: str | None = None
    knowledge: bool = True
    beside: str | None = None

    @property
    def text_of(self) -> str | None:
        """The chat whose answers are followed character by character."""
        return self.chat_id or self.beside

    def covers(self, event: Event) -> bool:
        """Whether the event belongs to this scope."""
        if event.owner is None:
            return self.chat_id is None and self.knowledge
        return event.owner == self.owner and self.chat_id in {None, event.chat_id}


class LiveAnswer:
    """The text of one running answer, growing; `since` is the newest event that its text comes after."""

    def __init__(self, turn_id: str, since: int) -> None:
        self.turn_id = turn_id
        self.since = since
        self.text = ""
        self._encoded: tuple[int, int, bytes] = (0, 0, b"")

    def delta(self, offset: int) -> bytes:
        """Encode the text from `offset` on as the data of an `answer.delta`; once for all who stand there."""
        start, end, data = self._encoded
        if (start, end) != (offset, len(self.text)):
            data = encode_delta(self.turn_id, offset, self.text[offset:])
            self._encoded = (offset, len(self.text), data)
        return data


@dataclass(eq=False, slots=True)
class Subscription:
    """A subscriber's bounded queue. When `ended`, send no more: the client comes back and resumes."""

    scope: Scope
    queue: list[Event] = field(default_factory=list)
    wake: Bell = field(default_factory=Bell)
    ended: bool = False

    def offer(self, event: Event) -> None:
        """Queue an event and wake the subscriber."""
        if len(self.queue) >= _QUEUE_LIMIT:
            self.ended = True
        else:
            self.queue.append(event)
        self.wake.set()


class EventLog:
    """Appends events inside the transactions that make them true, and tells subscribers after the commit."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._sql = load_queries("events")
        self._chat_subscriptions: dict[str, set[Subscription]] = {}
        self._owner_subscriptions: dict[str, set[Subscription]] = {}
        self._readers: dict[str, set[Subscription]] = {}  # by the chat whose text they follow
        self._live: dict[str, LiveAnswer] = {}
        self._recent: deque[Event] = deque(maxlen=_RECENT)
        self._newest = 0
        self._closed = False

    def append(
        self,
        tx: Transaction,
        kind: EventType,
        data: Mapping[str, Any],
        *,
        owner: str | None = None,
        chat_id: str | None = None,
        turn_id: str | None = None,
    ) -> Event:
        """Log an event in `tx`; subscribers hear of it once that is committed."""
        encoded = encode(data)
        row = (owner, chat_id, turn_id, kind.value, encoded.decode(), timestamp())
        event_id = tx.execute(self._sql["append"], row).lastrowid or 0
        event = Event(event_id, kind, owner, chat_id, turn_id, encoded)
        tx.after_commit(lambda: self._publish(event))
        return event

    async def replay(self, scope: Scope, after: int) -> tuple[Event, ...]:
        """Read at most 200 logged events of `scope` after the given id, oldest first."""
        if self._recent and self._recent[0].id <= after + 1:
            newer = takewhile(lambda event: event.id > after, reversed(self._recent))
            return tuple(event for event in newer if scope.covers(event))[: -_PAGE - 1 : -1]
        name = "replay_all" if scope.chat_id is None else "replay_chat"
        parameters = {"owner": scope.owner, "chat": scope.chat_id, "after": after, "limit": _PAGE}
        parameters |= {"knowledge": scope.knowledge}
        rows = await self._db.read(lambda c: c.execute(self._sql[name], parameters).fetchall())
        return tuple(_event(row) for row in rows)

    async def newest(self, scope: Scope) -> Event | None:
        """Give the newest event in `scope`, None when there is none."""
        name = "newest_of_all" if scope.chat_id is None else "newest_of_chat"
        parameters = {"owner": scope.owner, "chat": scope.chat_id, "knowledge": scope.knowledge}
        row = await self._db.read(lambda c: c.execute(self._sql[name], parameters).fetchone())
        return _event(row) if row is not None else None

    async def last_id(self, scope: Scope) -> int:
        """Give the newest event's id in `scope`, 0 when there is none."""
        newest = await self.newest(scope)
        return newest.id if newest is not None else 0

    async def turn_begin(self, turn_id: str) -> int | None:
        """Give the id of the event before the turn's first one, so that a reader of the log begins with it.

        None when none of its events is kept.
        """
        first: Event | None = None
        for event in reversed(self._recent):  # a turn that is followed has begun just now
            if event.turn_id == turn_id:
                first = event
            elif first is not None and first.type is EventType.MESSAGE_CREATED:
                return first.id - 1  # the events of question and answer stand side by side
        row = await self._db.read(lambda c: c.execute(self._sql["turn_begin"], (turn_id,)).fetchone())
        return int(row[0]) - 1 if row[0] is not None else None

    async def knows(self, scope: Scope, event_id: int) -> bool:
        """Whether `event_id` is an event of `scope` that is still kept."""

        def find(connection: sqlite3.Connection) -> bool:
            row = connection.execute(self._sql["find"], (event_id,)).fetchone()
            return row is not None and scope.covers(_event(row))

        return await self._db.read(find)

    async def prune(self, before: str, keep: int) -> int:
        """Delete events older than the timestamp `before` or not among the newest `keep`; give how many.

        The newest is always kept. It is done in small commits, so that other writes need not wait.
        """
        limits = {"before": before, "keep": keep, "batch": _PRUNE_BATCH}
        pruned = 0
        while True:
            some = await self._db.write(lambda tx: tx.execute(self._sql["prune"], limits).rowcount)
            pruned += some
            if some < _PRUNE_BATCH:
                return pruned

    @contextlib.contextmanager
    def subscribe(self, scope: Scope) -> Iterator[Subscription]:
        """Collect the events of `scope` from now on, until the block is left."""
        subscription = Subscription(scope, ended=self._closed)
        places = [(self._owner_subscriptions, scope.owner)]
        if scope.chat_id is not None:
            places = [(self._chat_subscriptions, scope.chat_id)]
        if scope.text_of is not None:
            places.append((self._readers, scope.text_of))
        for groups, key in places:
            groups.setdefault(key, set()).add(subscription)
        try:
            yield subscription
        finally:
            for groups, key in places:
                groups[key].discard(subscription)
                if not groups[key]:
                    del groups[key]

    def close(self) -> None:
        """End all subscriptions, and each new one at once: the process is going down."""
        self._closed = True
        for group in (*self._chat_subscriptions.values(), *self._owner_subscriptions.values()):
            for subscription in group:
                subscription.ended = True
                subscription.wake.set()

    @property
    def subscribers(self) -> int:
        """How many subscriptions are open."""
        groups = (*self._chat_subscriptions.values(), *self._owner_subscriptions.values())
        return sum(len(group) for group in groups)

    def live(self, chat_id: str) -> LiveAnswer | None:
        """Give the answer that is being written in the chat."""
        return self._live.get(chat_id)

    @contextlib.contextmanager
    def writing(self, chat_id: str, turn_id: str) -> Iterator[LiveAnswer]:
        """Announce the answer that is being written in the chat, until the block is left."""
        answer = self._live[chat_id] = LiveAnswer(turn_id, self._newest)
        try:
            yield answer
        finally:
            if self._live.get(chat_id) is answer:
                del self._live[chat_id]

    def extend(self, chat_id: str, text: str) -> None:
        """Add text to the answer that is being written and wake its readers."""
        self._live[chat_id].text += text
        for subscription in self._readers.get(chat_id, ()):
            subscription.wake.set()

    def _publish(self, event: Event) -> None:
        self._newest = event.id
        if event.type is EventType.CHAT_DELETED:
            kept = [known for known in self._recent if known.chat_id != event.chat_id]
            self._recent = deque(kept, maxlen=_RECENT)
        self._recent.append(event)
        live = self._live.get(event.chat_id or "")
        if event.type is EventType.ANSWER_RESET and live is not None:
            live.text, live.since = "", event.id
        if event.type in TERMINAL and live is not None and live.turn_id == event.turn_id:
            del self._live[event.chat_id or ""]  # its text is the message by now
        groups = [self._chat_subscriptions.get(event.chat_id or "", set())]
        if event.owner is None:
            groups.extend(self._owner_subscriptions.values())
        else:
            groups.append(self._owner_subscriptions.get(event.owner, set()))
        for subscription in chain.from_iterable(groups):
            if subscription.scope.covers(event):
                subscription.offer(event)


def _event(row: tuple[Any, ...]) -> Event:
    event_id, kind, owner, chat_id, turn_id, data = row
    return Event(event_id, EventType(kind), owner, chat_id, turn_id, data.encode())
