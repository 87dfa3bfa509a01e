"""Server-sent events: one small response of our own; an event's data is encoded once, as bytes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final

from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from service.api.methods import HEAD
from service.chats.events import EventType
from service.chats.stream import Frame, Frames, Position
from service.telemetry import Metrics

_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_RETRY: Final = b"retry: 2000\n\n"
COMMENT: Final = b": still here\n\n"


class ByteStream(Response):
    """Sends events that are encoded already, as they come, until they end or the client leaves.

    The head waits for the first event: who has it will miss nothing that happens from then on. Starlette's
    streaming has a task group and two tasks for each response, which idle streams pay in memory.
    """

    media_type = "text/event-stream"

    def __init__(
        self, events: AsyncGenerator[bytes], metrics: Metrics, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(headers={**_HEADERS, **(headers or {})})
        del self.headers["content-length"]
        self._events = events
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; to a HEAD with the headers alone."""
        if HEAD in scope:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b""})
            return
        leaving = asyncio.create_task(left(receive))
        try:
            async with asyncio.timeout(None) as until_left:
                leaving.add_done_callback(lambda _: _end(until_left))
                with self._metrics.streams.track_inprogress():
                    await self._send(send)
        except TimeoutError:
            if not until_left.expired():
                raise
        finally:
            leaving.cancel()

    async def _send(self, send: Send) -> None:
        async with aclosing(self._events) as events:
            first = await anext(events, b"")
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": first, "more_body": True})
            async for event in events:
                await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class EventStream(ByteStream):
    """Sends frames as they come, and a comment for each None; tells clients when to come back, and where."""

    def __init__(self, frames: Frames, metrics: Metrics, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(_encoded(frames, metrics), metrics, headers)


async def left(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _encoded(frames: Frames, metrics: Metrics) -> AsyncGenerator[bytes]:
    before = _RETRY
    async with aclosing(frames):
        async for frame in frames:
            if isinstance(frame, Frame) and frame.type is EventType.STREAM_RESET:
                metrics.stream_resets.inc()
            yield before + encode(frame)
            before = b""


def _end(block: asyncio.Timeout) -> None:
    """Leave a block that is still being run, at once."""
    with contextlib.suppress(RuntimeError):  # it was left meanwhile
        block.reschedule(0.0)


def encode(frame: Frame | Position | None) -> bytes:
    """Write a frame on the wire. Its data is one line of JSON, so that no text of a document can end it.

    A position alone is an id without an event: clients come back with it. Nothing is a comment.
    """
    if frame is None:
        return COMMENT
    if isinstance(frame, Position):
        return f"id: {frame}\n\n".encode()
    head = f"id: {frame.position}\nevent: {frame.type}\ndata: ".encode()
    return b"%b%b\n\n" % (head, frame.data)
