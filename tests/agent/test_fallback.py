"""Several models on one endpoint: who is asked when the first one fails, and what is said when all do."""

from contextlib import AsyncExitStack

import pytest

from service.agent.fallback import FallbackModel
from service.agent.model import TextPiece
from tests.agent.asking import REQUEST, Heard, client, hear
from tests.fake_dialects import DIALECTS
from tests.fake_llm import FakeLLM
from tests.fake_wire import ANSWER


async def ask(fake: FakeLLM, *models: str) -> tuple[Heard, list[str]]:
    """One call of models named after faults; what was heard, and the codes that led to the next model."""
    codes: list[str] = []
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(client(fake, model)) for model in models]
        return await hear(FallbackModel(opened, codes.append)), codes


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("500", "provider_error"),
        ("429-after-120", "provider_rate_limited"),
        ("402", "provider_quota"),
        ("404-model", "unknown_model"),
    ],
)
async def test_the_next_model_answers_what_the_first_one_cannot(fake: FakeLLM, fault: str, code: str) -> None:
    heard, codes = await ask(fake, fault, "whole-answer")
    assert (heard.text, codes) == (ANSWER, [code])
    assert heard.error is None
    assert fake.requests[-1].body["model"] == "whole-answer"


async def test_the_models_are_asked_in_order_until_one_answers(fake: FakeLLM) -> None:
    heard, codes = await ask(fake, "404-model", "402", "whole-answer", "500")
    assert (heard.text, codes) == (ANSWER, ["unknown_model", "provider_quota"])
    assert [request.body["model"] for request in fake.requests] == ["404-model", "402", "whole-answer"]


async def test_text_of_another_model_says_whose_it_is_from_the_first_piece_on(fake: FakeLLM) -> None:
    for first, named in (("whole-answer", ""), ("402", "vllm")):
        async with client(fake, first) as one, client(fake, "vllm") as other:
            pieces = [piece async for piece in FallbackModel([one, other], lambda _: None).stream(REQUEST)]
        assert {piece.model for piece in pieces if isinstance(piece, TextPiece)} == {named}
    assert "vllm" in DIALECTS


@pytest.mark.parametrize("fault", ["401-echo", "400", "400-context-openai", "empty"])
async def test_what_would_happen_with_any_model_is_not_asked_of_another(fake: FakeLLM, fault: str) -> None:
    heard, codes = await ask(fake, fault, "whole-answer")
    assert heard.error is not None
    assert (heard.text, codes) == ("", [])


async def test_after_the_first_text_no_other_model_goes_on(fake: FakeLLM) -> None:
    heard, codes = await ask(fake, "error-at-n", "whole-answer")
    assert heard.error is not None
    assert (heard.error.code, heard.text, codes) == ("provider_error", ANSWER, [])


async def test_when_all_fail_it_is_told_what_the_first_one_said(fake: FakeLLM) -> None:
    heard, codes = await ask(fake, "402", "404-model")
    assert heard.error is not None
    assert (heard.error.code, codes) == ("provider_quota", ["provider_quota"])


async def test_the_name_is_that_of_the_first_model(fake: FakeLLM) -> None:
    async with client(fake, "one") as one, client(fake, "two") as two:
        assert FallbackModel([one, two], lambda _: None).name == "one"
