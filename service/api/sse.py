"""Server-sent events: one small response on Starlette's streaming; an event's data is encoded once, as bytes."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Final

from fastapi.responses import StreamingResponse

from service.chats.events import EventType
from service.chats.stream import Frame
from service.telemetry import Metrics

_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_RETRY: Final = b"retry: 2000\n\n"
_COMMENT: Final = b": still here\n\n"


class EventStream(StreamingResponse):
    """Sends frames as they come, and a comment where the generator yields None."""

    media_type = "text/event-stream"

    def __init__(
        self, frames: AsyncGenerator[Frame | None], metrics: Metrics, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(_encoded(frames, metrics), headers={**_HEADERS, **(headers or {})})


async def _encoded(frames: AsyncGenerator[Frame | None], metrics: Metrics) -> AsyncIterator[bytes]:
    with metrics.streams.track_inprogress():
        yield _RETRY
        async with aclosing(frames):
            async for frame in frames:
                if frame is not None and frame.type is EventType.STREAM_RESET:
                    metrics.stream_resets.inc()
                yield _COMMENT if frame is None else encode(frame)


def encode(frame: Frame) -> bytes:
    """Write a frame on the wire. Its data is one line of JSON, so that no text of a document can end it."""
    head = f"id: {frame.position}\nevent: {frame.type}\ndata: ".encode()
    return b"%b%b\n\n" % (head, frame.data)
