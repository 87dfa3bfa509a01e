"""The model client: what it sends, when it tries again, what its observer hears."""

import time
import traceback
from dataclasses import replace

import pytest

from service.agent.attempts import Retries
from service.agent.failures import FAILURES, failure, retry_after_seconds
from service.agent.llm import Endpoint, SdkChatModel
from service.agent.model import Message, ToolCall
from service.errors import ModelError, SettingsError
from tests.agent.asking import PATIENT, QUESTION, QUICK, REQUEST, TOOLS, ask, client, hear
from tests.fake_faults import ECHOED_KEY, FAULTS
from tests.fake_llm import FakeLLM


async def test_a_failed_attempt_is_followed_by_one_that_succeeds(fake: FakeLLM) -> None:
    fake.reply(FAULTS["500"], FAULTS["cut-before-text"])
    fake.say("There you are.")

    heard = await ask(fake, "m")

    assert (heard.text, len(fake.requests)) == ("There you are.", 3)
    assert fake.requests[0].body == fake.requests[2].body


async def test_nothing_is_retried_where_no_retries_are_wanted(fake: FakeLLM) -> None:
    async with client(fake, "500", retries=replace(QUICK, limit=0)) as model:
        heard = await hear(model)

    assert heard.error is not None
    assert len(fake.requests) == 1


async def test_a_retry_waits_as_long_as_the_provider_asks(fake: FakeLLM) -> None:
    fake.reply(FAULTS["429-after-1"])
    fake.say("Now.")

    began = time.monotonic()
    heard = await ask(fake, "m")

    assert heard.text == "Now."
    assert time.monotonic() - began >= 1


async def test_a_wait_that_would_outlast_the_turn_ends_the_call_at_once(fake: FakeLLM) -> None:
    fake.reply(FAULTS["429-after-20"])
    fake.say("Too late.")

    async with client(fake, retries=Retries()) as model:
        with pytest.raises(ModelError) as refused:
            _ = [piece async for piece in model.stream(replace(REQUEST, ends=time.monotonic() + 19))]

    assert (refused.value.code, refused.value.retry_after) == ("provider_rate_limited", 20)
    assert len(fake.requests) == 1


def test_a_wait_up_to_20_seconds_is_kept_and_a_longer_one_ends_the_call() -> None:
    retries = Retries()

    waited = retries.delay(failure("provider_rate_limited", retry_after=20), 0)
    assert waited is not None
    assert 20 <= waited <= 20.5
    assert retries.delay(failure("provider_rate_limited", retry_after=20.1), 0) is None


def test_waits_are_random_below_a_bound_that_doubles_up_to_8_seconds() -> None:
    retries = Retries(limit=10)
    for made, bound in enumerate([0.5, 1, 2, 4, 8, 8, 8]):
        waits = [retries.delay(failure("provider_error"), made) or 0.0 for _ in range(200)]
        assert bound / 2 < max(waits) <= bound
        assert min(waits) < bound / 2


@pytest.mark.parametrize("code", [code for code, known in FAILURES.items() if not known.retryable])
def test_what_asking_again_cannot_help_is_not_retried(code: str) -> None:
    assert Retries().delay(failure(code), 0) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"}, 0),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:37 -0000"}, 0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
    ],
)
def test_the_wait_asked_for_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers) == seconds


async def test_the_wait_asked_for_is_told_to_who_asks(fake: FakeLLM) -> None:
    long, date = await ask(fake, "429-after-120"), await ask(fake, "429-after-date")

    assert long.error is not None
    assert long.error.retry_after == 120
    assert date.error is not None
    assert date.error.retry_after is not None
    assert 60 < date.error.retry_after <= 90


