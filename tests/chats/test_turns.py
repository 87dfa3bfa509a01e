"""The writing side of an answer: fenced by the attempt, one end only."""

import asyncio
import json

import pytest

from service.chats.events import EventType, Scope
from service.chats.records import Failure, Outcome, Status, Step
from service.chats.steps import Asked, Started
from service.chats.turns import EXCHANGES, Ending
from service.errors import Conflict
from tests.chats.conftest import Chats, completed


async def logged(chats: Chats, chat_id: str) -> list[EventType]:
    return [event.type for event in await chats.log.replay(Scope("ann", chat_id), 0)]


async def test_a_turn_logs_its_way_from_question_to_answer(chats: Chats) -> None:
    turn = await chats.begun()
    step = Step(2, "search_kb", "{}", 1, None, 1.0)
    await chats.turns.tool_started(turn, Started(step, Asked(1, {"role": "assistant"}, 1.0)))
    await chats.turns.tool_step(turn, step, {"role": "tool"})
    await chats.turns.reset(turn, "because")
    await chats.turns.finish(turn, completed("done"))
    assert (await logged(chats, turn.chat_id))[2:] == [
        EventType.MESSAGE_CREATED,
        EventType.MESSAGE_CREATED,
        EventType.TURN_STARTED,
        EventType.STEP_STARTED,
        EventType.STEP_COMPLETED,
        EventType.ANSWER_RESET,
        EventType.ANSWER_COMPLETED,
    ]


async def test_a_call_that_ended_soon_is_stored_with_its_start(chats: Chats) -> None:
    turn = await chats.begun()
    step = Step(2, "search_kb", "{}", 1, None, 1.0)
    reply, result = {"role": "assistant", "content": ""}, {"role": "tool", "content": "{}"}
    await chats.turns.tool_step(turn, step, result, started=Started(step, Asked(1, reply, 1.0)))
    assert (await logged(chats, turn.chat_id))[-2:] == [EventType.STEP_STARTED, EventType.STEP_COMPLETED]
    assert [done.wire for done in await chats.turns.done(turn)] == [reply, result]


@pytest.mark.parametrize(
    ("status", "event"),
    [
        (Status.COMPLETED, EventType.ANSWER_COMPLETED),
        (Status.FAILED, EventType.TURN_FAILED),
        (Status.CANCELLED, EventType.TURN_CANCELLED),
    ],
)
async def test_each_end_has_its_event(chats: Chats, status: Status, event: EventType) -> None:
    turn = await chats.begun()
    failure = Failure("some_code", "what to do", retryable=True) if status is Status.FAILED else None
    message = await chats.turns.finish(turn, Ending(status, Outcome.ERROR, "part", error=failure))
    assert (message.status, message.error, message.final) == (status, failure, True)
    assert (await logged(chats, turn.chat_id))[-1] is event


async def test_a_turn_ends_once(chats: Chats) -> None:
    turn = await chats.begun()
    results = await asyncio.gather(
        *(chats.turns.finish(turn, completed(str(n))) for n in range(10)), return_exceptions=True
    )
    assert sum(isinstance(result, Conflict) for result in results) == 9
    ends = [kind for kind in await logged(chats, turn.chat_id) if kind is EventType.ANSWER_COMPLETED]
    assert len(ends) == 1


async def test_a_stale_attempt_can_write_nothing(chats: Chats) -> None:
    stale = await chats.begun()
    fresh = await chats.turns.begin(stale.id, "m")
    assert fresh is not None
    assert fresh.attempt == stale.attempt + 1
    before = await logged(chats, stale.chat_id)
    step = Step(1, "search_kb", "{}", 1, None, 1.0)
    for attempt in (
        chats.turns.tool_started(stale, Started(step, Asked(1, {}, 1.0))),
        chats.turns.tool_step(stale, step, {}),
        chats.turns.save_text(stale, "wrong", ()),
        chats.turns.reset(stale, "x"),
        chats.turns.finish(stale, completed("wrong")),
    ):
        with pytest.raises(Conflict):
            await attempt
    assert await logged(chats, stale.chat_id) == before
    assert await chats.turns.saved_text(fresh) == ("", ())
    assert (await chats.turns.finish(fresh, completed("right"))).content == "right"


