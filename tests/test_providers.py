"""What the settings say of the model reaches whoever calls it."""

import asyncio

from service.agent.context import size, transcript
from service.agent.model import Message
from service.chats.turns import Exchange
from service.providers import open_model
from service.settings import Settings
from service.telemetry import Metrics
from tests.agent.asking import hear
from tests.fake_faults import FAULTS
from tests.fake_llm import FakeLLM
from tests.fake_wire import text_script


def settings(fake: FakeLLM, **given: object) -> Settings:
    known = {"llm_base_url": fake.base_url, "llm_model": "m", "llm_probe": False}
    return Settings.model_validate(known | given)


async def test_of_the_window_there_is_left_what_the_answer_may_take() -> None:
    chat = transcript("be brief", [Exchange(f"{n}?", "word " * 200) for n in range(30)], "now?", window=100_000)
    with FakeLLM(lambda _: text_script("Fits.")) as fake:
        given = settings(fake, llm_context_tokens=4096, llm_max_tokens=2000)
        async with open_model(given, Metrics("0", "0")) as (model, _):
            assert (await hear(model, chat)).text == "Fits."
        sent = [Message(message["role"], message["content"]) for message in fake.requests[0].messages]
    assert 1500 < size(sent) <= 4096 - 2000


async def test_with_no_share_for_retries_there_are_ten_whatever_the_number_of_calls() -> None:
    with FakeLLM(lambda _: FAULTS["500"]) as fake:
        given = settings(fake, llm_retry_budget=0, llm_max_retries=1, llm_breaker_failures=0)
        async with open_model(given, Metrics("0", "0")) as (model, _):
            for requests in (20, 30):
                await asyncio.gather(*(hear(model) for _ in range(10)))
                assert len(fake.requests) == requests
