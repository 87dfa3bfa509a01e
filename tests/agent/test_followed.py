"""A turn as its followers see it, before a model that keeps nobody waiting."""

import asyncio
import json
from contextlib import aclosing

from service.agent.reader import BuiltInReader
from service.chats.events import Scope
from service.chats.stream import follow_turn
from tests.agent.desk import QUIET, Desk
from tests.kb.shelf import fill


async def test_the_beginning_of_an_answer_goes_out_before_the_rest_is_written(desk: Desk) -> None:
    await fill(desk.db, {"ports.md": "# Ports\n\nThe service listens on port 8123.\n"})
    desk.runner = desk.runner_with(BuiltInReader())
    desk.search_may_end.set()

    posted = await desk.ask()
    frames = follow_turn(desk.log, Scope("ann", posted.answer.chat_id), posted.answer, idle=QUIET)
    async with asyncio.timeout(QUIET), aclosing(frames) as told:
        texts = [json.loads(frame.data)["text"] async for frame in told if frame and frame.type == "answer.delta"]

    assert texts[0] == "The knowledge base does not tell this."
    assert "".join(texts) == (await desk.stored(posted)).content
