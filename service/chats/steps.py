"""The steps of a turn: as they come to the store, as rows, and as a later attempt finds them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.chats.records import Step


@dataclass(frozen=True, slots=True)
class Done:
    """A step that an earlier attempt finished: its transcript message, and the passages it returned, as JSON.

    `name` is that of the tool, None for a reply of the model; `error` why the call failed.
    """

    wire: Mapping[str, Any]
    sources: str
    name: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A model's reply that asked for tools: its place among the steps and its transcript message."""

    number: int
    wire: Mapping[str, Any]
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Started:
    """A tool call that begins; the first of a reply comes with the reply that `asked` for it."""

    step: Step
    asked: Asked | None = None


def step_row(
    turn_id: str, number: int, kind: str, wire: Mapping[str, Any], duration_ms: float
) -> dict[str, str | int | float | None]:
    """Give a row of `steps`, of a model's reply unless more is filled in."""
    return {
        "turn_id": turn_id,
        "number": number,
        "kind": kind,
        "wire": json.dumps(wire, ensure_ascii=False),
        "sources": "[]",
        "made_by": "model",
        "name": None,
        "arguments": None,
        "hits": None,
        "error": None,
        "duration_ms": duration_ms,
    }
