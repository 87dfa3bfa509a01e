"""A `ChatModel` whose calls are spans; put around a model only where traces are wanted."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind

from service.agent.model import ChatModel, Reply, Request, TextPiece
from service.telemetry import tracing


class TracedModel:
    """`model` with a span for each call; `provider` is whose dialect it speaks, `address` where its server is."""

    def __init__(self, model: ChatModel, provider: str, address: str = "", port: int | None = None) -> None:
        self._model = model
        self.name = model.name
        self._attributes: dict[str, str | int] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model.name,
            "gen_ai.request.stream": True,
        }
        if address:
            self._attributes["server.address"] = address
        if port is not None:
            self._attributes["server.port"] = port

    async def stream(self, request: Request) -> AsyncGenerator[TextPiece | Reply]:
        """See `ChatModel.stream`."""
        began = time.monotonic()
        call = tracing.span(f"chat {self.name}", self._attributes, kind=SpanKind.CLIENT, visible=False)
        with call as span:
            async with aclosing(self._model.stream(request)) as pieces:
                first = True
                while (piece := await _next(pieces, span)) is not None:
                    if first:
                        span.set_attribute("gen_ai.response.time_to_first_chunk", time.monotonic() - began)
                        first = False
                    if isinstance(piece, Reply):
                        span.set_attributes(_told(piece))
                    yield piece


async def _next(pieces: AsyncGenerator[TextPiece | Reply], span: Span) -> TextPiece | Reply | None:
    """The next piece; only while the model is asked for it is its span the current one."""
    with trace.use_span(span, record_exception=False, set_status_on_exception=False):
        return await anext(pieces, None)


def _told(reply: Reply) -> dict[str, str | int | tuple[str, ...]]:
    return {
        "gen_ai.response.model": reply.model,
        "gen_ai.response.finish_reasons": (reply.finish_reason,),
        "gen_ai.usage.input_tokens": reply.usage.prompt_tokens,
        "gen_ai.usage.output_tokens": reply.usage.completion_tokens,
    }
