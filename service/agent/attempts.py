"""How long an attempt at a model call may take, when another one follows, and who hears of it."""

import asyncio
import math
from collections.abc import Awaitable
from dataclasses import dataclass
from random import SystemRandom
from typing import Protocol, TypeVar

from service.agent.chunks import ReplyBuilder
from service.agent.failures import failure
from service.errors import ModelError

T = TypeVar("T")

# After the finish reason only usage may come, then the body's end, which keeps the connection usable.
_TAIL_SECONDS = 2.0
_DRAIN_SECONDS = 0.1
# Where a fault is likely to repeat, or an attempt has cost a long wait, fewer retries than usual.
_MOST_RETRIES = {
    "provider_timeout": 1,
    "stalled": 1,
    "incomplete_response": 1,
    "provider_protocol_error": 1,
    "empty_answer": 1,
    "attempt_timeout": 0,
}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds, all of one attempt: to connect, to the first content, between two contents, in all.

    Content is text, thinking, or a part of a tool call; comments and empty chunks are not.
    """

    connect: float = 5.0
    first_byte: float = 30.0
    gap: float = 30.0
    attempt: float = 120.0


@dataclass(frozen=True, slots=True)
class Retries:
    """At most `limit` retries; before each a random wait up to `base` seconds, doubled each time, up to `longest`.

    A `Retry-After` is waited out up to `patience` seconds; a longer one ends the call.
    """

    limit: int = 2
    base: float = 0.5
    longest: float = 8.0
    patience: float = 20.0

    def delay(self, error: ModelError, made: int) -> float | None:
        """Seconds to wait before trying again after `made` retries; None: give up."""
        asked = error.retry_after or 0.0
        if not error.retryable or made >= min(self.limit, _MOST_RETRIES.get(error.code, self.limit)):
            return None
        if asked > self.patience:
            return None
        return asked + SystemRandom().uniform(0, min(self.longest, self.base * 2**made))


class CallObserver(Protocol):
    """Hears of model calls, for metrics."""

    def call_started(self) -> None:
        """A call begins; `call_finished` follows whatever happens."""
        ...

    def first_content(self, seconds: float) -> None:
        """An attempt brought its first content after so long."""
        ...

    def call_retried(self, code: str) -> None:
        """An attempt failed with `code`, another follows."""
        ...

    def call_finished(self, result: str, seconds: float, prompt_tokens: int, completion_tokens: int) -> None:
        """The call ended: `ok`, `cancelled`, or an error's code."""
        ...


class Watch:
    """The clock of one attempt: how long it may still be silent, and when it must be over.

    Only waiting for the provider counts as silence: a caller that is slow to take a piece does not. One timer
    serves all waits: a chunk only moves the time that it looks at when it rings.
    """

    def __init__(self, timeouts: Timeouts, observer: CallObserver) -> None:
        self._gap = timeouts.gap
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time
        self._began = self._now()
        self._last = self._began + timeouts.attempt
        self._silence = timeouts.first_byte
        self._tail = math.inf
        self._progress = 0
        self._timer: asyncio.TimerHandle | None = None
        self._due = math.inf
        self._waiting: asyncio.Task[object] | None = None
        self._rang = False

    def close(self) -> None:
        """Stop the clock."""
        if self._timer is not None:
            self._timer.cancel()

    async def bound(self, step: Awaitable[T]) -> T:
        """Wait for `step`. Raises ModelError when it takes too long; then it is cancelled."""
        began = self._now()
        task = asyncio.current_task()
        cancelled = task.cancelling() if task else 0
        self._due = min(began + self._silence, self._last)
        self._waiting = task
        if self._timer is None or self._timer.when() > self._due:
            self._arm()
        try:
            return await step
        except asyncio.CancelledError:
            if not self._rang or task is None or task.uncancel() > cancelled:
                raise
            raise self._failure() from None
        finally:
            self._waiting = None
            self._silence -= self._now() - began

    def look(self, builder: ReplyBuilder) -> None:
        """Allow for new silence by what has come."""
        if builder.progress > self._progress:
            if not self._progress:
                self._observer.first_content(self._now() - self._began)
            self._progress = builder.progress
            self._silence = self._gap
        if builder.ended:
            tail = _DRAIN_SECONDS if builder.settled else _TAIL_SECONDS
            if tail < self._tail:
                self._tail = self._silence = tail

    def _arm(self) -> None:
        self.close()
        self._timer = self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiting is None:
            return
        if self._now() < self._due:
            self._arm()
        else:
            self._rang = True
            self._waiting.cancel()

    def _failure(self) -> ModelError:
        if self._now() >= self._last:
            return failure("attempt_timeout")
        return failure("stalled" if self._progress else "provider_timeout")


class Unobserved:
    """A `CallObserver` for whom nothing is measured."""

    def call_started(self) -> None:
        """Nothing."""

    def first_content(self, seconds: float) -> None:
        """Nothing."""

    def call_retried(self, code: str) -> None:
        """Nothing."""

    def call_finished(self, result: str, seconds: float, prompt_tokens: int, completion_tokens: int) -> None:
        """Nothing."""
