"""The event log: what is kept of it in memory and in the file, for whom, what is dropped; and who is woken."""

import asyncio

import pytest

from service.chats.bell import Bell
from service.chats.events import EventLog, EventType, Scope
from tests.chats.conftest import Chats


async def test_of_many_events_the_newest_are_kept_whatever_their_age(chats: Chats) -> None:
    chat = await chats.store.create("ann", "first", {})
    for number in range(1_200):
        await chats.store.update("ann", chat.id, title=f"title {number}")
    newest = await chats.log.last_id(Scope("ann"))

    assert await chats.log.prune("0000", 3) == newest - 3
    assert [event.id for event in await chats.log.replay(Scope("ann"), 0)] == [newest - 2, newest - 1, newest]
    assert await chats.log.prune("9999", 3) == 2
    assert await chats.log.last_id(Scope("ann")) == newest


async def test_what_is_kept_in_memory_and_what_is_read_from_the_log_are_the_same(chats: Chats) -> None:
    chat = await chats.store.create("ann", "busy", {})
    await asyncio.gather(*(chats.store.update("ann", chat.id, title=str(n)) for n in range(300)))
    last = await chats.log.last_id(Scope("ann"))
    for after in range(last - 260, last - 250):
        for scope in (Scope("ann"), Scope("ann", chat.id)):
            told = [event.id for event in await chats.log.replay(scope, after)]
            assert told == list(range(after + 1, after + 201))
    for log in (chats.log, EventLog(chats.db)):  # the second one as after a restart
        assert await log.replay(Scope("bob", chat.id), 0) == ()


async def test_changes_of_the_index_are_for_those_alone_who_may_see_them(chats: Chats) -> None:
    await chats.store.create("ann", "first", {})
    await chats.db.write(lambda tx: chats.log.append(tx, EventType.KB_UPDATED, {"revision": 1}))
    for log in (chats.log, EventLog(chats.db)):  # the second one as after a restart
        for scope, kinds in (
            (Scope("ann"), [EventType.CHAT_CREATED, EventType.KB_UPDATED]),
            (Scope("ann", knowledge=False), [EventType.CHAT_CREATED]),
            (Scope("bob"), [EventType.KB_UPDATED]),
            (Scope("bob", knowledge=False), []),
        ):
            kept = await log.replay(scope, 0)
            assert [event.type for event in kept] == kinds
            assert await log.newest(scope) == (kept[-1] if kept else None)


async def test_nothing_of_a_deleted_chat_is_told_from_memory(chats: Chats) -> None:
    posted = await chats.asked("the unmistakable question")
    await chats.store.delete("ann", posted.question.chat_id)
    assert [event.type for event in await chats.log.replay(Scope("ann"), 0)] == [EventType.CHAT_DELETED]


async def test_a_bell_wakes_who_waits_and_rings_until_it_is_silenced() -> None:
    bell = Bell()
    waiting = asyncio.create_task(bell.wait())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError):
        await bell.wait()
    bell.set()
    bell.set()
    await waiting
    await bell.wait()
    bell.clear()
    waiting = asyncio.create_task(bell.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    bell.set()
    await bell.wait()
