"""Following a chat, a turn or everything: what was logged after a position, then what happens live.

A position is the last durable event seen and how many characters of the running answer: `57` or `57.120`.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from service.chats.bell import Bell
from service.chats.encoding import encode, encode_delta
from service.chats.events import TERMINAL, Event, EventLog, EventType, Scope, Subscription
from service.chats.records import Message, public
from service.chats.turns import END_EVENTS
from service.errors import NotFound

_POSITION: Final = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,9}))?")
_RESTARTS: Final = frozenset({EventType.TURN_STARTED, EventType.ANSWER_RESET})

Snapshot = Callable[[], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where a client stands: after the durable event `event`, with `offset` characters of the running answer."""

    event: int
    offset: int = 0

    @classmethod
    def parse(cls, text: str) -> "Position | None":
        """Read an event id; None when it is none of ours."""
        match = _POSITION.fullmatch(text.strip()) if text.isascii() else None
        return cls(int(match[1]), int(match[2] or 0)) if match else None

    def __str__(self) -> str:
        return f"{self.event}.{self.offset}" if self.offset else str(self.event)


@dataclass(frozen=True, slots=True)
class Frame:
    """One thing to send: the position after it, the event, its data as one line of JSON. `last` ends a turn."""

    position: Position
    type: EventType
    data: bytes
    last: bool = False


Frames = AsyncGenerator[Frame | Position | None]


async def follow(log: EventLog, scope: Scope, resume: str | None, snapshot: Snapshot, *, idle: float) -> Frames:
    """Yield the frames of `scope` after the event id `resume`, for ever; None after `idle` seconds without one.

    Without an id it begins now, that of one chat where the turn began that is running. An id that is not of this
    scope or not kept any more gets `stream.reset` with `snapshot()`. Any other begins with the position after
    which nothing will be missed. Ends when its chat is deleted, the subscriber lags behind, or the log is closed.
    The stream of everything tells text from its beginning each time, so that its ids are good beside any chat.
    """
    with log.subscribe(scope) as subscription:
        reader = _Reader(log, scope, subscription)
        newest = await log.newest(scope)
        start = await _start(log, scope, resume, newest)
        if newest is not None and _ends(scope, newest.type):
            yield Frame(Position(newest.id), newest.type, newest.data)
            return
        if start is None:
            reader.position = Position(newest.id if newest is not None else 0)
            with contextlib.suppress(NotFound):  # deleted just now: that event is on its way
                data = encode({"snapshot": await snapshot()})
                yield Frame(reader.position, EventType.STREAM_RESET, data)
        else:
            reader.position = start
            yield start
        async with aclosing(reader.frames(idle)) as frames:
            async for frame in frames:
                yield frame


async def follow_turn(
    log: EventLog, scope: Scope, answer: Message, *, idle: float
) -> AsyncGenerator[Frame | None]:
    """Yield the frames of the turn that writes `answer` from its first event to its terminal one.

    None after `idle` seconds without a frame. When the chat is deleted, that is the last one. The end of an answer
    whose events are not kept any more is told from the answer itself.
    """
    with log.subscribe(scope) as subscription:
        reader = _Reader(log, scope, subscription, answer.id)
        begin = await log.turn_begin(answer.id)
        if begin is None and answer.final:
            for told in reader.end_of(answer, max(1, await log.last_id(scope))):
                yield told
            return
        reader.position = Position(begin or 0)
        async with aclosing(reader.frames(idle)) as frames:
            async for frame in frames:
                yield frame
                if frame is not None and frame.last:
                    return


async def _start(log: EventLog, scope: Scope, resume: str | None, newest: Event | None) -> Position | None:
    if resume is not None:
        position = Position.parse(resume)
        if position is None or not await log.knows(scope, position.event):
            return None
        if scope.chat_id is None:
            return Position(position.event)
        return position if await _told(log, scope, position) else None
    live = log.live(scope.chat_id) if scope.chat_id is not None else None
    if live is not None:
        return Position(await log.turn_begin(live.turn_id) or 0)
    return Position(newest.id if newest is not None else 0)


async def _told(log: EventLog, scope: Scope, position: Position) -> bool:
    """Whether so much text was told after that event."""
    if not position.offset:
        return True
    live = log.live(scope.chat_id or "")
    known = len(live.text) if live is not None else 0  # before the log is asked: what ends meanwhile stands there
    for event in await log.replay(scope, position.event):
        if event.type in TERMINAL:
            return position.offset <= len(json.loads(event.data)["message"]["content"])
        if event.type in _RESTARTS:
            return event.type is EventType.ANSWER_RESET
    return position.offset <= known


