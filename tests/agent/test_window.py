"""Requests that fit the model's window: after an overflow, and by what the provider counts."""

from collections.abc import Sequence

import pytest

from service.agent.context import size, transcript
from service.agent.model import Message, Tool
from service.agent.window import FittedModel
from service.chats.turns import Exchange
from tests.agent.asking import TOOLS, Heard, client, hear
from tests.fake_faults import FAULTS
from tests.fake_llm import FakeLLM, Request
from tests.fake_wire import Script, chunk, refusal, stream, text_script, usage_chunk

EXCHANGES = [Exchange(f"question {n}", "word " * 200) for n in range(20)]
CHAT = transcript("be brief", EXCHANGES, "now?", window=100_000)
OPENAI = {"message": "This model's maximum context length is 4096 tokens. However, you requested 9000"}


def lengths(fake: FakeLLM) -> list[int]:
    """How many tokens were sent each time, by our estimate."""
    return [size([Message(m["role"], m["content"]) for m in request.messages]) for request in fake.requests]


def refusing(window: int, error: object) -> FakeLLM:
    """A model that refuses what is longer than its window, and counts as we do."""

    def answer(request: Request) -> Script:
        sent = size([Message(m["role"], m["content"]) for m in request.messages])
        if sent > window:
            return refusal(400, error)
        return stream(chunk({"content": "Fits."}), chunk({}, "stop"), usage_chunk({"prompt_tokens": sent}))

    return FakeLLM(answer)


async def ask(fake: FakeLLM, window: int, times: int = 1, chat: Sequence[Message] = CHAT) -> list[Heard]:
    """Ask the same fitted model a number of times."""
    async with client(fake, "m") as model:
        fitting = FittedModel(model, window, answer=512)
        return [await hear(fitting, chat) for _ in range(times)]


@pytest.mark.parametrize(
    "error",
    [{"message": "request (6010 tokens)", "type": "exceed_context_size_error", "n_ctx": 4096}, OPENAI],
    ids=["llama.cpp", "prose"],
)
async def test_the_window_that_the_provider_names_is_fitted_to_and_remembered(error: object) -> None:
    with refusing(4096, error) as fake:
        heard = await ask(fake, 8192, times=2)
        assert [one.text for one in heard] == ["Fits.", "Fits."]
        assert len(fake.requests) == 3
        first, *fitting = lengths(fake)
        assert first > 4096
        assert all(2500 < sent <= 4096 - 512 for sent in fitting)
        assert fake.requests[-1].messages[0]["content"] == "be brief"
        assert fake.requests[-1].messages[-1]["content"] == "now?"


async def test_the_named_window_is_remembered_also_where_the_shorter_request_fails(fake: FakeLLM) -> None:
    fake.reply(refusal(400, OPENAI), FAULTS["401-echo"])
    fake.say("Fits.")
    failed, heard = await ask(fake, 8192, times=2)
    assert failed.error is not None
    assert (failed.error.code, heard.text) == ("provider_auth", "Fits.")
    assert [sent > 4096 - 512 for sent in lengths(fake)] == [True, False, False]


async def test_a_count_in_the_refusal_corrects_the_estimate(fake: FakeLLM) -> None:
    counted = {"type": "exceed_context_size_error", "message": "x", "n_ctx": 8192, "n_prompt_tokens": 14_000}
    fake.reply(refusal(400, counted))
    fake.say("Fits.")
    (heard,) = await ask(fake, 8192)
    assert heard.text == "Fits."
    first, second = lengths(fake)
    assert second < (8192 - 512) / 1.6 < first


async def test_without_a_name_half_is_tried_and_remembered_when_it_fits() -> None:
    with refusing(5000, {"message": "too long", "code": "context_length_exceeded"}) as fake:
        heard = await ask(fake, 8192, times=2)
        assert [one.text for one in heard] == ["Fits.", "Fits."]
        assert len(fake.requests) == 3
        assert all(sent <= 4096 - 512 for sent in lengths(fake)[1:])


