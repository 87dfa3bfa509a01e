"""What a stream sends before its first event: who has the head misses nothing from then on."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest
from starlette.types import Message, Receive, Scope, Send

from service.api.sse import EventStream, Handover
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


async def test_what_follows_the_first_event_is_sent_when_the_application_has_returned() -> None:
    told: list[str] = []
    metrics = Metrics("0", "3")

    async def frames() -> AsyncGenerator[Frame | Position | None]:
        yield Position(1)
        yield Position(2)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = "left behind"
        await EventStream(frames(), metrics)(scope, receive, send)
        told.append("returned")

    async def send(message: Message) -> None:
        told.append(message.get("body", b"head").decode())
        assert metrics.registry.get_sample_value("kb_agent_event_streams") == 1

    scope: Scope = {"type": "http"}
    await Handover(application)(scope, never, send)
    assert told == ["head", "retry: 2000\n\nid: 1\n\n", "returned", "id: 2\n\n", ""]
    assert "route" not in scope
    assert metrics.registry.get_sample_value("kb_agent_event_streams") == 0


@pytest.mark.parametrize("begun", [False, True])
async def test_who_leaves_ends_the_stream_before_and_after_its_first_event(*, begun: bool) -> None:
    ended, sent = asyncio.Event(), asyncio.Event()

    async def frames() -> AsyncGenerator[Frame | Position | None]:
        try:
            if begun:
                yield Position(1)
            await asyncio.Event().wait()
            yield Position(2)
        finally:
            ended.set()

    async def leave() -> Message:
        if begun:
            await sent.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message.get("body"):
            sent.set()

    metrics = Metrics("0", "3")
    await asyncio.wait_for(Handover(EventStream(frames(), metrics))({"type": "http"}, leave, send), 30)
    assert ended.is_set()
    assert sent.is_set() == begun
    assert metrics.registry.get_sample_value("kb_agent_event_streams") == 0


async def test_a_stream_ends_when_its_application_fails_after_the_first_event() -> None:
    ended = asyncio.Event()

    async def frames() -> AsyncGenerator[Frame | Position | None]:
        try:
            yield Position(1)
            yield Position(2)
        finally:
            ended.set()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await EventStream(frames(), Metrics("0", "3"))(scope, receive, send)
        raise RuntimeError("after the first event")

    async def send(message: Message) -> None:
        assert b"id: 2" not in message.get("body", b"")

    with suppress(RuntimeError):
        await Handover(application)({"type": "http"}, never, send)
    assert ended.is_set()
