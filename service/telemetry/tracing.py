"""Spans by OpenTelemetry's API and its GenAI conventions. Until a provider is set they are no-ops.

No span holds what was asked, found or answered: names, counts, durations and the codes of errors only.
"""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode

from service.telemetry.metrics import TOOLS

Attributes = Mapping[str, str | int | float | bool | tuple[str, ...]]

AGENT: Final = "kb-agent"
_TRACER: Final = trace.get_tracer("kb-agent")  # follows the provider that is set later
_NONE: Final[Span] = trace.INVALID_SPAN
_NO_FAILURES: Final = (asyncio.CancelledError, GeneratorExit)


def active() -> bool:
    """Whether a provider is set, so that spans are more than no-ops."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def current() -> Span:
    """The span that is open here; one that takes everything and keeps nothing where none is."""
    return trace.get_current_span()


class span:  # noqa: N801 - read as `with span(...)`
    """Do a block inside a span. An exception marks it with its code or kind, never with what it says.

    `visible=False` leaves the span around it the current one: for generators, whose caller runs in between.
    """

    def __init__(
        self,
        name: str,
        attributes: Attributes | None = None,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        visible: bool = True,
    ) -> None:
        on = active()
        self._span = _TRACER.start_span(name, kind=kind, attributes=dict(attributes or {})) if on else _NONE
        self._current = (
            trace.use_span(self._span, record_exception=False, set_status_on_exception=False)
            if on and visible
            else None
        )

    def __enter__(self) -> Span:
        if self._current is not None:
            self._current.__enter__()
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._current is not None:
            self._current.__exit__(None, None, None)
        if error is not None and not isinstance(error, _NO_FAILURES):
            failed(self._span, getattr(error, "code", type(error).__qualname__))
        self._span.end()


def failed(span: Span, code: str) -> None:
    """Mark a span as failed."""
    span.set_attribute("error.type", code)
    span.set_status(StatusCode.ERROR)


def turn(turn_id: str) -> span:
    """The whole of a turn, as an invocation of the agent. A turn outlives the request in whose trace it is."""
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": AGENT, "kb_agent.turn.id": turn_id}
    return span(f"invoke_agent {AGENT}", attributes)


def tool(name: str) -> span:
    """One call of a tool; a name that the model made up is not repeated."""
    name = name if name in TOOLS else "unknown"
    return span(
        f"execute_tool {name}",
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, "gen_ai.tool.type": "function"},
    )


def tool_told(span: Span, hits: int | None, *, wrong: bool) -> None:
    """Note what came of a tool call: how many passages or topics, or that the call was `wrong`."""
    if wrong:
        failed(span, "bad_call")
    elif hits is not None:
        span.set_attribute("kb_agent.tool.hits", hits)


def search() -> span:
    """One search of the knowledge base, whoever asks."""
    return span("retrieval kb", {"gen_ai.operation.name": "retrieval", "gen_ai.data_source.id": "kb"})
