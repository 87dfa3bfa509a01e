"""Whose work is being done: the ids that logs, exemplars and traces share, so that one leads to the others."""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final

from opentelemetry import trace

REQUEST_ID: Final[ContextVar[str]] = ContextVar("request_id", default="")
TURN_ID: Final[ContextVar[str]] = ContextVar("turn_id", default="")
CALLER: Final[ContextVar[str]] = ContextVar("caller", default="")
"""The name of the key that the request came with, never the key."""

_EXEMPLAR_CHARS: Final = 128  # OpenMetrics' limit for names and values together


def ids() -> Mapping[str, str]:
    """What is known of request, turn, caller and trace, by the names that the log uses."""
    found = {"request_id": REQUEST_ID.get(), "turn_id": TURN_ID.get(), "caller": CALLER.get()}
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        found["trace_id"] = trace.format_trace_id(context.trace_id)
    return {name: value for name, value in found.items() if value}


def exemplar() -> dict[str, str] | None:
    """The ids that lead from a measured value to its trace, turn and request, as far as an exemplar has room."""
    context = trace.get_current_span().get_span_context()
    traced = trace.format_trace_id(context.trace_id) if context.trace_flags.sampled else ""
    kept, room = {}, _EXEMPLAR_CHARS
    for name, value in (("trace_id", traced), ("turn_id", TURN_ID.get()), ("request_id", REQUEST_ID.get())):
        if value and len(name) + len(value) <= room:
            kept[name] = value
            room -= len(name) + len(value)
    return kept or None
