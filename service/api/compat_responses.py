"""An answer as a response of OpenAI's Responses API: whole, or as its events."""

import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from typing import Any, Literal

from pydantic import BaseModel, Field

from service.agent.shown import Piece, Placed
from service.agent.unstored import Answered
from service.api.compat_answers import AboutOut, FileCitationOut, about, data_line, file_citation
from service.api.compat_errors import failure_error
from service.api.sse import COMMENT
from service.chats.records import new_id
from service.errors import KbAgentError

State = Literal["in_progress", "completed", "incomplete", "failed"]
_PLACE = {"output_index": 0, "content_index": 0}


class TextAnnotationOut(FileCitationOut):
    """A citation and where its marker stands in the text."""

    type: Literal["file_citation"] = Field(description="Always `file_citation`.", examples=["file_citation"])
    index: int = Field(description="Where its marker begins, in characters.", examples=[20])


class OutputTextOut(BaseModel):
    """The answer's text."""

    type: Literal["output_text"] = Field(description="Always `output_text`.", examples=["output_text"])
    text: str = Field(description="The text, with markers.", examples=["Send Last-Event-ID. [1]"])
    annotations: list[TextAnnotationOut] = Field(description="The citations, in the order of their markers.")
    logprobs: list[None] = Field(description="Always empty.", examples=[[]])


class OutputItemOut(BaseModel):
    """The answer."""

    type: Literal["message"] = Field(description="Always `message`.", examples=["message"])
    id: str = Field(description="Opaque id.", examples=["msg_7b21d4"])
    role: Literal["assistant"] = Field(description="Always `assistant`.", examples=["assistant"])
    status: State = Field(description="As the response's.", examples=["completed"])
    content: list[OutputTextOut] = Field(description="One text.")


class ResponseUsageOut(BaseModel):
    """Tokens of all model calls of the answer, as the provider counted them."""

    input_tokens: int = Field(description="Tokens sent.", examples=[1800])
    input_tokens_details: dict[str, int] = Field(description="Not known: zero.", examples=[{"cached_tokens": 0}])
    output_tokens: int = Field(description="Tokens received.", examples=[60])
    output_tokens_details: dict[str, int] = Field(
        description="Not known: zero.", examples=[{"reasoning_tokens": 0}]
    )
    total_tokens: int = Field(description="Both.", examples=[1860])


class ResponseErrorOut(BaseModel):
    """Why there is no answer."""

    code: str = Field(description="Stable name.", examples=["provider_unreachable"])
    message: str = Field(description="What to check.", examples=["the model endpoint cannot be reached"])


class ResponseOut(BaseModel):
    """A response."""

    id: str = Field(description="Opaque id; nothing is stored under it.", examples=["resp_5f0e"])
    object: Literal["response"] = Field("response", description="Always `response`.", examples=["response"])
    created_at: int = Field(description="When it was asked, in seconds.", examples=[1795340000])
    status: State = Field(description="`incomplete`: the answer was cut.", examples=["completed"])
    error: ResponseErrorOut | None = Field(None, description="With the status `failed`.", examples=[None])
    incomplete_details: dict[str, str] | None = Field(
        None, description="With the status `incomplete`.", examples=[{"reason": "max_output_tokens"}]
    )
    instructions: None = Field(None, description="Not repeated.", examples=[None])
    metadata: dict[str, str] = Field(default_factory=dict, description="Always empty.", examples=[{}])
    model: str = Field(description="The model, as it was asked for.", examples=["kb-agent"])
    output: list[OutputItemOut] = Field(description="One message.")
    parallel_tool_calls: bool = Field(default=False, description="Always false.", examples=[False])
    previous_response_id: None = Field(None, description="Always null.", examples=[None])
    store: bool = Field(default=False, description="Nothing is stored.", examples=[False])
    tool_choice: Literal["none"] = Field("none", description="Always `none`.", examples=["none"])
    tools: list[None] = Field(default_factory=list, description="Always empty.", examples=[[]])
    temperature: None = Field(None, description="The service's own.", examples=[None])
    top_p: None = Field(None, description="The service's own.", examples=[None])
    truncation: Literal["auto"] = Field("auto", description="Older messages go first.", examples=["auto"])
    usage: ResponseUsageOut | None = Field(None, description="Tokens.")
    kb_agent: AboutOut | None = Field(None, description="What is behind the answer.")


