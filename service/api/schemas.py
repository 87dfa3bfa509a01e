"""What crosses HTTP, with a description and an example for every field."""

import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from service.chats.records import Outcome, Status

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def _storable(value: str) -> str:
    if "\x00" in value or _SURROGATE.search(value):
        raise ValueError("must not contain NUL characters or lone surrogates")
    return value


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WORDED: Final = AfterValidator(_text)
# Makes a strict integer what JSON takes for one: 1.0 is one, "1" and true are none. Stands behind its bounds.
WHOLE: Final = BeforeValidator(_whole)

# The patterns say in the OpenAPI document what the validators, whose messages are for people, check.
Storable = Annotated[str, AfterValidator(_storable), Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})]
Text = Annotated[
    str,
    AfterValidator(_storable),
    WORDED,
    Field(json_schema_extra={"minLength": 1, "pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"}),
]
Title = Annotated[
    Text, Field(max_length=200, description="Title; from the first question when left out.", examples=["Ports"])
]
Metadata = Annotated[
    dict[Annotated[Storable, Field(max_length=64)], Annotated[Storable, Field(max_length=512)]],
    Field(max_length=16, description="Up to 16 strings of your own.", examples=[{"team": "support"}]),
]


# A tuple would be described by `prefixItems` alone, of which generators of clients make lists of anything.
Pair = Annotated[list[int], Field(min_length=2, max_length=2)]


class In(BaseModel):
    """What is taken: no field but those that it names."""

    model_config = ConfigDict(extra="forbid")


class Out(BaseModel):
    """What is given: made of a value inside by its attributes."""

    model_config = ConfigDict(from_attributes=True)


class TokensOut(Out):
    """The model's tokens of a caller's day."""

    used: int = Field(description="Used today, question and answer together.", examples=[18_400])
    limit: int | None = Field(description="How many there are in a day; null: any number.", examples=[200_000])
    resets_at: datetime = Field(description="When the day ends.", examples=["2026-11-23T00:00:00Z"])


class NewChat(In):
    """A chat to make; every field may be left out."""

    title: Title | None = None
    metadata: Metadata = Field(default_factory=dict)


class ChatChange(In):
    """What to change of a chat; what is left out stays."""

    title: Title | None = None
    metadata: Metadata | None = None


class Question(In):
    """A question to the knowledge base."""

    content: Text = Field(description="The question.", examples=["How do I resume a stream?"])


class ChatOut(Out):
    """A chat."""

    id: str = Field(description="Opaque id.", examples=["chat_0f3c9a"])
    title: str | None = Field(description="Title; null until the first question.", examples=["Resuming a stream"])
    metadata: dict[str, str] = Field(description="Strings of your own.", examples=[{"team": "support"}])
    created_at: str = Field(description="UTC, ISO 8601.", examples=["2026-11-22T09:30:00.000Z"])
    updated_at: str = Field(
        description="When something was last said or changed.", examples=["2026-11-22T09:31:00.000Z"]
    )


class ChatDetail(ChatOut):
    """A chat, and where its event stream stands."""

    last_event_id: str = Field(
        description="Open the chat's stream with it to hear everything that happens from now on.", examples=["57"]
    )


class CitationOut(Out):
    """A verified source of a statement."""

    marker: str = Field(description="As it stands in the content.", examples=["[1]"])
    document: str = Field(description="The document's name.", examples=["streaming/resume.md"])
    title: str = Field(description="The document's title.", examples=["Resuming a stream"])
    topic: str = Field(description="Its topic.", examples=["streaming"])
    heading: str = Field(description="Path of headings above the passage.", examples=["After a disconnect"])
    start_line: int = Field(description="First line of the quote, from 1.", examples=[12])
    end_line: int = Field(description="Last line of the quote, included.", examples=[12])
    quote: str = Field(description="Verbatim from the indexed text.", examples=["Send Last-Event-ID."])
    revision: str = Field(description="SHA-256 of the document's bytes.", examples=["9f86d081884c7d65"])
    url: str = Field(
        description="Where to read the lines, as they were.",
        examples=["/api/kb/documents/streaming/resume.md?start_line=12&end_line=12&revision=9f86d081884c7d65"],
    )


class StepOut(Out):
    """A tool call of an answer."""

    number: int = Field(description="Order within the answer; numbers may have gaps.", examples=[2])
    name: str = Field(description="The tool.", examples=["search_kb"])
    arguments: dict[str, Any] = Field(description="As the model gave them.", examples=[{"query": "resume stream"}])
    hits: int | None = Field(description="Passages or topics it returned.", examples=[4])
    error: str | None = Field(description="What was wrong with the call.", examples=[None])
    duration_ms: float | None = Field(description="Milliseconds; null while it runs.", examples=[3.2])
    made_by: Literal["model", "service"] = Field(
        description="Who asked for it; the service does where the model answered without a search.",
        examples=["model"],
    )


