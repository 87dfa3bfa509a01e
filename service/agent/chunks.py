"""From the bytes of a chat-completions stream to pieces of text and one Reply, whichever server sent them.

Written for what OpenAI, OpenRouter, Ollama, vLLM, llama.cpp and llama-cpp-python really send, which differs.
"""

import json
import re
import uuid
from collections.abc import Sequence
from typing import Any

import jiter

from service.agent.answer_text import AnswerText, arguments_text
from service.agent.failures import failure, from_error_object
from service.agent.model import FinishReason, Reply, ToolCall, Usage

MAX_ANSWER_BYTES = 64 * 1024
MAX_ARGUMENTS_BYTES = 16 * 1024
MAX_RAW_CHARS = 1024 * 1024
MAX_CALLS = 128
# Above it a count of tokens is a server's mistake.
_MAX_TOKENS = 100_000_000

_FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
    "safety": "content_filter",
}
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_-]")


class _Slot:
    """A tool call while its fragments arrive."""

    __slots__ = ("arguments", "call_id", "index", "name", "size")

    def __init__(self, index: int | None) -> None:
        self.index = index
        self.call_id = ""
        self.name = ""
        self.arguments: list[str] = []
        self.size = 0

    def complete(self) -> bool:
        if not self.arguments or not self.arguments[-1].rstrip().endswith("}"):
            return False
        try:
            jiter.from_json("".join(self.arguments).encode())
        except ValueError:
            return False
        return True


class CallSlots:
    """Puts the fragments of tool calls together.

    Servers repeat ids and names, leave out ids or indexes, number from 1, or give every whole call index 0. A
    fragment belongs to the newest call that its index and id do not contradict; another name, or more arguments
    for a call that has all of its own, starts a new one.
    """

    def __init__(self) -> None:
        self._slots: list[_Slot] = []

    def add(self, fragment: Any) -> bool:
        """Take one entry of `delta.tool_calls`; whether it brought anything. Raises ModelError past the limits."""
        fragment = _mapping(fragment)
        function = _mapping(fragment.get("function"))
        index, call_id = fragment.get("index"), _text(fragment.get("id"))
        name, arguments = _text(function.get("name")), arguments_text(function.get("arguments"))
        slot = self._find(index if isinstance(index, int) else None, call_id)
        if slot is None or _starts_another(slot, name, arguments):
            slot = self._open(index if isinstance(index, int) else None)
        slot.call_id = slot.call_id or call_id
        slot.name = slot.name or name
        slot.arguments.append(arguments)
        slot.size += len(arguments.encode())
        if slot.size > MAX_ARGUMENTS_BYTES:
            raise failure("answer_too_long")
        return bool(name or arguments)

    def calls(self) -> tuple[ToolCall, ...]:
        """The calls in the order they began, each with an id of its own; those without a name are left out."""
        named = [slot for slot in self._slots if slot.name]
        return _identified([(slot.call_id, slot.name, "".join(slot.arguments)) for slot in named])

    def _find(self, index: int | None, call_id: str) -> _Slot | None:
        for slot in reversed(self._slots):
            if index is not None and slot.index is not None and slot.index != index:
                continue
            if not call_id or not slot.call_id or slot.call_id == call_id:
                return slot
        return None

    def _open(self, index: int | None) -> _Slot:
        if len(self._slots) == MAX_CALLS:
            raise failure("answer_too_long")
        slot = _Slot(index)
        self._slots.append(slot)
        return slot


def _starts_another(slot: _Slot, name: str, arguments: str) -> bool:
    if not (name and slot.name):
        return False
    return name != slot.name or (not arguments.isspace() and arguments != "" and slot.complete())


def _identified(found: Sequence[tuple[str, str, str]]) -> tuple[ToolCall, ...]:
    taken: set[str] = set()
    calls = []
    for wanted_id, name, arguments in found:
        call_id = wanted_id if wanted_id and wanted_id not in taken else f"call_{uuid.uuid4().hex}"
        taken.add(call_id)
        # Names outside this alphabet are refused when the history goes back to the provider.
        calls.append(ToolCall(call_id, _NOT_IN_A_NAME.sub("_", name.strip())[:64], _whole_characters(arguments)))
    return tuple(calls)


