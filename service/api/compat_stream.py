"""An answer on its way to a client of OpenAI, as server-sent events that are encoded already."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

from fastapi.responses import StreamingResponse

from service.telemetry import Metrics

COMMENT: Final = b": still here\n\n"
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class ByteStream(StreamingResponse):
    """Sends events as they come; a client that leaves closes the generator."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes], metrics: Metrics) -> None:
        super().__init__(_counted(events, metrics), headers=_HEADERS)


async def _counted(events: AsyncGenerator[bytes], metrics: Metrics) -> AsyncIterator[bytes]:
    with metrics.streams.track_inprogress():
        async with aclosing(events):
            async for event in events:
                yield event
