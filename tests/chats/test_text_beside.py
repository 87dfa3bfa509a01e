"""Following everything with the text of one chat beside it, as each window of the page does."""

import asyncio
import json
import random
from contextlib import aclosing

import pytest

from service.chats.events import EventType, Scope
from service.chats.stream import Frame, Position, follow
from service.chats.turns import Turn
from tests.chats.conftest import Chats
from tests.chats.test_stream import TEXT, no_snapshot, write_answer


class ListClient:
    """Folds the stream of everything beside the chat of one turn, as the page does."""

    def __init__(self, turn: Turn, last: int) -> None:
        self.durable = [last]
        self.text = ""
        self._turn = turn

    def take(self, frame: Frame) -> bool:
        """Give whether the answer is complete."""
        data = json.loads(frame.data)
        about = data.get("message_id") or data.get("message", {}).get("id")
        if frame.type is EventType.ANSWER_DELTA:
            assert (about, frame.position) == (self._turn.id, Position(self.durable[-1]))
            assert data["offset"] <= len(self.text), "no gap"
            self.text = self.text[: data["offset"]] + data["text"]
            return False
        self.durable.append(frame.position.event)
        if about == self._turn.id and frame.type is EventType.ANSWER_RESET:
            self.text = ""
        return about == self._turn.id and frame.type is EventType.ANSWER_COMPLETED


@pytest.mark.parametrize("seed", range(10))
async def test_the_stream_of_everything_tells_the_text_of_the_chat_beside_it(chats: Chats, seed: int) -> None:
    chance = random.Random(seed)
    turn, other = await chats.begun(), await chats.begun()
    scope = Scope("ann", beside=turn.chat_id)
    client = ListClient(turn, (await chats.log.replay(scope, 0))[0].id)
    writing = asyncio.gather(write_answer(chats, turn), write_answer(chats, other, "Something else."))
    async with asyncio.timeout(60):
        ended = False
        while not ended:
            last = client.durable[-1]
            async with aclosing(follow(chats.log, scope, f"{last}.7", no_snapshot, idle=30)) as stream:
                assert await anext(stream) == Position(last)
                frames = chance.randint(2, 12)
                while frames and not ended:
                    frame = await anext(stream)
                    assert isinstance(frame, Frame)
                    ended, frames = client.take(frame), frames - 1
        await writing
    assert client.text == TEXT
    kept = [event.id for event in await chats.log.replay(scope, 0)]
    assert client.durable == kept[: len(client.durable)]
