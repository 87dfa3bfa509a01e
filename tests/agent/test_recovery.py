"""What a runner makes of turns that an earlier one left open."""

import asyncio

import pytest

from service.agent.loop import Limits
from service.chats.events import EventType
from service.chats.questions import Posted, QuestionStore
from service.chats.store import ChatStore
from tests.agent.desk import ANSWER, Desk
from tests.fake_faults import FAULTS


async def left(desk: Desk, *, begun: bool) -> Posted:
    """A question whose turn nobody runs."""
    chat = await ChatStore(desk.db, desk.log).create("ann", None, {})
    return await QuestionStore(desk.db, desk.log).post("ann", chat.id, "Who knows?", "m", begin=begun)


async def test_a_turn_that_never_began_is_begun_also_where_none_is_resumed(desk: Desk) -> None:
    waiting, begun = await left(desk, begun=False), await left(desk, begun=True)
    desk.fake.say(ANSWER)
    desk.search_may_end.set()

    await desk.runner.recover(resume=False)

    interrupted = (await desk.stored(begun)).error
    assert interrupted is not None
    assert interrupted.code == "interrupted"
    await desk.until_told(waiting, EventType.ANSWER_COMPLETED, EventType.TURN_FAILED)
    assert (await desk.stored(waiting)).content == ANSWER


@pytest.mark.parametrize(("llm_calls", "tool_calls"), [(2, 8), (8, 1)])
async def test_what_an_earlier_attempt_used_counts_for_the_next(
    desk: Desk, llm_calls: int, tool_calls: int
) -> None:
    desk.fake.reply(FAULTS["hang"])
    desk.fake.say(ANSWER)
    desk.search_may_end.set()
    posted = await desk.ask()
    assert await asyncio.to_thread(desk.fake.wait, lambda: len(desk.fake.requests) == 2)
    await desk.runner.drain(0)

    limits = Limits(llm_calls, tool_calls, seconds=60, window=32_000)
    desk.runner = desk.runner_with(desk.model, limits)
    await desk.runner.recover(resume=True)

    await desk.until_told(posted, EventType.ANSWER_COMPLETED, EventType.TURN_FAILED)
    assert (await desk.stored(posted)).content == ANSWER
    assert ["tools" in request.body for request in desk.fake.requests] == [True, True, False]
