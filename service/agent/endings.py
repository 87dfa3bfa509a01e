"""How a turn ends when its model did not end it, how the end is told, and stored however long that is refused."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from service.agent.draft import Draft
from service.chats.records import Failure, Outcome, Status
from service.errors import StorageError
from service.telemetry import Metrics, tracing

_LOG: Final = logging.getLogger(__name__)
T = TypeVar("T")

TIMED_OUT: Final = Failure(
    "turn_timeout", "the answer took longer than TURN_TIMEOUT; ask again, or choose a faster model", retryable=True
)
INTERRUPTED: Final = Failure(
    "interrupted", "the service was restarted while it answered; ask again", retryable=True
)
NOT_STORED: Final = Failure(
    "storage_error", "the database failed while the answer was written; ask again", retryable=True
)
INTERNAL: Final = Failure("internal_error", "the service failed while it answered; see its log", retryable=True)
_STORE_PAUSE: Final = 0.5  # before the database is asked again to take what it refused


async def until_stored(write: Callable[[], Awaitable[T]]) -> T:
    """Repeat a write until the database takes it: what was accepted has to end, without a restart."""
    while True:
        try:
            return await write()
        except StorageError:
            await asyncio.sleep(_STORE_PAUSE)


def outcome_of(draft: Draft, status: Status, failure: Failure | None) -> Outcome:
    """What an answer came to: its own outcome, unless something ended it."""
    if status is Status.CANCELLED:
        return Outcome.STOPPED
    if failure is not None:
        return Outcome.LIMIT if failure is TIMED_OUT else Outcome.ERROR
    return draft.outcome


def report(metrics: Metrics, turn_id: str, draft: Draft, status: Status, failure: Failure | None) -> None:
    """Count a turn that has ended, and log it."""
    outcome = outcome_of(draft, status, failure)
    seconds = time.monotonic() - draft.started
    code = failure.code if failure else None
    span = tracing.current()
    span.set_attributes(
        {
            "kb_agent.turn.status": status.value,
            "kb_agent.turn.outcome": outcome.value,
            "gen_ai.response.model": draft.model,
            "gen_ai.usage.input_tokens": draft.prompt_tokens,
            "gen_ai.usage.output_tokens": draft.completion_tokens,
        }
    )
    if code is not None:
        tracing.failed(span, code)
    if draft.spoke is not None:
        metrics.first_token_seconds.observe(draft.spoke - draft.started)
    metrics.turn_ended(status.value, outcome.value, seconds, draft.citations_dropped, code)
    _LOG.info(
        "turn ended",
        extra={
            "turn_id": turn_id,
            "status": status.value,
            "outcome": outcome.value,
            "code": code,
            "seconds": round(seconds, 3),
            "llm_calls": draft.llm_calls,
            "tool_calls": draft.tool_calls,
        },
    )
