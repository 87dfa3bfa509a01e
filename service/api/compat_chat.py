"""An answer as a chat completion: whole, or in chunks."""

import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from service.agent.shown import Piece, Placed
from service.agent.unstored import Answered
from service.api.compat_answers import AboutOut, FileCitationOut, about, data_line, file_citation
from service.api.compat_errors import failure_error
from service.api.sse import COMMENT
from service.chats.records import new_id
from service.errors import KbAgentError

_DONE: Final = b"data: [DONE]\n\n"


class AnnotationOut(BaseModel):
    """A citation and where its marker stands in the content."""

    type: Literal["file_citation"] = Field(description="Always `file_citation`.", examples=["file_citation"])
    index: int = Field(description="Its place in the list.", examples=[0])
    start_index: int = Field(description="Where its marker begins, in characters.", examples=[20])
    end_index: int = Field(description="Where its marker ends.", examples=[23])
    file_citation: FileCitationOut = Field(description="The citation.")


class AnswerMessageOut(BaseModel):
    """The answer."""

    role: Literal["assistant"] = Field("assistant", description="Always `assistant`.", examples=["assistant"])
    content: str = Field(description="The text, with markers.", examples=["Send Last-Event-ID. [1]"])
    refusal: None = Field(None, description="Always null.", examples=[None])
    annotations: list[AnnotationOut] = Field(description="The citations, in the order of their markers.")


class ChoiceOut(BaseModel):
    """The one answer."""

    index: int = Field(0, description="Always 0.", examples=[0])
    message: AnswerMessageOut = Field(description="The answer.")
    finish_reason: Literal["stop", "length"] = Field(
        description="`length`: the answer was cut.", examples=["stop"]
    )
    logprobs: None = Field(None, description="Always null.", examples=[None])


class ChatUsageOut(BaseModel):
    """Tokens of all model calls of the answer, as the provider counted them."""

    prompt_tokens: int = Field(description="Tokens sent.", examples=[1800])
    completion_tokens: int = Field(description="Tokens received.", examples=[60])
    total_tokens: int = Field(description="Both.", examples=[1860])


class ChatCompletionOut(BaseModel):
    """A chat completion."""

    id: str = Field(description="Opaque id; nothing is stored under it.", examples=["chatcmpl_5f0e"])
    object: Literal["chat.completion"] = Field(
        "chat.completion", description="Always `chat.completion`.", examples=["chat.completion"]
    )
    created: int = Field(description="When it was asked, in seconds.", examples=[1795340000])
    model: str = Field(description="The model, as it was asked for.", examples=["kb-agent"])
    choices: list[ChoiceOut] = Field(description="One answer.")
    usage: ChatUsageOut = Field(description="Tokens.")
    kb_agent: AboutOut = Field(description="What is behind the answer.")


class ChatReply:
    """One answer on its way to a client of chat completions."""

    def __init__(self, model: str) -> None:
        self._id = new_id("chatcmpl")
        self._model = model
        self._created = int(time.time())
        self._cited = 0

    def whole(self, answer: Answered) -> ChatCompletionOut:
        """The finished answer."""
        message = AnswerMessageOut.model_validate(
            {"content": answer.text, "annotations": self._annotations(answer.citations)}
        )
        return ChatCompletionOut(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=[ChoiceOut(message=message, finish_reason=_reason(answer))],
            usage=ChatUsageOut.model_validate(_usage(answer)),
            kb_agent=about(answer),
        )

    async def frames(
        self, pieces: AsyncGenerator[Piece | Answered | None], *, usage: bool
    ) -> AsyncGenerator[bytes]:
        """The answer as it comes: chunks, with `usage` one that tells it, [DONE]; or an error where it fails."""
        yield self._chunk({"role": "assistant", "content": ""}, usage=usage)
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    if isinstance(piece, Answered):
                        for frame in self._end(piece, usage=usage):
                            yield frame
                    else:
                        yield COMMENT if piece is None else self._delta(piece, usage=usage)
        except KbAgentError as error:
            yield data_line(failure_error(error))

    def _delta(self, piece: Piece, *, usage: bool) -> bytes:
        delta: dict[str, Any] = {"content": piece.text}
        if piece.citations:
            delta["annotations"] = self._annotations(piece.citations)
        return self._chunk(delta, usage=usage)

    def _end(self, answer: Answered, *, usage: bool) -> Iterator[bytes]:
        yield self._chunk({}, _reason(answer), usage=usage, kb_agent=about(answer).model_dump(mode="json"))
        if usage:
            yield data_line(self._head() | {"choices": [], "usage": _usage(answer)})
        yield _DONE

    def _annotations(self, citations: Sequence[Placed]) -> list[dict[str, Any]]:
        first, self._cited = self._cited, self._cited + len(citations)
        return [
            {
                "type": "file_citation",
                "index": index,
                "start_index": placed.start,
                "end_index": placed.end,
                "file_citation": file_citation(placed),
            }
            for index, placed in enumerate(citations, first)
        ]

    def _chunk(self, delta: dict[str, Any], reason: str | None = None, *, usage: bool, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        nothing = {"usage": None} if usage else {}
        return data_line(self._head() | {"choices": [choice]} | nothing | more)

    def _head(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
        }


def _usage(answer: Answered) -> dict[str, int]:
    sent, received = answer.usage.prompt_tokens, answer.usage.completion_tokens
    return {"prompt_tokens": sent, "completion_tokens": received, "total_tokens": sent + received}


def _reason(answer: Answered) -> Literal["stop", "length"]:
    return "length" if answer.truncated else "stop"
