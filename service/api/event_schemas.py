"""What the events carry, for the OpenAPI document: the events themselves are encoded where they are logged."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from service.api.schemas import ChatOut, FeedbackOut, MessageOut, StepOut
from service.chats.events import EventType

REFERENCE: Final = "#/components/schemas/{model}"
STREAM_ITEM: Final = {"$ref": REFERENCE.format(model="Event")}
_MessageId = Field(description="The answer.", examples=["msg_7b21d4"])


class MessageData(BaseModel):
    """A question, or an answer as it stands now."""

    message: MessageOut = Field(description="The message.")


class TurnData(BaseModel):
    """A turn that begins."""

    message_id: str = _MessageId
    model: str = Field(description="The model that will answer.", examples=["built-in-reader"])
    attempt: int = Field(description="2 when it was begun again after a restart.", examples=[1])


class StepData(BaseModel):
    """A tool call of an answer."""

    message_id: str = _MessageId
    step: StepOut = Field(description="The call.")


class DeltaData(BaseModel):
    """More text of an answer."""

    message_id: str = _MessageId
    offset: int = Field(description="Characters (Unicode code points) before it.", examples=[112])
    text: str = Field(description="The text.", examples=["Send it."])


class ResetData(BaseModel):
    """The text so far is withdrawn."""

    message_id: str = _MessageId
    reason: str = Field(description="Why.", examples=["tool_calls"])


class RatingData(BaseModel):
    """What a reader thinks of an answer."""

    message_id: str = _MessageId
    feedback: FeedbackOut = Field(description="The rating.")


class ChatData(BaseModel):
    """A chat as it stands now."""

    chat: ChatOut = Field(description="The chat.")


class ChatGone(BaseModel):
    """A chat that was deleted."""

    chat_id: str = Field(description="Its id.", examples=["chat_0f3c9a"])


class IndexData(BaseModel):
    """What a change of the folder changed in the index."""

    revision: int = Field(description="Revision of the index now.", examples=[4])
    documents: int = Field(description="How many documents changed.", examples=[1])
    added: list[str] = Field(description="New names, at most 100.", examples=[[]])
    changed: list[str] = Field(description="Names with new content, at most 100.", examples=[["streaming/sse.md"]])
    removed: list[str] = Field(description="Names that are gone, at most 100.", examples=[[]])


class ChatSnapshot(BaseModel):
    """Where to begin anew with a chat."""

    chat: ChatOut = Field(description="The chat.")
    messages: list[MessageOut] = Field(description="Its newest messages, oldest first.")


class ChatsSnapshot(BaseModel):
    """Where to begin anew with everything."""

    chats: list[ChatOut] = Field(description="The newest chats.")


class SnapshotData(BaseModel):
    """The id to resume after is not known: what to begin anew with."""

    snapshot: ChatSnapshot | ChatsSnapshot = Field(description="What is so far.")


EVENT_DATA: Final[Mapping[EventType, type[BaseModel]]] = {
    EventType.MESSAGE_CREATED: MessageData,
    EventType.TURN_STARTED: TurnData,
    EventType.STEP_STARTED: StepData,
    EventType.STEP_COMPLETED: StepData,
    EventType.ANSWER_DELTA: DeltaData,
    EventType.ANSWER_RESET: ResetData,
    EventType.ANSWER_COMPLETED: MessageData,
    EventType.TURN_FAILED: MessageData,
    EventType.TURN_CANCELLED: MessageData,
    EventType.MESSAGE_RATED: RatingData,
    EventType.CHAT_CREATED: ChatData,
    EventType.CHAT_UPDATED: ChatData,
    EventType.CHAT_DELETED: ChatGone,
    EventType.KB_UPDATED: IndexData,
    EventType.STREAM_RESET: SnapshotData,
}


def event_schemas() -> dict[str, Any]:
    """The schemas of an event, of each kind of event, and of what they carry."""
    mode: Literal["serialization"] = "serialization"
    models = [(model, mode) for model in dict.fromkeys(EVENT_DATA.values())]
    _, definitions = models_json_schema(models, ref_template=REFERENCE)
    kinds = {_name(kind): _event(kind, model) for kind, model in EVENT_DATA.items()}
    references = [{"$ref": REFERENCE.format(model=name)} for name in kinds]
    either = {"description": "An event of a stream; `event` tells which.", "oneOf": references}
    return {**definitions["$defs"], **kinds, "Event": either}


def _name(kind: EventType) -> str:
    return "".join(part.title() for part in kind.split(".")) + "Event"


def _event(kind: EventType, model: type[BaseModel]) -> dict[str, Any]:
    data = {
        "type": "string",
        "description": "One line of JSON.",
        "contentMediaType": "application/json",
        "contentSchema": {"$ref": REFERENCE.format(model=model.__name__)},
    }
    position = {"type": "string", "description": "What to resume after: opaque.", "examples": ["57.120"]}
    named = {"type": "string", "description": "The kind of event.", "const": kind.value}
    return {
        "type": "object",
        "description": f"`{kind}`: {(model.__doc__ or '').strip()}",
        "properties": {"id": position, "event": named, "data": data},
        "required": ["id", "event", "data"],
    }
