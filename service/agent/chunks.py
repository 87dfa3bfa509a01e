"""From the bytes of a chat-completions stream to pieces of text and one Reply, whichever server sent them.

Written for what OpenAI, OpenRouter, Ollama, vLLM, llama.cpp and llama-cpp-python really send, which differs.
"""

from collections.abc import Sequence
from typing import Any

import jiter

from service.agent.answer_text import AnswerText
from service.agent.call_slots import CallSlots, identified
from service.agent.failures import failure, from_error_object
from service.agent.model import FinishReason, Reply, Usage
from service.agent.sent_json import as_count, as_index, as_mapping, as_text, whole_characters

MAX_ANSWER_BYTES = 64 * 1024
MAX_RAW_CHARS = 1024 * 1024

_FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
    "safety": "content_filter",
}


class ReplyBuilder:
    """Takes chunks, gives the text that may be shown, and at the end the Reply.

    `tools` are the names offered with the request; without any, calls are dropped, also those of `withdrawn` ones
    that are written as text. `unnamed_error` is the code of an error object that has none of its own.
    """

    def __init__(
        self,
        model: str,
        tools: Sequence[str],
        withdrawn: Sequence[str] = (),
        *,
        unnamed_error: str = "provider_error",
    ) -> None:
        self._model = model
        self._unnamed_error = unnamed_error
        self._offered = bool(tools)
        self._answer = AnswerText([*tools, *withdrawn])
        self._content: list[str] = []
        self._answer_bytes = 0
        self._raw_chars = 0
        self._slots = CallSlots()
        self._finish: FinishReason | None = None
        self._usage = Usage()
        self._counted = False
        self._choice: int | None = None
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
        if self.done or (payload[:1] != b"{" and payload.lstrip().startswith(b"[DONE]")):
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
        if model and model != self._model and isinstance(model, str):
            self._model = model[:200]
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            return ""
        self._chunks += 1
        choice = self._chosen(choices)
        # A server that ignores `stream` sends a whole message.
        delta = choice.get("delta") or choice.get("message")
        text = self._delta(delta) if isinstance(delta, dict) else ""
        if reason := choice.get("finish_reason"):
            self._finished(reason)
        return text

    def _finished(self, reason: object) -> None:
        if reason == "error":
            raise failure("provider_error")
        if self._finish is None and isinstance(reason, str):
            self._finish = _FINISH_REASONS.get(reason.lower(), "stop")

    def _chosen(self, choices: Sequence[object]) -> dict[str, Any]:
        """The one choice that was asked for: of several the one that spoke first."""
        for sent in choices:
            choice = as_mapping(sent)
            index = choice.get("index")
            if index is not None and (index is not self._choice):
                index = as_index(index)
            if self._choice is None:
                self._choice = index
            if index is None or index == self._choice:
                return choice
        return {}

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
            else self._slots.calls() or identified([("", *call) for call in written])
        )
        if cut:
            return rest, Reply(content, (), self._finish, self._usage, self._model)
        if not content and not calls:
            raise failure("empty_answer")
        return rest, Reply(content, calls, "tool_calls" if calls else "stop", self._usage, self._model)

    def _delta(self, delta: dict[str, Any]) -> str:
        content = delta.get("content")
        text = content if isinstance(content, str) else _joined_parts(content) or as_text(delta.get("refusal"))
        thinking = as_text(delta.get("reasoning_content")) or as_text(delta.get("reasoning"))
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
            self._answer_bytes += len(text) if text.isascii() else len(text.encode())
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
        return jiter.from_json(whole_characters(payload.decode()).encode())
    except ValueError:
        raise failure("provider_protocol_error") from None


def _joined_parts(content: object) -> str:
    if not isinstance(content, list):
        return ""
    return "".join(as_text(as_mapping(part).get("text")) for part in content)


def _usage(value: object) -> Usage:
    counts = as_mapping(value)
    return Usage(as_count(counts.get("prompt_tokens")), as_count(counts.get("completion_tokens")))
