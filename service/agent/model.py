"""The one protocol `ChatModel` and the values that cross it; implemented by `llm.py` and `reader.py`."""

import json
import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "tool_calls", "length", "content_filter"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model asked for. `arguments` is JSON text as the model wrote it, valid or not."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of the transcript. `calls` only with role assistant, `call_id` only with role tool."""

    role: Role
    content: str
    calls: tuple[ToolCall, ...] = ()
    call_id: str | None = None

    def wire(self) -> dict[str, Any]:
        """The message as the chat-completions API takes it.

        Content is never null (Ollama refuses it) and arguments are always a JSON object (llama.cpp answers
        500 otherwise).
        """
        wire: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.calls:
            wire["tool_calls"] = [
                {
                    "id": c.id,
                    "type": "function",
                    "function": {"name": c.name, "arguments": _object(c.arguments)},
                }
                for c in self.calls
            ]
        if self.call_id is not None:
            wire["tool_call_id"] = self.call_id
        return wire

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> "Message":
        """The inverse of `wire`."""
        calls = tuple(
            ToolCall(c["id"], c["function"]["name"], c["function"]["arguments"])
            for c in wire.get("tool_calls", ())
        )
        return cls(wire["role"], wire["content"], calls, wire.get("tool_call_id"))


@dataclass(frozen=True, slots=True, eq=False)
class Tool:
    """What a model is told of a tool: `parameters` is a closed JSON schema. Each is like none but itself."""

    name: str
    description: str
    parameters: Mapping[str, Any]

    def wire(self) -> dict[str, Any]:
        """The tool as the chat-completions API takes it."""
        function = {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}
        return {"type": "function", "function": function}


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them, 0 where it did not tell."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TextPiece:
    """A piece of the answer's text, never empty, as it arrives; `model` names who speaks, '' the usual one."""

    text: str
    model: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The end of one model call: all of its text, its tool calls and how it ended."""

    content: str
    calls: tuple[ToolCall, ...]
    finish_reason: FinishReason
    usage: Usage
    model: str


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked: to continue `messages`. With no `tools` it must answer in text.

    `max_tokens` bounds what it says, beside its own bound; after `ends`, by `time.monotonic`, nobody waits for it.
    """

    messages: Sequence[Message]
    tools: tuple[Tool, ...] = ()
    max_tokens: int | None = None
    ends: float = math.inf


class ChatModel(Protocol):
    """Something that continues a conversation and may ask for tools."""

    @property
    def name(self) -> str:
        """The model's name as people know it."""
        ...

    def stream(self, request: Request) -> AsyncGenerator[TextPiece | Reply]:
        """Answer: text pieces as they come, then exactly one `Reply`.

        Closing the generator ends the call upstream. Raises ModelError, after which nothing more comes.
        """
        ...


def _object(arguments: str) -> str:
    try:
        parsed = json.loads(arguments)
    except (ValueError, RecursionError):  # nested too deeply
        return "{}"
    return json.dumps(parsed, ensure_ascii=False) if isinstance(parsed, dict) else "{}"
