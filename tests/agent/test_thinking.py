"""Thinking that reaches the loop as text: reasoning models before a server that does not tell it apart."""

import asyncio
import threading
from collections.abc import Sequence
from contextlib import aclosing

import pytest

from service.agent.attempts import Retries, Timeouts
from service.agent.draft import Draft
from service.agent.llm import Endpoint, SdkChatModel
from service.agent.loop import Limits, TextAdded, TextWithdrawn, answer
from service.agent.model import Message
from service.agent.tools import Toolbox
from service.chats.records import Outcome
from tests.fake_llm import FakeLLM
from tests.fake_wire import Wire, chunk, usage_chunk

LIMITS = Limits(llm_calls=8, tool_calls=16, seconds=60, window=8192)
QUESTION = (Message("system", "cite"), Message("user", "Which port?"))


async def shown(fake: FakeLLM, toolbox: Toolbox, first: Sequence[str], rest: str = "") -> tuple[list[str], Draft]:
    """Search, then say `first`, and `rest` once any of that is shown; give all texts shown, one a withdrawal."""
    seen = threading.Event()

    async def script(wire: Wire) -> None:
        await wire.events(*(chunk({"content": piece}) for piece in first))
        if rest:
            await asyncio.to_thread(seen.wait, 60)
        await wire.events(chunk({"content": rest}), chunk({}, "stop"), usage_chunk())
        await wire.done()

    fake.call("search_kb", {"query": "port"})
    fake.reply(script)
    texts, draft = [""], Draft("scripted")
    async with (
        SdkChatModel(Endpoint(fake.base_url, "scripted"), Timeouts(), Retries(limit=0)) as model,
        aclosing(answer(model, toolbox, QUESTION, LIMITS, draft)) as events,
    ):
        async for event in events:
            if isinstance(event, TextAdded):
                texts[-1] += event.text
                seen.set()
            elif isinstance(event, TextWithdrawn):
                texts.append("")
    return texts, draft


@pytest.mark.parametrize("first", [["It may be 80 [2][1].\n</thi", "nk>"], ["</think>"]])
async def test_thinking_that_was_never_opened_is_withdrawn(
    fake: FakeLLM, toolbox: Toolbox, first: Sequence[str]
) -> None:
    texts, draft = await shown(fake, toolbox, first, " \r\n\nIt is 8123 [1].")
    assert texts[1:] == ["It is 8123 [1]."]
    assert (draft.text, draft.outcome, len(draft.citations)) == (texts[1], Outcome.GROUNDED, 1)


async def test_thinking_that_came_with_the_answer_is_never_shown(fake: FakeLLM, toolbox: Toolbox) -> None:
    texts, draft = await shown(fake, toolbox, ["It may be 80 [1].</think>\n\nIt is 8123 [1]."])
    assert texts == [draft.text] == ["It is 8123 [1]."]


@pytest.mark.parametrize(
    "text",
    [
        "It writes </think> [1]\nand then the answer.",
        "It writes `</think>`\nat the end [1].",
        "What is between <think> and\n</think>\nis no answer [1].",
    ],
)
async def test_who_speaks_of_thinking_is_not_taken_to_think(fake: FakeLLM, toolbox: Toolbox, text: str) -> None:
    texts, _ = await shown(fake, toolbox, text.splitlines(keepends=True))
    assert texts == [text]