async def test_what_is_still_too_long_fails_after_two_requests(fake: FakeLLM) -> None:
    fake.reply(FAULTS["400-context-openai"], FAULTS["400-context-openai"])
    (heard,) = await ask(fake, 8192)
    assert heard.error is not None
    assert (heard.error.code, heard.error.retryable, len(fake.requests)) == ("context_too_long", False, 2)


async def test_what_cannot_be_shortened_is_not_sent_again(fake: FakeLLM) -> None:
    fake.reply(FAULTS["400-context-llamacpp"])
    (heard,) = await ask(fake, 8192, chat=CHAT[:1] + CHAT[-1:])
    assert heard.error is not None
    assert (heard.error.code, heard.error.window, len(fake.requests)) == ("context_too_long", 2048, 1)


async def test_an_overflow_after_text_is_no_reason_to_begin_again(fake: FakeLLM) -> None:
    late = {"error": {"message": "x", "metadata": {"error_type": "context_length_exceeded"}}}
    fake.reply(stream(chunk({"content": "Some"}), late))
    (heard,) = await ask(fake, 8192)
    assert heard.error is not None
    assert (heard.error.code, heard.text, len(fake.requests)) == ("context_too_long", "Some", 1)


@pytest.mark.parametrize(("share", "factor"), [(2.0, 0.5), (0.7, 1.06), (50, 0.5), (0, 1)])
async def test_the_estimate_follows_what_the_provider_counts_within_bounds(share: float, factor: float) -> None:
    def counting(request: Request) -> Script:
        sent = size([Message(m["role"], m["content"]) for m in request.messages])
        count = {"prompt_tokens": int(share * (sent + 60))}
        return stream(chunk({"content": "x"}), chunk({}, "stop"), usage_chunk(count))

    with FakeLLM(counting) as fake:
        await ask(fake, 4096, times=2)
        first, second = lengths(fake)
        assert abs(second / first - factor) < 0.12


async def test_all_is_sent_where_it_fits(fake: FakeLLM) -> None:
    fake.reply(text_script("Fits."))
    (heard,) = await ask(fake, 100_000)
    assert heard.text == "Fits."
    assert [m["content"] for m in fake.requests[0].messages] == [m.content for m in CHAT]
    assert len(fake.requests[0].body["tools"]) == len(TOOLS)


async def test_an_answer_as_long_as_the_window_leaves_half_of_it_to_the_request(fake: FakeLLM) -> None:
    fake.reply(text_script("Fits."))
    chat = transcript("be brief", [Exchange("Who?", "Ada.")], "now?", window=600)
    await ask(fake, 600, chat=chat)
    assert len(fake.requests[0].messages) == len(chat) == 4


async def test_what_the_tools_take_is_left_for_them(fake: FakeLLM) -> None:
    fake.reply(text_script("Fits."))
    tool = Tool("search_kb", "word " * 1800, {"type": "object"})  # about 3,000 tokens
    async with client(fake, "m") as model:
        await hear(FittedModel(model, 8192, answer=512), CHAT, [tool])
    assert 4000 < lengths(fake)[0] < 8192 - 512 - 3000


async def test_an_overflow_ends_the_trust_in_counts_below_the_estimate() -> None:
    def counting_less(request: Request) -> Script:
        sent = size([Message(m["role"], m["content"]) for m in request.messages])
        if sent > 4500:
            return refusal(400, {"message": "too long", "code": "context_length_exceeded"})
        return stream(chunk({"content": "Fits."}), chunk({}, "stop"), usage_chunk({"prompt_tokens": sent // 2}))

    with FakeLLM(counting_less) as fake:
        async with client(fake, "m") as model:
            fitting = FittedModel(model, 8192, answer=512)
            for chat in [CHAT[-9:]] * 5 + [CHAT]:
                assert (await hear(fitting, chat)).text == "Fits."
        assert len(fake.requests) == 7