async def test_the_request_is_what_every_provider_takes(fake: FakeLLM) -> None:
    call = ToolCall("c1", "search_kb", '{"query": "sse"')
    history = [*QUESTION, Message("assistant", "", (call,)), Message("tool", '{"passages": []}', call_id="c1")]
    endpoint = Endpoint(fake.base_url, "gpt-oss:20b", ECHOED_KEY, 500, "max_completion_tokens", 0.2)
    async with SdkChatModel(endpoint, PATIENT, QUICK) as model:
        await hear(model, history)
        assert model.name == "gpt-oss:20b"

    request = fake.requests[0]
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.body == {
        "model": "gpt-oss:20b",
        "messages": [message.wire() for message in history],
        "tools": [tool.wire() for tool in TOOLS],
        "tool_choice": "auto",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 500,
        "temperature": 0.2,
    }
    assert request.body["messages"][2]["tool_calls"][0]["function"]["arguments"] == "{}"
    assert request.headers["authorization"] == f"Bearer {ECHOED_KEY}"
    assert request.headers["accept-encoding"] == "identity"


async def test_what_is_not_set_is_not_sent(fake: FakeLLM) -> None:
    async with SdkChatModel(Endpoint(fake.base_url, "m"), PATIENT, QUICK) as model:
        await hear(model, tools=())

    assert fake.requests[0].body.keys() == {"model", "messages", "stream", "stream_options", "max_tokens"}
    assert fake.requests[0].headers["authorization"] == "Bearer none"


async def test_the_sdks_own_variables_send_nothing_elsewhere(
    fake: FakeLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(name, "not-for-this-endpoint")

    async with SdkChatModel(Endpoint(fake.base_url, "m"), PATIENT, QUICK) as model:
        await hear(model)

    assert not [name for name, value in fake.requests[0].headers.items() if "not-for-this" in value]


def test_a_key_is_neither_shown_nor_sent_broken() -> None:
    assert ECHOED_KEY not in repr(Endpoint("http://127.0.0.1:1/v1", "m", ECHOED_KEY))
    for bad in (f"{ECHOED_KEY}\n", f"{ECHOED_KEY} x", f"{ECHOED_KEY}ü"):
        with pytest.raises(SettingsError) as caught:
            SdkChatModel(Endpoint("http://127.0.0.1:1/v1", "m", bad), PATIENT, QUICK)
        assert "canary" not in "".join(traceback.format_exception(caught.value))


class Notes:
    """A `CallObserver` that writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []

    def call_started(self) -> None:
        self.heard.append(("started",))

    def first_content(self, seconds: float) -> None:
        assert 0 <= seconds < PATIENT.attempt
        self.heard.append(("first",))

    def call_retried(self, code: str) -> None:
        self.heard.append(("retried", code))

    def call_finished(self, result: str, seconds: float, prompt_tokens: int, completion_tokens: int) -> None:
        assert 0 <= seconds < PATIENT.attempt
        self.heard.append(("finished", result, prompt_tokens, completion_tokens))


async def test_an_observer_hears_of_the_call_its_retries_and_its_end(fake: FakeLLM) -> None:
    notes = Notes()
    fake.reply(FAULTS["429"])
    fake.call("search_kb", {"query": "x"})
    async with SdkChatModel(Endpoint(fake.base_url, "m"), PATIENT, QUICK, notes) as model:
        await hear(model)

    assert notes.heard == [
        ("started",), ("retried", "provider_rate_limited"), ("first",), ("finished", "ok", 11, 7),
    ]  # fmt: skip


async def test_an_observer_hears_of_failure_and_of_being_given_up(fake: FakeLLM) -> None:
    notes = Notes()
    fake.reply(FAULTS["cut-after-text"], FAULTS["drip-text"])
    async with SdkChatModel(Endpoint(fake.base_url, "m"), PATIENT, QUICK, notes) as model:
        await hear(model)
        pieces = model.stream(REQUEST)
        await anext(pieces)
        await pieces.aclose()

    assert notes.heard == [
        ("started",), ("first",), ("finished", "stream_interrupted", 0, 0),
        ("started",), ("first",), ("finished", "cancelled", 0, 0),
    ]  # fmt: skip
