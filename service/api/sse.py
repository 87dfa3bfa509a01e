"""Server-sent events: one small response of our own; an event's data is encoded once, as bytes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import aclosing
from typing import Final

from fastapi.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.methods import HEAD
from service.chats.events import EventType
from service.chats.stream import Frame, Frames, Position
from service.telemetry import Metrics

_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_RETRY: Final = b"retry: 2000\n\n"
COMMENT: Final = b": still here\n\n"
_HANDED: Final = "kb_agent.streams"  # in the scope: where streams go that have begun


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
        """Answer one request; to a HEAD with the headers alone.

        Under `Handover` it returns with the first event.
        """
        if HEAD in scope:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b""})
            return
        self._metrics.streams.inc()
        self._leaving = asyncio.create_task(left(receive))
        begun = False
        try:
            begun = await self._unless_left(self._begin(send))
        finally:
            if not begun:
                await self.aclose()
        if not begun:
            return
        if _HANDED in scope:
            scope[_HANDED].append(self)
        else:
            await self.go_on(send)

    async def go_on(self, send: Send) -> None:
        """Send what follows the first event, until it ends or the client leaves."""
        try:
            await self._unless_left(self._follow(send))
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """End the events."""
        self._metrics.streams.dec()
        self._leaving.cancel()
        await self._events.aclose()

    async def _begin(self, send: Send) -> None:
        first = await anext(self._events, b"")
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": first, "more_body": True})

    async def _follow(self, send: Send) -> None:
        async for event in self._events:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _unless_left(self, step: Awaitable[None]) -> bool:
        """Whether `step` came to its end; it is broken off when the client leaves."""
        try:
            async with asyncio.timeout(None) as until_left:
                self._leaving.add_done_callback(lambda _: _end(until_left))
                await step
        except TimeoutError:
            if not until_left.expired():
                raise
            return False
        return True


class Handover:
    """Sends streams from here on once the application has returned.

    An idle stream then holds none of the frames and requests of the layers within, a quarter of its memory.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        streams: list[ByteStream] = []
        scope[_HANDED] = streams
        known, returned = len(scope), False
        try:
            await self._app(scope, receive, send)
            returned = True
        finally:
            for stream in () if returned else streams:
                await stream.aclose()
        while streams and len(scope) > known:
            scope.popitem()  # what the layers within left there
        for stream in streams:
            await stream.go_on(send)


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
