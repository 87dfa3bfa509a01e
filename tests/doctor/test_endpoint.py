"""What the doctor tells of a model's endpoint, against servers that behave as the known ones do."""

from collections.abc import Iterator

import pytest

from service.doctor.endpoint import examine
from service.doctor.findings import Finding, Level
from service.settings import Settings
from tests.fake_faults import ECHOED_KEY, FAULTS
from tests.fake_llm import FakeLLM
from tests.fake_wire import call_script


@pytest.fixture
def fake() -> Iterator[FakeLLM]:
    with FakeLLM(faults=FAULTS) as running:
        yield running


async def found(base_url: str, model: str = "fake", **settings: object) -> dict[str, Finding]:
    """The findings by their check."""
    given = {"llm_base_url": base_url, "llm_model": model, "llm_connect_timeout": 2, **settings}
    config = Settings.model_validate(given)
    return {finding.check: finding async for finding in examine(config)}


async def test_without_a_model_the_built_in_reader_is_well() -> None:
    (finding,) = [finding async for finding in examine(Settings.model_construct())]
    assert (finding.level, "built-in reader" in finding.detail) == (Level.OK, True)


async def test_a_model_that_does_all_is_well(fake: FakeLLM) -> None:
    fake.pages["/v1/models"] = {"data": [{"id": "fake", "max_model_len": 16384}]}
    fake.reply(call_script(("ping", {"text": "one"}), ("ping", {"text": "two"})))
    told = await found(fake.base_url)
    assert {finding.level for finding in told.values()} == {Level.OK}
    assert "several at once" in told["fake: tools"].detail
    assert "16384 tokens" in told["fake: window"].detail


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/v1/models", {"data": [{"id": "fake", "max_model_len": 4096}]}),
        ("/v1/models", {"data": [{"id": "fake", "context_length": 4096}]}),
        ("/props", {"default_generation_settings": {"n_ctx": 4096}, "total_slots": 1}),
        ("/api/ps", {"models": [{"name": "fake:latest", "context_length": 4096}]}),
    ],
    ids=["vLLM", "OpenRouter", "llama.cpp", "Ollama"],
)
async def test_a_window_smaller_than_the_setting_is_found(fake: FakeLLM, path: str, page: object) -> None:
    fake.pages[path] = page
    finding = (await found(fake.base_url))["fake: window"]
    assert (finding.level, "LLM_CONTEXT_TOKENS=4096" in finding.fix) == (Level.BROKEN, True)


async def test_a_window_that_nobody_tells_of_is_noted(fake: FakeLLM) -> None:
    told = await found(fake.base_url)
    assert told["fake: window"].level is Level.NOTE
    assert "one tool call at a time" in told["fake: parallel"].detail


async def test_a_model_that_calls_no_tools_is_broken(fake: FakeLLM) -> None:
    fake.say("ping one, ping two")
    finding = (await found(fake.base_url))["fake: tools"]
    assert (finding.level, "--jinja" in finding.fix) == (Level.BROKEN, True)


async def test_a_name_that_the_endpoint_does_not_list_is_told_with_those_it_does(fake: FakeLLM) -> None:
    finding = (await found(fake.base_url, "404-model"))["endpoint"]
    assert (finding.level, "lists fake, not 404-model" in finding.detail) == (Level.WARNING, True)


@pytest.mark.parametrize(
    ("fault", "fix"),
    [
        ("404-model", "LLM_MODEL"),
        ("401-echo", "LLM_API_KEY"),
        ("429-quota", "credit"),
        ("400-tool-choice", "tool"),
        ("html-200", "LLM_BASE_URL"),
    ],
)
async def test_a_model_that_fails_is_broken_with_what_to_check(fake: FakeLLM, fault: str, fix: str) -> None:
    told = await found(fake.base_url, fault, llm_api_key=ECHOED_KEY)
    assert (told[fault].level, fix in told[fault].fix) == (Level.BROKEN, True)
    assert ECHOED_KEY not in str(told)


async def test_each_fallback_is_asked_too(fake: FakeLLM) -> None:
    told = await found(fake.base_url, llm_fallback_models="404-model")
    assert (told["fake"].level, told["404-model"].level) == (Level.OK, Level.BROKEN)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/v1", "https://127.0.0.1:{port}/v1", "http://nowhere.invalid/v1"]
)
async def test_an_endpoint_that_cannot_be_reached_is_broken(fake: FakeLLM, address: str) -> None:
    port = fake.base_url.rpartition(":")[2].partition("/")[0]
    (finding,) = (await found(address.format(port=port))).values()
    assert (finding.level, "LLM_BASE_URL" in finding.fix) == (Level.BROKEN, True)
