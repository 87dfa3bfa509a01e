"""What a stream sends before its first event: who has the head misses nothing from then on."""

import asyncio
from collections.abc import AsyncGenerator

from starlette.types import Message

from service.api.sse import EventStream
from service.chats.stream import Frame, Position
from service.telemetry import Metrics


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def test_the_head_is_sent_once_the_stream_stands_at_its_place() -> None:
    told: list[str] = []

    async def frames() -> AsyncGenerator[Frame | Position | None]:
        told.append("subscribed")
        yield Position(57, 120)
        yield None

    async def send(message: Message) -> None:
        told.append(message["type"] if "status" in message else message["body"].decode())

    await EventStream(frames(), Metrics("0", "3"))({"type": "http"}, never, send)
    assert told == ["subscribed", "http.response.start", "retry: 2000\n\nid: 57.120\n\n", ": still here\n\n", ""]