class ReplyBuilder:
    """Takes chunks, gives the text that may be shown, and at the end the Reply.

    `tools` are the names offered with the request; without any, calls are dropped. `unnamed_error` is the code
    of an error object that has none of its own.
    """

    def __init__(self, model: str, tools: Sequence[str], unnamed_error: str = "provider_error") -> None:
        self._model = model
        self._unnamed_error = unnamed_error
        self._offered = bool(tools)
        self._answer = AnswerText(tools)
        self._content: list[str] = []
        self._answer_bytes = 0
        self._raw_chars = 0
        self._slots = CallSlots()
        self._finish: FinishReason | None = None
        self._usage = Usage()
        self._counted = False
        self._chunks = 0
        self.progress = 0
        """How many chunks brought text, thinking or a part of a call: the rest does not count as life."""
        self.done = False
        """Whether the closing `[DONE]` has come."""

    @property
    def ended(self) -> bool:
        """Whether a finish reason or `[DONE]` has come; after it only usage may follow."""
        return self.done or self._finish is not None

    @property
    def settled(self) -> bool:
        """Whether usage has come too, so that nothing is worth waiting for."""
        return self.done or (self._finish is not None and self._counted)

    def add(self, payload: bytes) -> str:
        """Take one event's data, return the text that can be shown now, maybe ''.

        Raises ModelError for an error object, for what is no JSON object, and past the size limits.
        """
        if self.done or payload.lstrip().startswith(b"[DONE]"):
            self.done = True
            return ""
        chunk = _parsed(payload)
        if not isinstance(chunk, dict):
            raise failure("provider_protocol_error")
        return self._take(chunk)

    def _take(self, chunk: dict[str, Any]) -> str:
        if chunk.get("error"):
            raise from_error_object(chunk["error"], self._unnamed_error)
        if chunk.get("usage"):
            self._usage = _usage(chunk["usage"])
            self._counted = True
        model = chunk.get("model")
        if isinstance(model, str) and model:
            self._model = model[:200]
        choices = chunk.get("choices")
        self._chunks += isinstance(choices, list)
        if not isinstance(choices, list) or not choices:
            return ""
        choice = _mapping(choices[0])
        # A server that ignores `stream` sends a whole message.
        text = self._delta(_mapping(choice.get("delta") or choice.get("message")))
        reason = choice.get("finish_reason")
        if reason == "error":
            raise failure("provider_error")
        if self._finish is None and isinstance(reason, str) and reason:
            self._finish = _FINISH_REASONS.get(reason.lower(), "stop")
        return text

    def end(self) -> tuple[str, Reply]:
        """At the body's end: the text still held back, and the Reply.

        Raises ModelError incomplete_response without a finish reason, empty_answer without text and calls. Cut
        replies (length, content_filter) may be empty and have no calls: theirs may lack arguments.
        """
        if self._finish is None:
            note = "" if self._chunks else "it held no chunk of a chat completion"
            raise failure("incomplete_response", note)
        cut = self._finish in {"length", "content_filter"}
        rest, written = self._answer.end(cut=cut)
        self._show(rest)
        content = "".join(self._content)
        calls = (
            ()
            if cut or not self._offered
            else self._slots.calls() or _identified([("", *call) for call in written])
        )
        if cut:
            return rest, Reply(content, (), self._finish, self._usage, self._model)
        if not content and not calls:
            raise failure("empty_answer")
        return rest, Reply(content, calls, "tool_calls" if calls else "stop", self._usage, self._model)

    def _delta(self, delta: dict[str, Any]) -> str:
        content = delta.get("content")
        text = content if isinstance(content, str) else _joined_parts(content) or _text(delta.get("refusal"))
        thinking = _text(delta.get("reasoning_content")) or _text(delta.get("reasoning"))
        self._raw_chars += len(text) + len(thinking)
        if self._raw_chars > MAX_RAW_CHARS:
            raise failure("answer_too_long")
        alive = bool(text or thinking)
        fragments = delta.get("tool_calls")
        for fragment in fragments if isinstance(fragments, list) else ():
            alive = self._slots.add(fragment) or alive
        self.progress += alive
        return self._show(self._answer.feed(text)) if text else ""

    def _show(self, text: str) -> str:
        if text:
            self._content.append(text)
            self._answer_bytes += len(text.encode())
            if self._answer_bytes > MAX_ANSWER_BYTES:
                raise failure("answer_too_long")
        return text


def _parsed(payload: bytes) -> object:
    try:
        return jiter.from_json(payload, cache_mode="keys")
    except ValueError:
        # jiter takes no half of a surrogate pair; servers that cut text by UTF-16 units send them.
        pass
    try:
        return jiter.from_json(_whole_characters(payload.decode()).encode())
    except ValueError:
        raise failure("provider_protocol_error") from None


def _whole_characters(text: str) -> str:
    """JSON text without halves of surrogate pairs, which cannot be stored or sent; what is no JSON stays."""
    if not _SURROGATE.search(text):
        return text
    try:
        plain = json.dumps(json.loads(text), ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _joined_parts(content: object) -> str:
    if not isinstance(content, list):
        return ""
    return "".join(_text(_mapping(part).get("text")) for part in content)


def _usage(value: object) -> Usage:
    counts = _mapping(value)
    return Usage(_count(counts.get("prompt_tokens")), _count(counts.get("completion_tokens")))


def _count(value: object) -> int:
    """A count of tokens; what cannot be one is 0, as if it was not told."""
    return value if isinstance(value, int) and 0 <= value <= _MAX_TOKENS else 0
