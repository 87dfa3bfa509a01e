"""What calls of a model take is charged to their caller: as the provider counts, else as estimated."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import pytest

from service.agent.context import size, tokens
from service.agent.metering import MeteredModel
from service.agent.model import ChatModel, Message, Request
from service.agent.reader import BuiltInReader
from tests.agent.asking import QUESTION, TOOLS, client, hear
from tests.fake_llm import FakeLLM
from tests.fake_wire import chunk, stream, text_script, usage_chunk

WINDOW = 8_000


@dataclass
class Bill:
    """A quota that never ends; what was charged: (caller, reported, estimated), and whether more was to come."""

    charged: list[tuple[str, int, int]] = field(default_factory=list)
    more: list[bool] = field(default_factory=list)

    def check(self, caller: str, turns: int) -> None:
        raise AssertionError(f"{caller} has begun, with {turns} others")

    def charge(self, caller: str, reported: int, estimated: int, *, more: bool = False) -> None:
        self.charged.append((caller, reported, estimated))
        self.more.append(more)

    def of(self, model: ChatModel, window: int = WINDOW) -> MeteredModel:
        return MeteredModel(model, self, "ann", window)


@pytest.mark.parametrize(
    ("usage", "reported", "estimates"),
    [
        ({"prompt_tokens": 1800, "completion_tokens": 60}, 1860, ""),
        ({"prompt_tokens": 1800}, 1800, "received"),
        ({"completion_tokens": 60}, 60, "sent"),
        ({"prompt_tokens": -5, "completion_tokens": 10**18}, 0, "sent received"),
        ({"prompt_tokens": None, "completion_tokens": "many"}, 0, "sent received"),
        (None, 0, "sent received"),
    ],
)
async def test_what_the_provider_does_not_count_or_counts_absurdly_is_estimated(
    fake: FakeLLM, usage: Any, reported: int, estimates: str
) -> None:
    fake.reply(stream(chunk({"content": "Ports."}), chunk({}, "stop"), *([usage_chunk(usage)] if usage else [])))
    bill = Bill()
    async with client(fake) as model:
        assert (await hear(bill.of(model), tools=())).text == "Ports."
    estimated = size(QUESTION) * ("sent" in estimates) + tokens("Ports.") * ("received" in estimates)
    assert bill.charged == [("ann", reported, estimated)]
    assert bill.more == [False]


async def test_a_call_for_tools_is_estimated_with_them_and_no_request_beyond_the_window(fake: FakeLLM) -> None:
    uncounted = {"message": {"tool_calls": [{"function": {"name": "search_kb", "arguments": '{"query": "x"}'}}]}}
    fake.reply(*[stream({"choices": [{**uncounted, "finish_reason": "tool_calls"}]})] * 2)
    bill = Bill()
    async with client(fake) as model:
        for window in (WINDOW, 10):
            heard = await hear(bill.of(model, window))
            assert heard.reply is not None
            assert heard.reply.calls
    said = tokens("search_kb") + tokens('{"query": "x"}')
    (_, _, whole), (_, _, fitted) = bill.charged
    assert whole > size(QUESTION) + said + tokens(TOOLS[0].description)
    assert fitted == 10 + said
    assert bill.more == [True, True]


async def test_a_call_that_is_broken_off_costs_what_was_sent_and_heard(fake: FakeLLM) -> None:
    fake.reply(*[text_script("One two three four", pause=0.2)] * 2)
    bill = Bill()
    async with client(fake) as model:
        async with aclosing(bill.of(model).stream(Request(QUESTION))) as pieces:
            first = await anext(pieces)
        task = asyncio.create_task(hear(bill.of(model), tools=()))
        await asyncio.to_thread(fake.wait, lambda: len(fake.requests) == 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert getattr(first, "text", "") == "One"
    assert bill.charged[0] == ("ann", 0, size(QUESTION) + tokens("One"))
    assert bill.charged[1][2] >= size(QUESTION)


@pytest.mark.parametrize(("fault", "costs"), [("500", False), ("401-echo", False), ("close-without-finish", True)])
async def test_a_failure_costs_only_when_there_was_something_to_hear(
    fake: FakeLLM, fault: str, *, costs: bool
) -> None:
    bill = Bill()
    async with client(fake, fault) as model:
        heard = await hear(bill.of(model), tools=())
    assert heard.error is not None
    assert bool(heard.text) == costs
    assert bill.charged == [("ann", 0, size(QUESTION) + tokens(heard.text) if costs else 0)]


async def test_each_caller_pays_for_his_own(fake: FakeLLM) -> None:
    bill = Bill()
    async with client(fake) as model:
        for caller in ("ann", "bob", "ann"):
            fake.say("Hello.")
            await hear(MeteredModel(model, bill, caller, WINDOW), [Message("user", "hello")], ())
    assert [caller for caller, _, _ in bill.charged] == ["ann", "bob", "ann"]


async def test_the_name_is_the_models_own() -> None:
    assert Bill().of(BuiltInReader()).name == BuiltInReader().name
