"""What OpenAI's clients send. Parameters that are not named here are ignored, as compatible servers do."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from service.agent.dialogue import Said
from service.api.schemas import WHOLE, Storable
from service.errors import InvalidInput

_TEXTS: Final = frozenset({"text", "input_text", "output_text"})
_SPEAKERS: Final[dict[str, Literal["system", "user", "assistant"]]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_FREE: Final = (None, "none", "auto")


def _free_choice(value: Any) -> Any:
    if not (value in _FREE if isinstance(value, str | None) else False):
        raise ValueError("tools of the client are not called, so none can be required; leave it out")
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, dict) and value.get("type", "text") != "text":
        raise ValueError("answers are text; only the type text can be given")
    return value


def _nothing(value: Any) -> None:
    if value is not None:
        raise ValueError("nothing is stored; leave it out and send the conversation in `input`")


_TextOnly = Annotated[dict[str, Any], Field(json_schema_extra={"properties": {"type": {"const": "text"}}})]


class ContentPart(BaseModel):
    """A part of a message."""

    type: str = Field(
        description="`text`, `input_text` or `output_text`.",
        examples=["text"],
        json_schema_extra={"enum": [*sorted(_TEXTS)]},
    )
    text: Storable | None = Field(None, description="The text.", examples=["How do I resume a stream?"])


Content = str | list[ContentPart] | None
ToolChoice = Annotated[
    Any,
    AfterValidator(_free_choice),
    Field(
        description="`none` or `auto`: tools of the client are never called.",
        examples=["auto"],
        json_schema_extra={"enum": ["none", "auto", None]},
    ),
]
Text = Annotated[Storable, Field(examples=["How do I resume a stream?"])]
Stream = Annotated[bool | None, Field(description="Send the answer as it is written.", examples=[False])]
Model = Annotated[str, Field(max_length=200, description="A model of `GET /v1/models`.", examples=["kb-agent"])]


MaxTokens = Annotated[
    Annotated[int, Field(strict=True, ge=1), WHOLE] | None,
    Field(description="Longest text of the answer in tokens; never more than LLM_MAX_TOKENS.", examples=[500]),
]


class ChatMessageIn(BaseModel):
    """A message of the conversation so far."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"] = Field(
        description="Who says it. What tools say is passed over.", examples=["user"]
    )
    content: Text | list[ContentPart] | None = Field(None, description="Text, or parts of text.")


class StreamOptions(BaseModel):
    """Options of a stream."""

    include_usage: bool | None = Field(None, description="End with a chunk that tells usage.", examples=[True])


class ChatCompletionIn(BaseModel):
    """A conversation to continue."""

    model: Model
    messages: list[ChatMessageIn] = Field(
        min_length=1, max_length=2000, description="The conversation; the last message is the question."
    )
    stream: Stream = False
    stream_options: StreamOptions | None = Field(None, description="Only with `stream`.")
    max_tokens: MaxTokens = None
    max_completion_tokens: MaxTokens = None
    n: Literal[1] | None = Field(None, description="How many answers: one.", examples=[1])
    tool_choice: ToolChoice = None
    response_format: Annotated[_TextOnly | None, AfterValidator(_plain)] = Field(
        None, description="Only text.", examples=[{"type": "text"}]
    )

    @property
    def most_tokens(self) -> int | None:
        """The longest text, by the field's new name or its old one; the smaller where both are given."""
        return min(filter(None, (self.max_tokens, self.max_completion_tokens)), default=None)


class InputItem(BaseModel):
    """An item of the conversation so far; only messages count."""

    type: str = Field(
        "message",
        description="`message`; `reasoning` is passed over.",
        examples=["message"],
        json_schema_extra={"enum": ["message", "reasoning"]},
    )
    role: Literal["system", "developer", "user", "assistant"] | None = Field(
        None, description="Who says it.", examples=["user"]
    )
    content: Text | list[ContentPart] | None = Field(None, description="Text, or parts of text.")


class ResponseText(BaseModel):
    """How the text shall be."""

    format: Annotated[_TextOnly | None, AfterValidator(_plain)] = Field(
        None, description="Only text.", examples=[{"type": "text"}]
    )


Unstored = Annotated[
    None,
    BeforeValidator(_nothing),
    Field(description="Nothing is stored: send the conversation in `input`.", examples=[None]),
]


class ResponseIn(BaseModel):
    """A question, or a conversation that ends with one."""

    model: Model
    input: Text | list[InputItem] = Field(description="A question, or the conversation that ends with it.")
    instructions: Storable | None = Field(
        None, description="What your application adds to the instructions.", examples=["Answer in one sentence."]
    )
    stream: Stream = False
    max_output_tokens: MaxTokens = None
    tool_choice: ToolChoice = None
    text: ResponseText | None = Field(None, description="How the text shall be.")
    background: Literal[False] | None = Field(None, description="Not possible.", examples=[False])
    previous_response_id: Unstored = None
    conversation: Unstored = None
    prompt: None = Field(None, description="Stored prompts are not known.", examples=[None])


def said_in_chat(body: ChatCompletionIn, most: int) -> list[Said]:
    """Read a chat's messages, of which the last is the question.

    Raises InvalidInput for what is not text, or longer than `most` characters, and where there is no question.
    """
    said = [
        Said(_SPEAKERS[message.role], _text(message.content, f"body.messages.{at}", most))
        for at, message in enumerate(body.messages)
        if message.role in _SPEAKERS
    ]
    return _asking(said, "body.messages")


def said_in_response(body: ResponseIn, most: int) -> list[Said]:
    """Read a response's input. Raises as `said_in_chat` does."""
    said = [Said("system", body.instructions)] if body.instructions else []
    if isinstance(body.input, str):
        said.append(Said("user", _text(body.input, "body.input", most)))
    for at, item in enumerate(body.input if isinstance(body.input, list) else ()):
        field = f"body.input.{at}"
        if item.type == "message":
            said.append(Said(_SPEAKERS[item.role or "user"], _text(item.content, field, most)))
        elif item.type != "reasoning":
            raise InvalidInput("only messages are taken, nothing that tools said or that is stored", field=field)
    return _asking(said, "body.input")


def _asking(said: list[Said], field: str) -> list[Said]:
    """Leave out what has no words. Raises InvalidInput `no_question` unless somebody asks last."""
    worded = [one for one in said if one.text.strip()]
    if next((one.role for one in reversed(worded) if one.role != "system"), None) != "user":
        raise InvalidInput(
            "the last message must be a question: role user, with text", field=field, code="no_question"
        )
    return worded


def _text(content: Content, field: str, most: int) -> str:
    parts = [] if content is None else [content] if isinstance(content, str) else _texts(content, field)
    text = "\n".join(parts)
    if len(text) > most:
        raise InvalidInput(
            f"a message has {len(text)} characters; it takes at most {most}",
            field=f"{field}.content",
            code="message_too_long",
        )
    return text


def _texts(parts: list[ContentPart], field: str) -> list[str]:
    for at, part in enumerate(parts):
        if part.type not in _TEXTS:
            raise InvalidInput("only text is taken: no images, sound or files", field=f"{field}.content.{at}")
    return [part.text or "" for part in parts]