class ResponseReply:
    """One answer on its way to a client of the Responses API."""

    def __init__(self, model: str) -> None:
        self._id = new_id("resp")
        self._item_id = new_id("msg")
        self._model = model
        self._created = int(time.time())
        self._number = 0
        self._cited = 0

    def whole(self, answer: Answered) -> ResponseOut:
        """The finished answer."""
        sent, received = answer.usage.prompt_tokens, answer.usage.completion_tokens
        usage = ResponseUsageOut(
            input_tokens=sent,
            input_tokens_details={"cached_tokens": 0, "cache_write_tokens": 0},
            output_tokens=received,
            output_tokens_details={"reasoning_tokens": 0},
            total_tokens=sent + received,
        )
        item = OutputItemOut.model_validate(self._item(_state(answer), [_part(answer.text, answer.citations)]))
        return self._response(
            _state(answer),
            output=[item],
            usage=usage,
            kb_agent=about(answer),
            incomplete_details={"reason": "max_output_tokens"} if answer.truncated else None,
        )

    async def frames(self, pieces: AsyncGenerator[Piece | Answered | None]) -> AsyncGenerator[bytes]:
        """The answer as it comes, in the events of OpenAI's streams; `response.failed` where it fails."""
        for frame in self._begin():
            yield frame
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    for frame in self._told(piece):
                        yield frame
        except KbAgentError as error:
            told = failure_error(error)["error"]
            why = ResponseErrorOut(code=told["code"], message=told["message"])
            yield self._whole_event("response.failed", self._response("failed", error=why))

    def _begin(self) -> Iterator[bytes]:
        started = self._response("in_progress")
        yield self._whole_event("response.created", started)
        yield self._whole_event("response.in_progress", started)
        yield self._event("response.output_item.added", output_index=0, item=self._item("in_progress", []))
        yield self._text_event("response.content_part.added", part=_part("", ()))

    def _told(self, piece: Piece | Answered | None) -> Iterator[bytes]:
        match piece:
            case None:
                yield COMMENT
            case Answered():
                yield from self._end(piece)
            case Piece(text, citations):
                if text:
                    yield self._text_event("response.output_text.delta", delta=text, logprobs=[])
                for placed in citations:
                    yield self._text_event(
                        "response.output_text.annotation.added",
                        annotation_index=self._cited,
                        annotation=_annotation(placed),
                    )
                    self._cited += 1

    def _end(self, answer: Answered) -> Iterator[bytes]:
        state, part = _state(answer), _part(answer.text, answer.citations)
        yield self._text_event("response.output_text.done", text=answer.text, logprobs=[])
        yield self._text_event("response.content_part.done", part=part)
        yield self._event("response.output_item.done", output_index=0, item=self._item(state, [part]))
        yield self._whole_event(f"response.{state}", self.whole(answer))

    def _text_event(self, kind: str, **fields: Any) -> bytes:
        return self._event(kind, item_id=self._item_id, **_PLACE, **fields)

    def _whole_event(self, kind: str, response: ResponseOut) -> bytes:
        return self._event(kind, response=response.model_dump(mode="json"))

    def _event(self, kind: str, **fields: Any) -> bytes:
        number, self._number = self._number, self._number + 1
        return data_line({"type": kind, "sequence_number": number, **fields}, kind)

    def _item(self, state: State, content: list[dict[str, Any]]) -> dict[str, Any]:
        fields = {"type": "message", "id": self._item_id, "role": "assistant", "status": state}
        return {**fields, "content": content}

    def _response(self, state: State, **fields: Any) -> ResponseOut:
        given = {"output": [], **fields}
        return ResponseOut(id=self._id, created_at=self._created, status=state, model=self._model, **given)


def _part(text: str, citations: Sequence[Placed]) -> dict[str, Any]:
    annotations = [_annotation(placed) for placed in citations]
    return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}


def _annotation(placed: Placed) -> dict[str, Any]:
    return {"type": "file_citation", "index": placed.start, **file_citation(placed)}


def _state(answer: Answered) -> State:
    return "incomplete" if answer.truncated else "completed"
