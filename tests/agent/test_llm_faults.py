"""The model client against a server that does everything wrong, over real HTTP."""

import traceback
from dataclasses import replace

import pytest

from service.agent.attempts import Timeouts
from service.agent.failures import FAILURES, failure
from tests.agent.asking import PATIENT, QUICK, ask, client, hear
from tests.fake_faults import ECHOED_KEY, FAULTS
from tests.fake_llm import FakeLLM
from tests.fake_wire import ANSWER, TEXT, Wire

# The fault, the code it ends in, the requests made, the text shown before.
ENDINGS = [
    ("429", "provider_rate_limited", 3, ""),
    ("429-after-ms", "provider_rate_limited", 3, ""),
    ("429-after-120", "provider_rate_limited", 1, ""),
    ("429-after-date", "provider_rate_limited", 1, ""),
    ("429-quota", "provider_quota", 1, ""),
    ("402", "provider_quota", 1, ""),
    ("500", "provider_error", 3, ""),
    ("502-html", "provider_error", 3, ""),
    ("503-loading", "provider_error", 3, ""),
    ("529", "provider_error", 3, ""),
    ("401-echo", "provider_auth", 1, ""),
    ("403", "provider_auth", 1, ""),
    ("403-moderated", "refused", 1, ""),
    ("400-filter", "refused", 1, ""),
    ("error-filter", "refused", 1, ""),
    ("404-model", "unknown_model", 1, ""),
    ("405", "unknown_model", 1, ""),
    ("400", "bad_request", 1, ""),
    ("400-tool-choice", "bad_request", 1, ""),
    ("400-context-llamacpp", "context_too_long", 1, ""),
    ("400-context-openai", "context_too_long", 1, ""),
    ("400-context-openrouter", "context_too_long", 1, ""),
    ("400-context-vllm", "context_too_long", 1, ""),
    ("302", "incomplete_response", 1, ""),
    ("cut-before-head", "provider_unreachable", 3, ""),
    ("cut-before-text", "stream_interrupted", 3, ""),
    ("cut-after-text", "stream_interrupted", 1, ANSWER),
    ("close-without-finish", "incomplete_response", 1, ANSWER),
    ("done-without-finish", "incomplete_response", 1, ANSWER),
    ("zero-bytes", "incomplete_response", 2, ""),
    ("html-200", "incomplete_response", 2, ""),
    ("html-200-as-sse", "incomplete_response", 2, ""),
    ("json-200", "incomplete_response", 2, ""),
    ("json-cut-200", "incomplete_response", 2, ""),
    ("json-error-200", "incomplete_response", 2, ""),
    ("json-error-200-coded", "provider_rate_limited", 3, ""),
    ("empty-choices", "incomplete_response", 2, ""),
    ("error-at-0", "provider_error", 3, ""),
    ("error-at-1", "provider_rate_limited", 3, ""),
    ("error-at-n", "provider_error", 1, ANSWER),
    ("error-string", "provider_error", 3, ""),
    ("error-context", "context_too_long", 1, ""),
    ("error-finish", "provider_error", 3, ""),
    ("bad-json", "provider_protocol_error", 2, ""),
    ("bad-json-late", "provider_protocol_error", 1, ANSWER),
    ("json-list", "provider_protocol_error", 2, ""),
    ("empty", "empty_answer", 2, ""),
    ("whitespace", "empty_answer", 2, ""),
    ("only-thinking", "empty_answer", 2, ""),
    ("text-call-broken", "empty_answer", 2, ""),
    ("nameless-call", "empty_answer", 2, ""),
]


@pytest.mark.parametrize(("fault", "code", "requests", "shown"), ENDINGS, ids=[row[0] for row in ENDINGS])
async def test_a_fault_ends_in_its_code_after_as_many_requests_as_make_sense(
    fake: FakeLLM, fault: str, code: str, requests: int, shown: str
) -> None:
    heard = await ask(fake, fault)

    assert heard.error is not None, heard.reply
    assert (heard.error.code, len(fake.requests), heard.text) == (code, requests, shown)
    assert heard.error.retryable is (FAILURES[code].retryable and fault != "302")
    story = "".join(traceback.format_exception(heard.error))
    assert not any(part in story for part in (ECHOED_KEY, "canary", "abcdefghijkl"))


# The fault, the timeouts of which one matters, the code, the requests, the text shown before.
SILENCES = [
    ("hang", Timeouts(first_byte=0.3, gap=60, attempt=60), "provider_timeout", 2, ""),
    ("hang-after-head", Timeouts(first_byte=0.3, gap=60, attempt=60), "provider_timeout", 2, ""),
    ("hang-in-error", Timeouts(first_byte=0.3, gap=60, attempt=60), "provider_timeout", 2, ""),
    ("drip-comments", Timeouts(first_byte=0.3, gap=60, attempt=60), "provider_timeout", 2, ""),
    ("drip-empty", Timeouts(first_byte=0.3, gap=60, attempt=60), "provider_timeout", 2, ""),
    ("stall-after-text", Timeouts(first_byte=60, gap=1.5, attempt=60), "stalled", 1, ANSWER),
    ("comments-after-text", Timeouts(first_byte=60, gap=1.5, attempt=60), "stalled", 1, ANSWER),
    ("stall-in-call", Timeouts(first_byte=60, gap=1.5, attempt=60), "stalled", 2, ""),
    ("drip-empty", Timeouts(first_byte=60, gap=60, attempt=0.3), "attempt_timeout", 1, ""),
]


