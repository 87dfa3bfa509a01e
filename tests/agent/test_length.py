"""Answers of a length that the client bounds: told to the model, cut where that is not enough."""

import pytest

from service.agent.context import tokens
from service.agent.length import BoundedModel, Room
from service.agent.model import Message
from service.agent.reader import BuiltInReader
from tests.agent.asking import QUESTION, TOOLS, client, hear
from tests.fake_llm import FakeLLM

LONG = "word " * 100


@pytest.mark.parametrize("most", [1, 2, 7, 40])
@pytest.mark.parametrize("text", ["plain words only", "港口号是八一二三", "naïve café, 港口", "👩‍🚀 x"])
def test_what_is_let_through_is_a_beginning_that_fits_whatever_its_pieces(text: str, most: int) -> None:
    for size in (1, 3, len(text)):
        room = Room(most)
        shown = "".join(room.take(text[at : at + size]) for at in range(0, len(text), size))
        assert text.startswith(shown)
        assert tokens(shown) <= most
        assert room.cut == (shown != text)
        assert not room.cut or 3 * most - sum(1 if c.isascii() else 3 for c in shown) < 3


def test_without_a_bound_everything_is_let_through() -> None:
    room = Room(None)
    assert (room.take(LONG * 100), room.cut) == (LONG * 100, False)


@pytest.mark.parametrize(
    ("most", "tools", "told"), [(5, True, 256), (5, False, 5), (400, True, 400), (9999, False, 1024)]
)
async def test_the_model_is_told_the_bound_with_room_for_a_tool_call(most: int, *, tools: bool, told: int) -> None:
    with FakeLLM() as fake:
        fake.say("Short.")
        async with client(fake) as model:
            heard = await hear(BoundedModel(model, most), QUESTION, TOOLS if tools else ())
        assert fake.requests[0].body["max_tokens"] == told
        assert (heard.text, heard.reply and heard.reply.finish_reason) == ("Short.", "stop")


async def test_what_a_model_says_beyond_the_bound_is_kept_back_and_its_tokens_are_counted() -> None:
    with FakeLLM() as fake:
        fake.say(LONG)
        fake.call("search_kb", {"query": "port"})
        async with client(fake) as model:
            cut, calling = [await hear(BoundedModel(model, 10)) for _ in range(2)]
    assert cut.reply is not None
    assert (cut.text, cut.reply.finish_reason) == ("word word word word word word ", "length")
    assert cut.reply.usage.completion_tokens > 0
    assert calling.reply is not None
    assert (calling.reply.calls[0].name, calling.reply.finish_reason) == ("search_kb", "tool_calls")


async def test_the_model_cuts_by_itself_where_it_was_told_exactly() -> None:
    with FakeLLM() as fake:
        fake.say("Ten words that take few tokens and are all kept.", finish="length")
        async with client(fake) as model:
            heard = await hear(BoundedModel(model, 8), QUESTION, ())
    assert heard.text.endswith("all kept.")
    assert (heard.reply and heard.reply.finish_reason) == "length"


async def test_the_reader_keeps_to_the_bound() -> None:
    asked = [Message("system", "Answer."), Message("user", "What can you do?")]
    whole, cut = await hear(BuiltInReader(), asked, ()), await hear(BoundedModel(BuiltInReader(), 20), asked, ())
    assert whole.reply is not None
    assert cut.reply is not None
    assert whole.text.startswith(cut.text)
    assert tokens(cut.text) <= 20 < tokens(whole.text)
    assert (whole.reply.finish_reason, cut.reply.finish_reason) == ("stop", "length")
    assert cut.reply.content == cut.text