def _ends(scope: Scope, kind: EventType) -> bool:
    """Whether nothing can follow in this scope: its chat is gone."""
    return kind is EventType.CHAT_DELETED and scope.chat_id is not None


class _Heartbeat:
    """Sets `wake` after `idle` seconds without a frame. A frame does not touch the timer, it moves a number."""

    def __init__(self, idle: float, wake: Bell) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle = idle
        self._wake = wake
        self._last = self._loop.time()
        self._timer = self._loop.call_later(idle, self._ring)
        self._rang = False

    def sent(self) -> None:
        """Begin the time anew."""
        self._last = self._loop.time()

    def due(self) -> bool:
        """Whether a sign of life has to be sent now."""
        due, self._rang = self._rang, False
        return due

    def close(self) -> None:
        """Stop the timer."""
        self._timer.cancel()

    def _ring(self) -> None:
        if self._loop.time() >= self._last + self._idle:
            self._rang = True
            self._last = self._loop.time()
            self._wake.set()
        self._timer = self._loop.call_at(self._last + self._idle, self._ring)


class _Reader:
    """One subscriber's way through the log and the live answer."""

    def __init__(
        self, log: EventLog, scope: Scope, subscription: Subscription, turn_id: str | None = None
    ) -> None:
        self.position = Position(0)
        self._restart = 0  # the newest event seen that takes the text back to its beginning
        self._log = log
        self._scope = scope
        self._subscription = subscription
        self._turn_id = turn_id

    async def frames(self, idle: float) -> AsyncGenerator[Frame | None]:
        async for frame in self._replayed():
            yield frame
            if _ends(self._scope, frame.type):
                return
        wake = self._subscription.wake
        with contextlib.closing(_Heartbeat(idle, wake)) as heartbeat:
            while not self._subscription.ended:
                wake.clear()
                for frame in self._pending():
                    heartbeat.sent()
                    yield frame
                    if _ends(self._scope, frame.type):
                        return
                await wake.wait()
                if heartbeat.due():
                    yield None

    def end_of(self, answer: Message, event_id: int) -> list[Frame]:
        """The text of a finished answer and its terminal event, as if that had been logged with this id."""
        data = encode({"message": public(answer)})
        ended = Event(event_id, END_EVENTS[answer.status], self._scope.owner, answer.chat_id, answer.id, data)
        self.position = Position(event_id - 1)
        return self._frames_of(ended)

    async def _replayed(self) -> AsyncIterator[Frame]:
        while page := await self._log.replay(self._scope, self.position.event):
            for event in page:
                for frame in self._frames_of(event):
                    yield frame

    def _pending(self) -> list[Frame]:
        frames: list[Frame] = []
        queued, self._subscription.queue = self._subscription.queue, []
        for event in queued:
            if event.id > self.position.event:
                frames.extend(self._frames_of(event))
        live = self._log.live(self._scope.text_of) if self._scope.text_of is not None else None
        if live is None or live.since < self._restart or self._turn_id not in {None, live.turn_id}:
            return frames  # the log is ahead of the text in memory: what is there belongs to what was before
        if len(live.text) > self.position.offset:
            data = live.delta(self.position.offset)
            frames.append(self._text_up_to(len(live.text), data))
        return frames

    def _frames_of(self, event: Event) -> list[Frame]:
        """Turn a logged event into frames; before a terminal one comes the text that was not sent yet."""
        frames = []
        offset = self.position.offset
        if event.chat_id == self._scope.text_of and event.type in _RESTARTS | TERMINAL:
            frames = self._rest(event) if event.type in TERMINAL else []
            offset = 0
            self._restart = event.id
        self.position = Position(event.id, offset)
        if self._turn_id in {None, event.turn_id} or _ends(self._scope, event.type):
            last = event.type in TERMINAL and event.turn_id == self._turn_id
            frames.append(Frame(self._place, event.type, event.data, last))
        return frames

    @property
    def _place(self) -> Position:
        """What a client resumes after. An offset is of use in the stream of that chat alone."""
        return self.position if self._scope.chat_id is not None else Position(self.position.event)

    def _text_up_to(self, offset: int, data: bytes) -> Frame:
        self.position = Position(self.position.event, offset)
        return Frame(self._place, EventType.ANSWER_DELTA, data)

    def _rest(self, event: Event) -> list[Frame]:
        if self._turn_id not in {None, event.turn_id}:
            return []
        content: str = json.loads(event.data)["message"]["content"]
        offset = self.position.offset
        if offset >= len(content):
            return []
        data = encode_delta(event.turn_id or "", offset, content[offset:])
        return [self._text_up_to(len(content), data)]
