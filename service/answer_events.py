"""The events of an answer as a client of its stream gets them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_ENDS: Final = {"completed": "answer.completed", "failed": "turn.failed", "cancelled": "turn.cancelled"}
LAST: Final = frozenset(_ENDS.values())


@dataclass(frozen=True, slots=True)
class Received:
    """An event of a stream."""

    id: str
    type: str
    data: dict[str, Any]


def answer_id_of(event: Received) -> str:
    """The answer that an event is about, '' when it is about none."""
    message = event.data.get("message", {})
    return str(event.data.get("message_id") or (message["id"] if message.get("role") == "assistant" else ""))


def begun_anew(reset: Received, answer_id: str) -> Iterator[Received]:
    """What a `stream.reset` says of an answer, as its own events: the text is withdrawn, and it may have ended."""
    yield Received(
        reset.id, "answer.reset", {"message_id": answer_id, "reason": "the connection was lost for long"}
    )
    for message in reset.data["snapshot"]["messages"]:
        if message["id"] == answer_id and message["status"] in _ENDS:
            text = {"message_id": answer_id, "offset": 0, "text": message["content"]}
            yield Received(reset.id, "answer.delta", text)
            yield Received(reset.id, _ENDS[message["status"]], {"message": message})
