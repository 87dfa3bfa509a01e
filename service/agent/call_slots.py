"""Tool calls put together from fragments of a stream, which servers number, name and cut in ways of their own."""

import re
import uuid
from collections.abc import Sequence
from typing import Any

import jiter

from service.agent.answer_text import arguments_text
from service.agent.failures import failure
from service.agent.model import ToolCall
from service.agent.sent_json import as_index, as_mapping, as_text, whole_characters

MAX_ARGUMENTS_BYTES = 16 * 1024
MAX_CALLS = 128
_MAX_ID_CHARS = 200
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
        fragment = as_mapping(fragment)
        function = as_mapping(fragment.get("function"))
        index, call_id = as_index(fragment.get("index")), as_text(fragment.get("id"))
        name, arguments = as_text(function.get("name")).strip(), arguments_text(function.get("arguments"))
        slot = self._find(index, call_id)
        if slot is None or _starts_another(slot, name, arguments):
            slot = self._open(index)
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
        return identified([(slot.call_id, slot.name, "".join(slot.arguments)) for slot in named])

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


def identified(found: Sequence[tuple[str, str, str]]) -> tuple[ToolCall, ...]:
    """Calls of an id, a name and arguments each: with ids of their own, and names that can go back."""
    taken: set[str] = set()
    calls = []
    for wanted_id, name, arguments in found:
        usable = 0 < len(wanted_id) <= _MAX_ID_CHARS and wanted_id not in taken
        call_id = wanted_id if usable else f"call_{uuid.uuid4().hex}"
        taken.add(call_id)
        # Names outside this alphabet are refused when the history goes back to the provider.
        calls.append(ToolCall(call_id, _NOT_IN_A_NAME.sub("_", name.strip())[:64], whole_characters(arguments)))
    return tuple(calls)