async def test_a_turn_that_is_begun_with_its_question_is_an_attempt_like_any_other(chats: Chats) -> None:
    chat = await chats.store.create("ann", None, {})
    posted = await chats.questions.post("ann", chat.id, "Which port?", "m", begin=True)
    assert posted.turn is not None
    assert (posted.turn.id, posted.turn.question, posted.turn.attempt) == (posted.answer.id, "Which port?", 1)
    assert (await logged(chats, chat.id))[-2:] == [EventType.MESSAGE_CREATED, EventType.TURN_STARTED]
    fresh = await chats.turns.begin(posted.answer.id, "m")
    assert fresh is not None
    with pytest.raises(Conflict):
        await chats.turns.finish(posted.turn, completed("late"))
    await chats.turns.finish(fresh, completed("right"))
    again = await chats.questions.regenerate("ann", chat.id, fresh.id, "m", begin=True)
    assert again.turn is not None
    assert (await chats.turns.finish(again.turn, completed("better"))).id == again.answer.id
    following = (await chats.questions.post("ann", chat.id, "And then?", "m", begin=True)).turn
    assert following is not None
    assert [exchange.answer for exchange in following.earlier] == ["better"]


async def test_a_turn_that_ended_or_is_gone_cannot_begin(chats: Chats) -> None:
    turn = await chats.begun()
    await chats.turns.finish(turn, completed("done"))
    assert await chats.turns.begin(turn.id, "m") is None
    assert await chats.turns.begin("msg_none", "m") is None


async def test_a_deleted_chats_turn_can_write_nothing(chats: Chats) -> None:
    turn = await chats.begun()
    await chats.store.delete("ann", turn.chat_id)
    with pytest.raises(Conflict):
        await chats.turns.finish(turn, completed("late"))
    with pytest.raises(Conflict):
        await chats.turns.tool_started(turn, Started(Step(1, "search_kb", "{}")))


async def test_unfinished_turns_are_found_oldest_first(chats: Chats) -> None:
    first, second = await chats.asked("one"), await chats.begun("two")
    ended = await chats.begun("three")
    await chats.turns.finish(ended, completed("done"))
    found = [(u.id, u.attempt, u.owner) for u in await chats.turns.unfinished()]
    assert found == [(first.answer.id, 0, "ann"), (second.id, 1, "ann")]


async def test_earlier_exchanges_come_newest_first_and_without_failed_ones(chats: Chats) -> None:
    turn = await chats.begun("one")
    await chats.turns.finish(turn, completed("first answer"))
    for question, ending in (
        ("two", Ending(Status.FAILED, Outcome.ERROR, "half")),
        ("three", completed("third answer")),
    ):
        posted = await chats.questions.post("ann", turn.chat_id, question, "m")
        following = await chats.turns.begin(posted.answer.id, "m")
        assert following is not None
        await chats.turns.finish(following, ending)
    posted = await chats.questions.post("ann", turn.chat_id, "four", "m")
    last = await chats.turns.begin(posted.answer.id, "m")
    assert last is not None
    said = [(exchange.question, exchange.answer) for exchange in last.earlier]
    assert said == [("three", "third answer"), ("one", "first answer")]
    await chats.turns.finish(last, completed("fourth answer"))
    anew = (await chats.questions.regenerate("ann", turn.chat_id, turn.id, "m", begin=True)).turn
    assert anew is not None
    assert anew.earlier == ()


async def test_of_a_long_chat_the_newest_exchanges_are_given(chats: Chats) -> None:
    turn = await chats.begun("0")
    for number in range(1, EXCHANGES + 3):
        await chats.turns.finish(turn, completed("done"))
        following = (await chats.questions.post("ann", turn.chat_id, str(number), "m", begin=True)).turn
        assert following is not None
        turn = following
    assert [exchange.question for exchange in turn.earlier] == [str(n) for n in range(EXCHANGES + 1, 1, -1)]


async def test_what_tools_returned_is_not_kept_when_the_turn_has_ended(chats: Chats) -> None:
    turn = await chats.begun()
    step, wire = Step(2, "search_kb", "{}", 1, None, 1.0), {"content": "the unmistakable-secret, " * 500}
    await chats.turns.tool_started(turn, Started(step, Asked(1, wire, 1.0)))
    sources = json.dumps([{"id": 1, "document": "lamps.md", "text": "unmistakable-secret"}])
    await chats.turns.tool_step(turn, step, wire, sources)
    assert len(await chats.turns.done(turn)) == 2
    message = await chats.turns.finish(turn, completed("8000"))
    await chats.db.truncate_log()

    assert b"unmistakable-secret" not in chats.db.path.read_bytes()
    assert [step.name for step in message.steps] == ["search_kb"]
    kept = await chats.db.read(lambda c: c.execute("SELECT sources FROM steps ORDER BY number").fetchall())
    assert [json.loads(each) for (each,) in kept] == [[], [{"document": "lamps.md"}]]
