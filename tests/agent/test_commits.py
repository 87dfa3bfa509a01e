"""A turn whose commits are held back or refused by another connection to the same database file."""

import asyncio
import threading

from service.chats.events import EventType
from tests.agent.desk import ANSWER, QUIET, Desk, held, passed
from tests.fake_wire import Wire, call_delta, chunk, text_script


async def test_no_text_is_shown_before_the_step_that_led_to_it_is_stored(desk: Desk) -> None:
    desk.fake.reply(text_script(ANSWER))
    posted = await desk.ask()
    await desk.until_told(posted, EventType.STEP_STARTED)
    with held(desk.db):
        desk.search_may_end.set()
        await passed(desk.ear.began[1])
        assert desk.shown(posted) == ""
        assert (await desk.stored(posted)).content == ""
        assert (await desk.told(posted))[-1].type is EventType.STEP_STARTED

    events = await desk.until_told(posted, EventType.ANSWER_COMPLETED)

    assert [event.type for event in events[-2:]] == [EventType.STEP_COMPLETED, EventType.ANSWER_COMPLETED]
    assert (await desk.stored(posted)).content == ANSWER


async def test_the_end_is_not_told_before_it_is_stored(desk: Desk) -> None:
    rest = threading.Event()

    async def halting(wire: Wire) -> None:
        await wire.event(chunk({"content": "Nobody "}))
        await asyncio.to_thread(rest.wait, QUIET)
        await wire.events(chunk({"content": "knows."}), chunk({}, "stop"))
        await wire.done()

    desk.fake.reply(halting)
    desk.search_may_end.set()
    posted = await desk.ask()
    await desk.until_shown(posted, "Nobody")
    with held(desk.db):
        rest.set()
        await desk.until_shown(posted, ANSWER)
        await passed(desk.ear.ended[1])
        assert (await desk.stored(posted)).status == "running"
        assert (await desk.told(posted))[-1].type is EventType.STEP_COMPLETED

    events = await desk.until_told(posted, EventType.ANSWER_COMPLETED)

    assert events[-1].type is EventType.ANSWER_COMPLETED
    assert (await desk.stored(posted)).content == ANSWER


async def test_a_step_that_cannot_be_stored_ends_the_turn_and_nothing_is_shown_after_it(desk: Desk) -> None:
    desk.fake.reply(text_script(ANSWER))
    await desk.db.write(lambda tx: tx.execute("PRAGMA busy_timeout = 0"))
    posted = await desk.ask()
    await desk.until_told(posted, EventType.STEP_STARTED)
    with held(desk.db):
        desk.search_may_end.set()
        await passed(desk.ear.ended[1])
        assert desk.shown(posted) == ""

    events = await desk.until_told(posted, EventType.TURN_FAILED, EventType.ANSWER_COMPLETED)

    answer = await desk.stored(posted)
    assert events[-1].type is EventType.TURN_FAILED
    assert answer.error is not None
    assert (answer.error.code, answer.content, answer.steps) == ("storage_error", "", ())


async def test_a_turn_that_is_stopped_meanwhile_keeps_no_text_of_a_step_that_was_not_stored(desk: Desk) -> None:
    desk.fake.reply(text_script(ANSWER))
    await desk.db.write(lambda tx: tx.execute("PRAGMA busy_timeout = 3000"))
    posted = await desk.ask()
    await desk.until_told(posted, EventType.STEP_STARTED)
    desk.tried.clear()
    with held(desk.db):
        desk.search_may_end.set()
        await passed(desk.ear.began[1])
        stopping = asyncio.create_task(desk.runner.cancel(posted.answer.id))
        await passed(desk.ear.ended[1])
        await passed(desk.tried)
        assert not stopping.done()
    await stopping

    answer = await desk.stored(posted)
    assert (answer.status, answer.content) == ("cancelled", "")


async def test_a_turn_that_is_stopped_while_its_end_is_stored_ends_as_it_was_and_is_counted(desk: Desk) -> None:
    rest = threading.Event()

    async def halting(wire: Wire) -> None:
        await wire.event(chunk({"content": ANSWER}))
        await asyncio.to_thread(rest.wait, QUIET)
        await wire.event(chunk({}, "stop"))
        await wire.done()

    desk.fake.reply(halting)
    desk.search_may_end.set()
    posted = await desk.ask()
    await desk.until_shown(posted, ANSWER)
    with held(desk.db):
        rest.set()
        await passed(desk.ear.ended[1])
        stopping = asyncio.create_task(desk.runner.cancel(posted.answer.id))
        await asyncio.sleep(0)  # it asks for the stop
    await stopping

    ended = await desk.stored(posted)
    assert (ended.status, ended.content) == ("completed", ANSWER)
    counted = desk.metrics.registry.get_sample_value
    assert counted("kb_agent_turns_total", {"status": "completed", "outcome": str(ended.outcome)}) == 1


async def test_text_whose_withdrawal_was_not_stored_is_withdrawn_with_the_end(desk: Desk) -> None:
    rest = threading.Event()

    async def halting(wire: Wire) -> None:
        await wire.event(chunk({"content": "Let me look "}))
        await asyncio.to_thread(rest.wait, QUIET)
        await wire.event(chunk({"content": "again."}))
        await wire.events(chunk(call_delta(0, "b", "search_kb", '{"query": "more"}')), chunk({}, "tool_calls"))
        await wire.done()

    desk.fake.reply(halting)
    desk.search_may_end.set()
    await desk.db.write(lambda tx: tx.execute("PRAGMA busy_timeout = 0"))
    posted = await desk.ask()
    await desk.until_shown(posted, "Let me look")
    desk.tried.clear()
    with held(desk.db):
        rest.set()
        await passed(desk.tried)

    events = await desk.until_told(posted, EventType.TURN_FAILED, EventType.ANSWER_COMPLETED)

    assert [event.type for event in events[-2:]] == [EventType.ANSWER_RESET, EventType.TURN_FAILED]
    assert (await desk.stored(posted)).content == ""
