"""Following one turn: from its first event to its last one, whatever becomes of it meanwhile."""

import asyncio
from contextlib import aclosing

import pytest

from service.chats.events import EventLog, EventType, Scope
from service.chats.stream import follow_turn
from tests.chats.conftest import Chats, completed
from tests.chats.test_stream import TEXT, Client, write_answer


async def test_a_stream_of_one_turn_ends_with_it_and_holds_nothing_else(chats: Chats) -> None:
    turn = await chats.begun()
    writing = asyncio.create_task(write_answer(chats, turn))
    answer = await chats.store.message("ann", turn.chat_id, turn.id)
    frames = [frame async for frame in follow_turn(chats.log, Scope("ann", turn.chat_id), answer, idle=30)]
    await writing
    kinds = [frame.type for frame in frames if frame is not None and frame.type is not EventType.ANSWER_DELTA]
    assert EventType.CHAT_UPDATED not in kinds
    assert kinds[:3] == [EventType.MESSAGE_CREATED, EventType.MESSAGE_CREATED, EventType.TURN_STARTED]
    assert kinds[-1] is EventType.ANSWER_COMPLETED
    last = frames[-1]
    assert last is not None
    assert last.last
    log = EventLog(chats.db)  # as after a restart
    again = [frame async for frame in follow_turn(log, Scope("ann", turn.chat_id), answer, idle=30)]
    assert [f.type for f in again if f is not None and f.type is not EventType.ANSWER_DELTA] == kinds


@pytest.mark.parametrize("soon", [True, False])
async def test_a_stream_of_one_turn_is_told_that_its_chat_is_deleted_and_ends(chats: Chats, soon: bool) -> None:
    turn = await chats.begun()
    answer = await chats.store.message("ann", turn.chat_id, turn.id)
    async with (
        asyncio.timeout(60),
        aclosing(follow_turn(chats.log, Scope("ann", turn.chat_id), answer, idle=30)) as stream,
    ):
        for _ in range(0 if soon else 3):
            await anext(stream)
        await chats.store.delete("ann", turn.chat_id)
        assert [frame and frame.type async for frame in stream] == [EventType.CHAT_DELETED]


async def test_the_end_of_a_turn_is_told_also_when_its_events_are_not_kept_any_more(chats: Chats) -> None:
    turn = await chats.begun()
    await chats.turns.finish(turn, completed(TEXT))
    await chats.store.update("ann", turn.chat_id, title="later")
    await chats.log.prune("9999", 1)
    log = EventLog(chats.db)  # as after a restart: the old one has newer events in memory
    answer = await chats.store.message("ann", turn.chat_id, turn.id)
    client = Client()
    async with asyncio.timeout(60):
        async for frame in follow_turn(log, Scope("ann", turn.chat_id), answer, idle=30):
            assert frame is not None
            client.take(frame)
    assert client.answers == [TEXT]
