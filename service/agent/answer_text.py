"""What of a model's raw text is its answer: thinking is dropped, calls written as text are recovered.

Local models without a server-side parser write `<think>…</think>` and `<tool_call>{…}</tool_call>` as content.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

import jiter

_THINK, _THINK_END = "<think>", "</think>"
_CALL, _CALL_END = "<tool_call>", "</tool_call>"
_CALL_OPENING = re.compile(r"<tool_call>\s*(?:[{<]|\Z)")
_BARE_OPENING = re.compile(r"(?:```(?:json)?\s*)?\{\s*")
_BARE_CALL = re.compile(r"(?:```(?:json)?\s*)?(\{.*\})\s*(?:```)?\s*", re.DOTALL)
_PART_OF_FENCE = re.compile(r"`(?:`(?:`(?:j(?:s(?:on?)?)?)?\s*)?)?")
# The first key of an object that may be a call; any other first key shows at once that it is an answer.
_CALL_KEYS = ("name", "arguments", "parameters", "function", "type", "id")
_LONGEST_KEY = 16
_LONGEST_OPENING = 64
# Twice the longest arguments a call may have: what is longer is no call.
_LONGEST_HELD = 32 * 1024

WrittenCall = tuple[str, str]
"""The name and the arguments, as JSON text, of a call found in the text."""


class AnswerText:
    """Takes raw text as it streams, gives back what may be shown; at the end, the calls that were written in it.

    Held back is what may be a call: from `<tool_call>` on, and an answer that begins like the JSON object of a
    call. `tools` are the names offered. Leading white space is dropped.
    """

    def __init__(self, tools: Sequence[str]) -> None:
        self._tools = frozenset(tools)
        self._guarded = True
        self._flowed = False
        self._pending = ""
        self._step = self._begin

    def feed(self, text: str) -> str:
        """Take the next piece of raw text, return what of the answer is certain by now, maybe ''."""
        if self._flowed and not self._pending and "<" not in text and self._step == self._flow:
            return text
        self._pending += text
        visible = ""
        while self._pending:
            step = self._step
            visible += step()
            if step == self._step:
                break
        return visible

    def end(self, *, cut: bool) -> tuple[str, list[WrittenCall]]:
        """The rest of the answer and the calls found in it; of a text that was `cut` short no call is taken."""
        held, self._pending = self._pending, ""
        if self._step == self._think:
            return "", []
        if self._step != self._hold:
            return held, []
        if cut:
            return ("" if self._names_a_tool(held) else held), []
        calls = self._written_calls(held)
        if calls or (held.startswith(_CALL) and not self._flowed):
            return "", calls
        return held, []

    def _begin(self) -> str:
        text = self._pending = self._pending.lstrip()
        if text.startswith(_THINK):
            self._pending = text[len(_THINK) :]
            self._step = self._think
        elif _THINK.startswith(text):
            pass
        elif text.startswith(_CALL) or _may_be_bare_call(text):
            self._step = self._hold
        elif len(text) > _LONGEST_OPENING or not (_CALL.startswith(text) or _PART_OF_FENCE.fullmatch(text)):
            self._step = self._flow
        return ""

    def _think(self) -> str:
        _, closed, rest = self._pending.partition(_THINK_END)
        if closed:
            self._pending = rest
            self._step = self._begin
        else:
            self._pending = self._pending[1 - len(_THINK_END) :]
        return ""

    def _flow(self) -> str:
        text = self._pending
        certain = len(text)
        if self._guarded and "<" in text:
            start = text.find(_CALL)
            if start >= 0:
                certain = start
                self._step = self._hold
            elif _CALL.startswith(tail := text[text.rfind("<") :]):
                certain -= len(tail)
        self._pending = text[certain:]
        self._flowed = self._flowed or certain > 0
        return text[:certain]

    def _hold(self) -> str:
        held = self._pending
        if len(held) > _LONGEST_HELD:
            self._guarded = False
            self._step = self._flow
        elif held.startswith(_CALL):
            if not _CALL_OPENING.match(held):
                # Prose that speaks of the tag; said here, or it would be found again.
                self._pending = held[len(_CALL) :]
                self._step = self._flow
                return _CALL
        elif not _may_be_bare_call(held):
            self._step = self._flow
        return ""

    def _names_a_tool(self, held: str) -> bool:
        return held.startswith(_CALL) or any(f'"{name}"' in held for name in self._tools)

    def _written_calls(self, held: str) -> list[WrittenCall]:
        if not held.startswith(_CALL):
            bare = _BARE_CALL.fullmatch(held)
            call = _written_call(bare[1], bare=True) if bare else None
            return [call] if call is not None and call[0] in self._tools else []
        calls = []
        for block in held.split(_CALL)[1:]:
            text, _, after = block.partition(_CALL_END)
            call = _written_call(text)
            if self._flowed and (call is None or after.strip()):
                return []
            calls.append(call)
        return [call for call in calls if call is not None]


def _may_be_bare_call(text: str) -> bool:
    """Whether `text` opens a JSON object, maybe fenced, whose first key, as far as it is there, is a call's."""
    opening = _BARE_OPENING.match(text)
    if opening is None:
        return False
    inside = text[opening.end() : opening.end() + _LONGEST_KEY]
    if not inside:
        return True
    if not inside.startswith('"'):
        return False
    key, closed, _ = inside[1:].partition('"')
    return key in _CALL_KEYS if closed else any(known.startswith(key) for known in _CALL_KEYS)


def _written_call(text: str, *, bare: bool = False) -> WrittenCall | None:
    """The call in a JSON object; a `bare` one must have arguments, or any object with a name would be a call."""
    try:
        value: Any = jiter.from_json(text.strip().encode())
    except ValueError:
        return None
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        value = value["function"]
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or not value["name"]:
        return None
    arguments = value.get("arguments", value.get("parameters"))
    if arguments is None and bare:
        return None
    return value["name"], arguments_text(arguments)


def arguments_text(arguments: object) -> str:
    """Arguments as JSON text: text stays as it is, an object is written out, nothing is no text."""
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else json.dumps(arguments, ensure_ascii=False)
