"""Turns of which nothing is kept: the client brings the history, and the answer is over when the client leaves."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Final

from service.agent.admission import Admission
from service.agent.context import system_prompt
from service.agent.dialogue import Said, dialogue
from service.agent.draft import Draft
from service.agent.endings import INTERNAL, INTERRUPTED, NOT_STORED, TIMED_OUT, report
from service.agent.length import BoundedModel
from service.agent.loop import Limits, TextAdded, TextWithdrawn, ToolFinished, TurnEvent, answer
from service.agent.model import ChatModel, Message
from service.agent.shown import Piece, Placed, Shown
from service.agent.tools import Toolbox
from service.chats.records import Failure, Outcome, Status, TokenUsage, new_id
from service.errors import KbAgentError, ModelError, StorageError
from service.telemetry import TURN_ID, Metrics, tracing

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answered:
    """A finished answer. `truncated`: a limit of length cut it, the model's own or the client's."""

    text: str
    citations: tuple[Placed, ...]
    citations_dropped: int
    outcome: Outcome
    usage: TokenUsage
    model: str
    kb_revision: int | None
    truncated: bool


class UnstoredTurn:
    """An answer under way. Take it once, by `pieces` or by `answered`; leaving either early ends it."""

    def __init__(self, model: ChatModel, toolbox: Toolbox) -> None:
        self.id = new_id("turn")
        self.model = model
        self.draft = Draft(model.name)
        self.toolbox = toolbox
        self.shown = Shown()
        self._pieces: asyncio.Queue[Piece | None] = asyncio.Queue()
        self._task: asyncio.Task[Answered] | None = None

    def run(self, task: asyncio.Task[Answered]) -> None:
        """Take up the task that answers."""
        self._task = task
        task.add_done_callback(lambda _: self._pieces.put_nowait(None))

    def put(self, piece: Piece | None) -> None:
        """Hand a piece to whoever takes the answer."""
        if piece is not None:
            self._pieces.put_nowait(piece)

    def cancel(self) -> None:
        """End it; whoever takes it hears `interrupted`."""
        if self._task is not None:
            self._task.cancel()

    async def pieces(self, idle: float) -> AsyncGenerator[Piece | Answered | None]:
        """Yield the text as it comes, the answer at the end; None after `idle` seconds without either.

        Raises ModelError when the model failed, StorageError when the database did.
        """
        try:
            while True:
                try:
                    async with asyncio.timeout(idle):
                        piece = await self._pieces.get()
                except TimeoutError:
                    yield None
                    continue
                if piece is None:
                    break
                yield piece
            yield self._result()
        finally:
            self.cancel()

    async def answered(self) -> Answered:
        """Wait for the answer. Raises as `pieces` does."""
        try:
            while await self._pieces.get() is not None:
                pass
            return self._result()
        finally:
            self.cancel()

    def _result(self) -> Answered:
        if self._task is None or self._task.cancelled():
            raise _error(INTERRUPTED)
        error = self._task.exception()
        if error is None:
            return self._task.result()
        if isinstance(error, KbAgentError):
            raise error
        _LOG.error("turn failed", exc_info=error, extra={"turn_id": self.id})
        raise _error(INTERNAL) from error


class UnstoredTurns:
    """Answers without a chat: the same agent, limits, places and metrics as turns that are stored."""

    def __init__(
        self,
        model: ChatModel,
        toolbox: Callable[[], Toolbox],
        limits: Limits,
        metrics: Metrics,
        admission: Admission,
    ) -> None:
        self._model = model
        self._toolbox = toolbox
        self._limits = limits
        self._metrics = metrics
        self._admission = admission
        self._system = system_prompt()
        self._running: set[UnstoredTurn] = set()
        self.since = int(time.time())

    @property
    def model_name(self) -> str:
        """The model that answers."""
        return self._model.name

    def start(self, caller: str, said: Sequence[Said], max_tokens: int | None = None) -> UnstoredTurn:
        """Begin to answer what a client's history ends with, in at most `max_tokens`.

        Raises InvalidInput when it cannot be answered, Overloaded when there is no place.
        """
        messages = dialogue(self._system, said, self._limits.window)
        model = self._admission.metered(self._model, caller, self._limits.window)
        turn = UnstoredTurn(BoundedModel(model, max_tokens) if max_tokens else model, self._toolbox())
        with self._admission.place(caller):
            self._admission.begin(turn.id, caller)
        task = asyncio.create_task(self._run(turn, messages), name=turn.id)
        self._running.add(turn)
        self._metrics.turns_open.inc()
        task.add_done_callback(partial(self._forget, turn))
        turn.run(task)
        return turn

    def release(self) -> None:
        """End all of them: the process is going down, and nobody could resume one."""
        for turn in self._running:
            turn.cancel()

    def _forget(self, turn: UnstoredTurn, task: asyncio.Task[Answered]) -> None:
        self._admission.end(turn.id)
        self._running.discard(turn)
        self._metrics.turns_open.dec()
        if not task.cancelled():
            task.exception()  # seen, also when the client has left and nobody takes it

    async def _run(self, turn: UnstoredTurn, messages: Sequence[Message]) -> Answered:
        TURN_ID.set(turn.id)
        with tracing.turn(turn.id):
            return await self._attempt(turn, messages)

    async def _attempt(self, turn: UnstoredTurn, messages: Sequence[Message]) -> Answered:
        status: Status = Status.FAILED
        failure: Failure | None = INTERNAL
        try:
            async with self._admission.running, asyncio.timeout(self._limits.seconds):
                await self._answer(turn, messages)
            status, failure = Status.COMPLETED, None
        except asyncio.CancelledError:
            status, failure = Status.CANCELLED, None
            raise
        except TimeoutError as late:
            failure = TIMED_OUT
            raise _error(TIMED_OUT) from late
        except ModelError as error:
            failure = Failure(error.code, error.detail, error.retryable)
            raise
        except StorageError:
            failure = NOT_STORED
            raise
        finally:
            report(self._metrics, turn.id, turn.draft, status, failure)
        return _answered(turn)

    async def _answer(self, turn: UnstoredTurn, messages: Sequence[Message]) -> None:
        events = answer(turn.model, turn.toolbox, messages, self._limits, turn.draft)
        async with aclosing(events):
            async for event in events:
                self._fold(turn, event)
        turn.put(turn.shown.rest(turn.draft.citations))

    def _fold(self, turn: UnstoredTurn, event: TurnEvent) -> None:
        match event:
            case TextAdded(text):
                turn.put(turn.shown.add(text, turn.draft.citations))
            case TextWithdrawn():
                turn.put(turn.shown.withdraw())
            case ToolFinished(step):
                self._metrics.tool_called(step.name, failed=step.error is not None, hits=step.hits)


def _answered(turn: UnstoredTurn) -> Answered:
    draft = turn.draft
    return Answered(
        text=draft.text,
        citations=turn.shown.citations,
        citations_dropped=draft.citations_dropped,
        outcome=draft.outcome,
        usage=draft.usage,
        model=draft.model,
        kb_revision=turn.toolbox.kb_revision,
        truncated=draft.truncated,
    )


def _error(failure: Failure) -> ModelError:
    return ModelError(failure.code, failure.detail, retryable=failure.retryable)
