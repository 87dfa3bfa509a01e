"""Ids of a chat's stream that count characters: good only for text that there was."""

from contextlib import aclosing

from service.chats.events import Scope
from service.chats.stream import Position, follow
from tests.chats.conftest import Chats, completed


async def test_an_id_with_more_text_than_there_was_gets_a_snapshot(chats: Chats) -> None:
    async def snapshot() -> dict[str, str]:
        return {}

    async def known(resume: str) -> bool:
        async with aclosing(follow(chats.log, Scope("ann", turn.chat_id), resume, snapshot, idle=30)) as stream:
            return isinstance(await anext(stream), Position)

    turn = await chats.begun()
    started = await chats.log.last_id(Scope("ann", turn.chat_id))
    with chats.turns.writing(turn):
        chats.turns.extend(turn, "abc")
        assert [await known(f"{started}.{offset}") for offset in (3, 4)] == [True, False]
        assert not await known(f"{started - 1}.1")
        await chats.turns.finish(turn, completed("abcd"))

    assert [await known(f"{started}.{offset}") for offset in (4, 5)] == [True, False]
    assert not await known(f"{started + 1}.1")