class UsageOut(Out):
    """Tokens and calls."""

    prompt_tokens: int = Field(description="As the provider counted.", examples=[812])
    completion_tokens: int = Field(description="As the provider counted.", examples=[96])
    llm_calls: int = Field(description="Calls of the model.", examples=[2])


class FailureOut(Out):
    """Why a turn failed."""

    code: str = Field(description="Stable name.", examples=["provider_unreachable"])
    detail: str = Field(
        description="What to check.", examples=["no answer at LLM_BASE_URL; is the server running?"]
    )
    retryable: bool = Field(description="Whether asking again may help.", examples=[True])
    retry_after: float | None = Field(
        None, description="Seconds to wait before that, where the provider asks for it.", examples=[None]
    )


class FeedbackIn(In):
    """What its reader thinks of an answer."""

    rating: Literal["up", "down"] = Field(description="Good or bad.", examples=["up"])
    comment: Annotated[Storable, Field(max_length=2000)] | None = Field(
        None, description="Why.", examples=["exactly what I needed"]
    )


class FeedbackOut(Out):
    """What its reader thinks of an answer."""

    rating: Literal["up", "down"] = Field(description="Good or bad.", examples=["up"])
    comment: str | None = Field(description="Why.", examples=["exactly what I needed"])


class MessageOut(Out):
    """A question or an answer."""

    id: str = Field(description="Opaque id.", examples=["msg_7b21d4"])
    chat_id: str = Field(description="Its chat.", examples=["chat_0f3c9a"])
    role: Literal["user", "assistant"] = Field(description="Who speaks.", examples=["assistant"])
    status: Status = Field(description="Where it stands; the last three are final.", examples=["completed"])
    outcome: Outcome | None = Field(description="What the evidence says of the answer.", examples=["grounded"])
    content: str = Field(description="Markdown; partial while it runs.", examples=["Send Last-Event-ID. [1]"])
    citations: list[CitationOut] = Field(description="In the order of their markers.")
    citations_dropped: int = Field(description="Markers removed because nothing stood behind them.", examples=[0])
    steps: list[StepOut] = Field(description="Tool calls in order.")
    usage: UsageOut = Field(description="Tokens and calls.")
    model: str | None = Field(description="The model that answered.", examples=["built-in-reader"])
    error: FailureOut | None = Field(description="With status failed.", examples=[None])
    kb_revision: int | None = Field(description="Revision of the index it read.", examples=[3])
    supersedes: str | None = Field(description="The former answer to the same question.", examples=[None])
    superseded_by: str | None = Field(description="The newer answer to the same question.", examples=[None])
    feedback: FeedbackOut | None = Field(description="What its reader thinks of it.", examples=[None])
    created_at: str = Field(description="UTC, ISO 8601.", examples=["2026-11-22T09:30:00.000Z"])
    completed_at: str | None = Field(description="When it became final.", examples=["2026-11-22T09:30:01.000Z"])


class ChatPage(BaseModel):
    """Chats, newest first."""

    items: list[ChatOut] = Field(description="The chats.")
    next_cursor: str | None = Field(description="Cursor of the next page; null on the last.", examples=[None])
    last_event_id: str | None = Field(
        description="Open the stream of everything with it to hear what happens from now on; null at first.",
        examples=["57"],
    )


class MessagePage(BaseModel):
    """Messages of a chat."""

    items: list[MessageOut] = Field(description="The messages.")
    next_cursor: str | None = Field(description="Cursor of the next page; null on the last.", examples=[None])


class ChatExport(BaseModel):
    """A whole chat."""

    chat: ChatOut = Field(description="The chat.")
    messages: list[MessageOut] = Field(description="All of its messages, oldest first.")


class Health(BaseModel):
    """Whether the process answers."""

    status: str = Field(description="ok.", examples=["ok"])


class Readiness(BaseModel):
    """Whether the service can take questions, and why not."""

    ready: bool = Field(description="Whether to send requests here.", examples=[True])
    checks: dict[str, bool] = Field(
        description="What was looked at.",
        examples=[{"database": True, "first_scan": True, "watcher": True, "accepting": True}],
    )
    details: dict[str, str | int | None] = Field(
        description="Versions, model, state of the index.",
        examples=[{"sqlite": "3.46.1", "model": "built-in-reader", "kb_state": "ready", "documents": 28}],
    )
