"""The values of a chat: what the store keeps, events carry and clients see."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

Role = Literal["user", "assistant"]
Rating = Literal["up", "down"]
MadeBy = Literal["model", "service"]


class Status(StrEnum):
    """Where a message stands; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """What the evidence says of an answer."""

    GROUNDED = "grounded"  # every claim it marked is a passage that a tool returned in this turn
    PARTIAL = "partial"  # some marks did not resolve, or the answer was cut short
    NOT_IN_KB = "not_in_kb"  # it searched, and nothing in the answer rests on the knowledge base
    CONVERSATIONAL = "conversational"  # no search was needed: a greeting, thanks, what it can do
    STOPPED = "stopped"  # a person stopped it
    LIMIT = "limit"  # a limit of the turn ended it before there was an answer
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Chat:
    """A session. `seq` orders chats by age and never leaves the process."""

    seq: int
    id: str
    title: str | None
    metadata: Mapping[str, str]
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class Citation:
    """A claim's verified source: `quote` stands verbatim in lines `start_line`-`end_line` of that revision."""

    marker: str
    document: str
    title: str
    topic: str
    heading: str
    start_line: int
    end_line: int
    quote: str
    revision: str
    url: str


@dataclass(frozen=True, slots=True)
class Step:
    """One tool call: its arguments as JSON text, how many passages it gave, how long it took, who asked for it."""

    number: int
    name: str
    arguments: str
    hits: int | None = None
    error: str | None = None
    duration_ms: float | None = None
    made_by: MadeBy = "model"


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens as the provider counted them, and calls of the model."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    llm_calls: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a turn failed: a stable code, what to check, whether asking again may help, after how many seconds."""

    code: str
    detail: str
    retryable: bool
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Feedback:
    """What its reader thinks of an answer."""

    rating: Rating
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A question or an answer. `seq` orders the messages of a chat and never leaves the process."""

    seq: int
    id: str
    chat_id: str
    role: Role
    status: Status
    outcome: Outcome | None
    content: str
    citations: tuple[Citation, ...]
    citations_dropped: int
    usage: TokenUsage
    model: str | None
    error: Failure | None
    kb_revision: int | None
    supersedes: str | None
    superseded_by: str | None
    feedback: Feedback | None
    created_at: str
    completed_at: str | None
    steps: tuple[Step, ...] = field(default=())

    @property
    def final(self) -> bool:
        """Whether it will not change any more."""
        return self.status not in {Status.QUEUED, Status.RUNNING}


def public(value: Chat | Message | Citation | Step) -> dict[str, Any]:
    """Give the value as clients see it, in the API, in events and in exports alike."""
    fields: dict[str, Any] = _plain(value)
    fields.pop("seq", None)
    if isinstance(value, Message):
        fields["steps"] = [public(step) for step in value.steps]
    if isinstance(value, Step):
        fields["arguments"] = arguments(value.arguments)
    return fields


def _plain(value: object) -> Any:
    """What JSON has in place of a value. `asdict` copies each text, and takes six times as long."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    names = getattr(value, "__slots__", None)
    return value if names is None else {name: _plain(getattr(value, name)) for name in names}


def arguments(text: str) -> dict[str, Any]:
    """Read a tool call's arguments; what is no JSON object is kept under `invalid`."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return {"invalid": text}
    return parsed if isinstance(parsed, dict) else {"invalid": text}


def new_id(prefix: str) -> str:
    """Make an opaque id with 128 random bits."""
    return f"{prefix}_{secrets.token_hex(16)}"


def timestamp() -> str:
    """Give the present time in UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