@pytest.mark.parametrize(("fault", "timeouts", "code", "requests", "shown"), SILENCES)
async def test_silence_ends_at_the_deadline_it_breaks_and_comments_are_silence(
    fake: FakeLLM, fault: str, timeouts: Timeouts, code: str, requests: int, shown: str
) -> None:
    heard = await ask(fake, fault, timeouts)

    assert heard.error is not None, heard.reply
    assert (heard.error.code, len(fake.requests), heard.text) == (code, requests, shown)
    assert fake.wait(lambda: fake.disconnects == requests), "each given up attempt is closed upstream"


async def test_an_endless_answer_ends_at_the_attempts_deadline_with_its_text_shown(fake: FakeLLM) -> None:
    heard = await ask(fake, "drip-text", replace(PATIENT, attempt=2.0))

    assert heard.error is not None
    assert (heard.error.code, len(fake.requests)) == ("attempt_timeout", 1)
    assert heard.text.startswith("word ")
    assert fake.wait(lambda: fake.disconnects == 1)


# The flood, the code it ends in, the requests made, the most text that may be shown.
FLOODS = [
    ("flood-thinking", "answer_too_long", 1, 0),
    ("flood-arguments", "answer_too_long", 1, 0),
    ("flood-calls", "answer_too_long", 1, 0),
    ("flood-line", "answer_too_long", 1, 0),
    ("flood-multi-line", "answer_too_long", 1, 0),
    ("flood-json", "answer_too_long", 1, 0),
    ("flood-error", "provider_error", 3, 0),
    ("flood-text", "answer_too_long", 1, 64 * 1024),
    ("flood-held", "answer_too_long", 1, 64 * 1024),
]


@pytest.mark.parametrize(("fault", "code", "requests", "most"), FLOODS, ids=[row[0] for row in FLOODS])
async def test_a_flood_is_stopped_at_its_limit_and_not_read_to_its_end(
    fake: FakeLLM, fault: str, code: str, requests: int, most: int
) -> None:
    heard = await ask(fake, fault)

    assert heard.error is not None
    assert (heard.error.code, len(fake.requests)) == (code, requests)
    assert most // 2 <= len(heard.text) <= most
    assert fake.wait(lambda: fake.disconnects == requests)


def test_every_flood_is_asked_for_here() -> None:
    assert {row[0] for row in FLOODS} == {name for name in FAULTS if name.startswith("flood-")}


@pytest.mark.parametrize(
    ("fault", "finish", "text"),
    [
        ("length-text", "length", ANSWER),
        ("length-args", "length", ""),
        ("length-written", "length", ""),
        ("filter-0", "content_filter", ""),
        ("filter-n", "content_filter", ANSWER),
    ],
)
async def test_a_reply_cut_short_says_so_and_has_no_calls(
    fake: FakeLLM, fault: str, finish: str, text: str
) -> None:
    heard = await ask(fake, fault)

    assert heard.reply is not None, heard.error
    assert (heard.reply.finish_reason, heard.reply.content, heard.reply.calls) == (finish, text, ())
    assert (heard.text, len(fake.requests)) == (text, 1)


@pytest.mark.parametrize(
    ("fault", "hint"),
    [
        ("400", "LLM_TEMPERATURE"),
        ("400-tool-choice", "--enable-auto-tool-choice"),
        ("401-echo", "LLM_API_KEY"),
        ("429-after-120", "it asks to wait 120 s"),
        ("404-model", "LLM_MODEL"),
        ("302", "redirects"),
        ("html-200", "web page"),
        ("zero-bytes", "no chunk"),
        ("cut-before-head", "closed the connection"),
    ],
)
async def test_an_error_says_what_to_look_at(fake: FakeLLM, fault: str, hint: str) -> None:
    heard = await ask(fake, fault)

    assert heard.error is not None
    assert hint in heard.error.detail


async def test_a_stream_cut_after_any_byte_shows_a_beginning_and_never_a_success(fake: FakeLLM) -> None:
    whole = b"".join(b'data: {"choices": [{"delta": {"content": "%b"}}]}\n\n' % text.encode() for text in TEXT * 5)

    def cut_at(place: int) -> None:
        async def run(wire: Wire) -> None:
            await wire.send(whole[:place] or b": nothing yet\n\n")
            wire.cut()

        fake.reply(run)

    async with client(fake, retries=replace(QUICK, limit=0)) as model:
        for place in range(0, len(whole), 45):
            cut_at(place)
            heard = await hear(model)
            assert heard.error is not None
            assert heard.error.code == "stream_interrupted"
            assert (ANSWER * 5).startswith(heard.text)


def test_every_code_says_what_to_do_in_one_line() -> None:
    for code in FAILURES:
        detail = failure(code).detail
        assert "; " in detail
        assert detail == detail.strip().rstrip(".")
        assert "\n" not in detail
