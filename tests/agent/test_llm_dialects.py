"""The model client against every dialect of an OpenAI-compatible server, over real HTTP."""

import asyncio
import threading

import pytest

from service.agent.model import Reply, TextPiece, Usage
from tests.agent.asking import REQUEST, ask, client
from tests.fake_dialects import DIALECTS, UNICODE
from tests.fake_faults import FAULTS
from tests.fake_llm import FakeLLM
from tests.fake_wire import ANSWER, ARGUMENTS, Wire, chunk

USED = Usage(11, 7)

# The dialect, and the text and usage it tells.
TEXTS = [
    ("whole-answer", ANSWER, USED),
    ("no-done", ANSWER, USED),
    ("no-blank-line-at-end", ANSWER, USED),
    ("cut-after-finish", ANSWER, Usage()),
    ("error-null", ANSWER, USED),
    ("role-everywhere", ANSWER, Usage()),
    ("usage-negative", ANSWER, Usage(0, 3)),
    ("usage-huge", ANSWER, Usage()),
    ("usage-null", ANSWER, Usage()),
    ("usage-odd", ANSWER, Usage()),
    ("usage-late", ANSWER, USED),
    ("usage-then-chunk", ANSWER, USED),
    ("think", ANSWER, USED),
    ("parts", ANSWER, USED),
    ("refusal-field", "I cannot.", Usage()),
    ("crlf", ANSWER, USED),
    ("bom-and-fields", ANSWER, USED),
    ("multi-line", ANSWER, USED),
    ("split-utf8", UNICODE, USED),
    ("openrouter", ANSWER, USED),
    ("vllm", ANSWER, USED),
    ("whole-json", ANSWER, USED),
    ("text-json", '```json\n{"retry": 2000}\n```', USED),
    ("text-call-unknown", '{"name": "person", "arguments": {"query": "sse resume"}}', USED),
]


@pytest.mark.parametrize(("dialect", "text", "usage"), TEXTS, ids=[row[0] for row in TEXTS])
async def test_text_is_understood_in_every_dialect(fake: FakeLLM, dialect: str, text: str, usage: Usage) -> None:
    heard = await ask(fake, dialect)

    assert heard.reply is not None, heard.error
    assert (heard.reply.content, heard.reply.usage, heard.reply.calls) == (text, usage, ())
    assert heard.reply.finish_reason == "stop"
    assert heard.text == text
    assert len(fake.requests) == 1


SEARCH, TOPICS = ("search_kb", ARGUMENTS), ("list_kb_topics", "{}")
# The dialect, and the ids (None: one must be made up) and calls it tells.
CALLS = [
    ("parallel", ["a", "b"], [SEARCH, TOPICS]),
    ("repeated-ids", ["a"], [SEARCH]),
    ("same-id-twice", ["a", None], [SEARCH, TOPICS]),
    ("missing-ids", [None, None], [SEARCH, TOPICS]),
    ("same-index", ["a", "b"], [SEARCH, TOPICS]),
    ("same-index-no-ids", [None, None], [SEARCH, SEARCH]),
    ("same-index-no-ids-no-arguments", [None, None], [("list_kb_topics", ""), SEARCH]),
    ("repeated-names", [None], [("search_kb", '{"query": "sse resume", "filter": {}}')]),
    ("no-index", ["a", "b"], [SEARCH, TOPICS]),
    ("index-from-1", ["a", "b"], [SEARCH, TOPICS]),
    ("finish-stop-with-call", ["a"], [SEARCH]),
    ("object-arguments", [None], [SEARCH]),
    ("ollama", ["call_1", "call_2"], [SEARCH, TOPICS]),
    ("text-call", [None], [SEARCH]),
    ("text-call-twice", [None, None], [SEARCH, SEARCH]),
    ("text-call-bare", [None], [SEARCH]),
    ("text-call-parameters", [None], [SEARCH]),
    ("text-call-fenced", [None], [SEARCH]),
    ("text-call-openai", [None], [SEARCH]),
    ("think-then-call", [None], [SEARCH]),
]


@pytest.mark.parametrize(("dialect", "ids", "called"), CALLS, ids=[row[0] for row in CALLS])
async def test_calls_are_understood_in_every_dialect_and_never_shown(
    fake: FakeLLM, dialect: str, ids: list[str | None], called: list[tuple[str, str]]
) -> None:
    heard = await ask(fake, dialect)

    assert heard.reply is not None, heard.error
    assert (heard.text, heard.reply.content, heard.reply.finish_reason) == ("", "", "tool_calls")
    assert [(call.name, call.arguments) for call in heard.reply.calls] == called
    found = [call.id for call in heard.reply.calls]
    assert len(set(found)) == len(found)
    assert all(
        call_id == wanted or (wanted is None and call_id) for call_id, wanted in zip(found, ids, strict=True)
    )
    assert heard.reply.usage == USED


async def test_a_piece_arrives_before_the_next_one_is_sent(fake: FakeLLM) -> None:
    seen = threading.Event()

    async def run(wire: Wire) -> None:
        await wire.event(chunk({"content": "first"}))
        assert await asyncio.to_thread(seen.wait, 60)
        await wire.events(chunk({"content": ", second"}), chunk({}, "stop"))
        await wire.done()

    fake.reply(run)
    async with client(fake) as model:
        pieces = model.stream(REQUEST)
        assert await anext(pieces) == TextPiece("first")
        seen.set()
        rest = [piece async for piece in pieces]

    assert rest[0] == TextPiece(", second")
    assert isinstance(rest[-1], Reply)


async def test_text_before_a_written_call_is_shown_and_the_call_found(fake: FakeLLM) -> None:
    heard = await ask(fake, "text-call-after-text")

    assert heard.reply is not None, heard.error
    assert (heard.text, heard.reply.content) == ("Let me look. ", "Let me look. ")
    assert [(call.name, call.arguments) for call in heard.reply.calls] == [SEARCH]


def test_every_dialect_is_asked_for_somewhere_here() -> None:
    asked = {row[0] for row in TEXTS} | {row[0] for row in CALLS} | {"text-call-after-text"}

    assert asked - FAULTS.keys() == DIALECTS.keys()
