"""The model client's connections: opened, kept, and closed at once when nobody listens any more."""

import asyncio
import socket
import time
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace

import httpx2
import openai
import pytest

from service.agent.failures import failure, from_exception
from service.agent.llm import SdkChatModel
from service.agent.model import Message, Reply, TextPiece, Usage
from tests.agent.asking import PATIENT, REQUEST, ask, client, hear, hear_at
from tests.fake_llm import FakeLLM
from tests.fake_wire import ANSWER, text_script


@pytest.mark.parametrize("fault", ["stall-after-finish", "stall-after-done"])
async def test_a_server_that_does_not_close_after_the_end_is_not_waited_for(fake: FakeLLM, fault: str) -> None:
    began = time.monotonic()
    heard = await ask(fake, fault)

    assert heard.reply is not None
    assert (heard.reply.content, heard.reply.usage) == (ANSWER, Usage(11, 7))
    assert time.monotonic() - began < PATIENT.gap / 2


@pytest.mark.parametrize("fault", ["hang", "hang-after-head", "drip-comments", "drip-text", "stall-after-text"])
async def test_a_cancelled_call_closes_the_connection(fake: FakeLLM, fault: str) -> None:
    async with client(fake, fault) as model:
        call = asyncio.create_task(hear(model))
        assert await asyncio.to_thread(fake.wait, lambda: len(fake.requests) == 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await asyncio.to_thread(fake.wait, lambda: fake.disconnects == 1)


async def test_a_call_that_is_no_longer_listened_to_closes_the_connection(fake: FakeLLM) -> None:
    async with client(fake, "drip-text") as model, aclosing(model.stream(REQUEST)) as pieces:
        assert isinstance(await anext(pieces), TextPiece)
        await pieces.aclose()
        assert await asyncio.to_thread(fake.wait, lambda: fake.disconnects == 1)


async def test_a_listener_slower_than_the_gap_is_not_taken_for_a_silent_provider(fake: FakeLLM) -> None:
    fake.say("one two three")
    async with client(fake, timeouts=replace(PATIENT, gap=1.5)) as model:
        heard: list[TextPiece | Reply] = []
        async for piece in model.stream(REQUEST):
            if not heard:
                await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=2.0)
            heard.append(piece)

    assert isinstance(heard[-1], Reply)
    assert heard[-1].content == "one two three"


async def test_the_connection_is_kept_for_the_next_call(fake: FakeLLM) -> None:
    async with client(fake, "whole-answer") as model:
        for _ in range(3):
            assert (await hear(model)).text == ANSWER

    assert (len(fake.requests), fake.connections) == (3, 1)


async def test_calls_at_once_do_not_mix(fake: FakeLLM) -> None:
    async def echo(model: SdkChatModel, word: str) -> str:
        return (await hear(model, [Message("user", word)])).text

    with FakeLLM(
        answer=lambda request: text_script(f"{request.messages[0]['content']} " * 9, pause=0.001)
    ) as echoing:
        async with client(echoing) as model:
            words = [f"w{n}" for n in range(20)]
            assert await asyncio.gather(*(echo(model, word) for word in words)) == [
                f"{word} " * 9 for word in words
            ]


async def test_an_endpoint_that_does_not_listen_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]

    heard = await hear_at(f"http://127.0.0.1:{port}/v1")

    assert heard.error is not None
    assert (heard.error.code, heard.error.retryable) == ("provider_unreachable", True)
    assert "refused" in heard.error.detail


async def test_an_endpoint_without_tls_where_it_should_have_it_is_unreachable() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with server:
        heard = await hear_at(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")

    assert heard.error is not None
    assert heard.error.code == "provider_unreachable"
    assert "TLS" in heard.error.detail


async def test_an_endpoint_that_does_not_accept_is_unreachable_after_the_connect_timeout() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        async with AsyncExitStack() as stack:
            for _ in range(4):  # The kernel's queue for an accept that never comes; past it, SYNs are dropped.
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(deaf.getsockname())
            heard = await hear_at(f"http://127.0.0.1:{deaf.getsockname()[1]}/v1", replace(PATIENT, connect=0.2))

    assert heard.error is not None
    assert heard.error.code == "provider_unreachable"
    assert "LLM_CONNECT_TIMEOUT" in heard.error.detail


def test_a_name_that_does_not_resolve_is_said() -> None:
    request = httpx2.Request("POST", "http://model.internal/v1")
    lost = openai.APIConnectionError(request=request)
    lost.__cause__ = httpx2.ConnectError("x", request=request)
    lost.__cause__.__context__ = socket.gaierror(-2, "Name or service not known")

    assert "does not resolve" in from_exception(lost).detail


def test_a_failure_to_connect_without_a_known_reason_has_none_made_up() -> None:
    lost = openai.APIConnectionError(request=httpx2.Request("POST", "http://model.internal/v1"))

    assert from_exception(lost).detail == failure("provider_unreachable").detail
