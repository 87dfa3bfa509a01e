"""The model client with a real language model behind it."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from service.agent.attempts import Retries, Timeouts
from service.agent.context import transcript
from service.agent.llm import Endpoint, SdkChatModel
from service.agent.model import Message, Request, Tool
from service.agent.window import FittedModel
from service.chats.turns import Exchange
from tests.agent.asking import hear
from tests.agent.llama_server import CONTEXT_TOKENS

pytestmark = pytest.mark.llm

SEARCH = Tool(
    "search_kb",
    "Search the knowledge base. Call it before answering.",
    {
        "type": "object",
        "properties": {"query": {"type": "string", "description": "What to look for.", "maxLength": 400}},
        "required": ["query"],
        "additionalProperties": False,
    },
)
SYSTEM = Message("system", "Answer only from what search_kb returns.")
QUESTION = Message("user", "How long are idempotency keys kept?")
PASSAGE = {
    "id": 1,
    "document": "guides/idempotency.md",
    "title": "Idempotency",
    "text": "Idempotency keys are kept for 24 hours.",
}


@pytest.fixture
async def model(real_endpoint: Endpoint) -> AsyncIterator[SdkChatModel]:
    async with SdkChatModel(real_endpoint, Timeouts(first_byte=45, gap=45, attempt=55), Retries()) as opened:
        yield opened


async def test_a_question_is_turned_into_a_search(model: SdkChatModel) -> None:
    heard = await hear(model, [SYSTEM, QUESTION], [SEARCH])

    assert heard.reply is not None, heard.error
    assert heard.reply.finish_reason == "tool_calls"
    call = heard.reply.calls[0]
    assert (call.name, bool(call.id)) == ("search_kb", True)
    assert json.loads(call.arguments)["query"]


async def test_a_search_result_is_answered_in_text_that_arrives_in_pieces(model: SdkChatModel) -> None:
    asked = await hear(model, [SYSTEM, QUESTION], [SEARCH])
    assert asked.reply is not None, asked.error
    calls = asked.reply.calls[:1]
    result = json.dumps({"query": "idempotency keys", "passages": [PASSAGE]})
    messages = [
        SYSTEM,
        QUESTION,
        Message("assistant", asked.reply.content, calls),
        Message("tool", result, call_id=calls[0].id),
    ]

    heard = await hear(model, messages, [SEARCH])

    assert heard.reply is not None, heard.error
    assert heard.reply.finish_reason == "stop"
    assert "24" in heard.reply.content
    assert heard.text == heard.reply.content
    assert len(heard.pieces) > 1
    assert heard.reply.usage.prompt_tokens > 0
    assert 0 < heard.reply.usage.completion_tokens <= 256


async def test_a_reply_that_meets_its_token_limit_says_so(real_endpoint: Endpoint) -> None:
    async with SdkChatModel(replace(real_endpoint, max_tokens=3), Timeouts(), Retries()) as model:
        heard = await hear(model, [SYSTEM, QUESTION], [SEARCH])

    assert heard.reply is not None, heard.error
    assert (heard.reply.finish_reason, heard.reply.calls) == ("length", ())


async def test_a_conversation_past_the_window_is_told_apart(model: SdkChatModel, real_endpoint: Endpoint) -> None:
    if real_endpoint.model != "tinylm":
        pytest.skip("only the tiny model's window is known")

    heard = await hear(model, [SYSTEM, Message("user", "resume " * 5_000)], [SEARCH])

    assert heard.error is not None
    assert (heard.error.code, heard.error.window) == ("context_too_long", CONTEXT_TOKENS)


async def test_a_conversation_past_the_window_is_shortened_to_what_the_server_names(
    model: SdkChatModel, real_endpoint: Endpoint
) -> None:
    if real_endpoint.model != "tinylm":
        pytest.skip("only the tiny model's window is known")
    exchanges = [Exchange(f"And {n}?", "resume " * 300) for n in range(20)]

    heard = await hear(FittedModel(model, 100_000, 256), transcript(SYSTEM.content, exchanges, "Hello", 100_000))

    assert heard.reply is not None, heard.error
    assert 0 < heard.reply.usage.prompt_tokens <= CONTEXT_TOKENS


async def test_a_call_given_up_leaves_the_model_free_for_the_next(model: SdkChatModel) -> None:
    pieces = model.stream(Request([SYSTEM, Message("user", "Hello")]))
    await anext(pieces)
    await pieces.aclose()

    heard = await hear(model, [SYSTEM, QUESTION], [SEARCH])

    assert heard.reply is not None, heard.error
