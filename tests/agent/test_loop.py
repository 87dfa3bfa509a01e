"""The agent loop: a scripted model over HTTP, the real tools on a real index."""

import json
from collections.abc import Sequence
from contextlib import aclosing

import pytest

from service.agent.attempts import Retries, Timeouts
from service.agent.draft import Draft
from service.agent.endings import report
from service.agent.llm import Endpoint, SdkChatModel
from service.agent.loop import (
    Limits,
    ModelReplied,
    TextAdded,
    TextWithdrawn,
    ToolFinished,
    ToolStarted,
    TurnEvent,
    answer,
    unanswered,
)
from service.agent.model import Message, ToolCall
from service.agent.tools import Toolbox
from service.chats.records import Outcome, Status
from service.errors import ModelError
from service.telemetry import Metrics
from tests.fake_faults import FAULTS
from tests.fake_llm import FakeLLM
from tests.fake_wire import call_delta, call_script, calls, content

LIMITS = Limits(llm_calls=8, tool_calls=16, seconds=60, window=8192)
QUESTION = (Message("system", "cite"), Message("user", "Which port?"))
GREETING = (Message("system", "cite"), Message("user", "hello"))


async def run(
    fake: FakeLLM,
    toolbox: Toolbox,
    limits: Limits = LIMITS,
    transcript: Sequence[Message] = QUESTION,
    draft: Draft | None = None,
) -> tuple[list[TurnEvent], Draft]:
    """Answer with the scripted model; give the events and the draft."""
    draft = draft or Draft("scripted")
    endpoint = Endpoint(fake.base_url, "scripted")
    async with (
        SdkChatModel(endpoint, Timeouts(), Retries(limit=0)) as model,
        aclosing(answer(model, toolbox, transcript, limits, draft)) as events,
    ):
        return [event async for event in events], draft


def kinds(events: Sequence[TurnEvent]) -> list[type[TurnEvent]]:
    """The kinds of events, runs of text as one."""
    found: list[type[TurnEvent]] = []
    for event in events:
        if not (found and found[-1] is TextAdded and isinstance(event, TextAdded)):
            found.append(type(event))
    return found


async def test_a_search_then_an_answer(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.call("search_kb", {"query": "port"})
    fake.say("It is 8123 [1].")
    events, draft = await run(fake, toolbox)
    assert kinds(events) == [ModelReplied, ToolStarted, ToolFinished, TextAdded]
    assert (draft.text, draft.outcome) == ("It is 8123 [1].", Outcome.GROUNDED)
    assert draft.citations[0].quote == "The service listens on port 8123."
    assert (draft.llm_calls, draft.tool_calls) == (2, 1)
    assert draft.prompt_tokens > 0
    assert toolbox.kb_revision == 1


async def test_a_greeting_needs_no_tool(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.say("Hello!")
    events, draft = await run(fake, toolbox, transcript=GREETING)
    assert kinds(events) == [TextAdded]
    assert draft.outcome is Outcome.CONVERSATIONAL


async def test_text_before_the_first_search_is_not_shown(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.reply(calls({"content": "Looking [9]."}, call_delta(0, "c", "search_kb", '{"query": "port"}')))
    fake.say("It is 8123 [1].")
    events, draft = await run(fake, toolbox)
    assert kinds(events) == [ModelReplied, ToolStarted, ToolFinished, TextAdded]
    assert (draft.text, draft.citations_dropped) == ("It is 8123 [1].", 0)


async def test_text_before_a_later_call_is_withdrawn_with_its_markers(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.call("search_kb", {"query": "port"})
    fake.reply(calls({"content": "More [9]."}, call_delta(0, "c", "search_kb", '{"query": "logs"}')))
    fake.say("It is 8123 [1].")
    events, draft = await run(fake, toolbox)
    assert kinds(events)[3:] == [TextAdded, TextWithdrawn, ModelReplied, ToolStarted, ToolFinished, TextAdded]
    assert (draft.text, draft.citations_dropped) == ("It is 8123 [1].", 0)
    metrics = Metrics("0", "0")
    report(metrics, "turn_1", draft, Status.COMPLETED, None)
    assert metrics.registry.get_sample_value("kb_agent_first_token_seconds_count") == 1


async def test_what_was_withdrawn_cites_nothing_when_the_model_then_fails(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.call("search_kb", {"query": "port"})
    fake.reply(calls({"content": "It is 8123 [1]."}, call_delta(0, "c", "search_kb", '{"query": "logs"}')))
    fake.reply(FAULTS["402"])
    draft = Draft("scripted")
    with pytest.raises(ModelError):
        await run(fake, toolbox, draft=draft)
    assert (draft.tool_calls, draft.text, draft.citations) == (2, "", ())


async def test_a_model_that_never_searches_gets_a_search_made_for_it(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.say("I believe it is 80.")
    fake.say("It is 8123 [1].")
    events, draft = await run(fake, toolbox)
    step = next(event.step for event in events if isinstance(event, ToolFinished))
    assert (step.name, step.made_by, step.hits) == ("search_kb", "service", 1)
    assert json.loads(step.arguments) == {"query": "Which port?"}
    assert (draft.text, draft.outcome) == ("It is 8123 [1].", Outcome.GROUNDED)
    assert "I believe" not in "".join(event.text for event in events if isinstance(event, TextAdded))
    asked = fake.requests[-1].messages
    assert [m["role"] for m in asked] == ["system", "user", "assistant", "tool"]
    assert "I believe" not in json.dumps(asked)


async def test_a_list_of_topics_does_not_stand_for_the_search(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.call("list_kb_topics", {})
    fake.say("I believe it is 80.")
    fake.say("It is 8123 [1].")
    _, draft = await run(fake, toolbox)
    assert (draft.text, draft.tool_calls, draft.outcome) == ("It is 8123 [1].", 2, Outcome.GROUNDED)


async def test_that_search_understands_a_follow_up(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.say("Ninety.")
    fake.say("Ninety days [1].")
    history = (
        Message("user", "How are logs kept?"),
        Message("assistant", "On disk."),
        Message("user", "For how long?"),
    )
    events, _ = await run(fake, toolbox, transcript=(Message("system", "cite"), *history))
    step = next(event.step for event in events if isinstance(event, ToolFinished))
    assert "logs" in json.loads(step.arguments)["query"]


async def test_several_calls_of_one_reply_run_in_order(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.reply(
        call_script(("search_kb", {"query": "port"}), ("list_kb_topics", {}), ("search_kb", {"query": "logs"}))
    )
    fake.say("Port 8123 [1], ninety days [2].")
    events, draft = await run(fake, toolbox)
    steps = [event.step for event in events if isinstance(event, ToolFinished)]
    assert [(step.number, step.name, step.hits) for step in steps] == [
        (2, "search_kb", 1),
        (3, "list_kb_topics", 1),
        (4, "search_kb", 1),
    ]
    assert [c.document for c in draft.citations] == ["guide/ports.md", "guide/logs.md"]


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("8123 [1].", Outcome.GROUNDED),
        ("8123 [1] and more [7].", Outcome.PARTIAL),
        ("Nothing tells.", Outcome.NOT_IN_KB),
        ("All ghosts [7].", Outcome.NOT_IN_KB),
    ],
)
async def test_the_outcome_follows_the_evidence(
    fake: FakeLLM, toolbox: Toolbox, text: str, outcome: Outcome
) -> None:
    fake.call("search_kb", {"query": "port"})
    fake.say(text)
    assert (await run(fake, toolbox))[1].outcome is outcome


async def test_an_answer_cut_by_the_models_limit_is_kept_as_partial(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.call("search_kb", {"query": "port"})
    fake.say("It is 8123 [1] and", finish="length")
    _, draft = await run(fake, toolbox)
    assert (draft.outcome, draft.truncated) == (Outcome.PARTIAL, True)


async def test_an_answer_cut_before_its_first_citation_is_no_gap_but_a_limit(
    fake: FakeLLM, toolbox: Toolbox
) -> None:
    fake.call("search_kb", {"query": "port"})
    fake.say("It is", finish="length")
    assert (await run(fake, toolbox))[1].outcome is Outcome.LIMIT


async def test_a_refused_answer_fails_with_its_code(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.say("I should not", finish="content_filter")
    with pytest.raises(ModelError) as failed:
        await run(fake, toolbox)
    assert (failed.value.code, failed.value.retryable) == ("refused", False)


async def test_a_limit_reached_before_any_text_says_what_to_raise(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.call("search_kb", {"query": "port"})
    fake.reply(content(finish="length"))
    with pytest.raises(ModelError, match="LLM_MAX_TOKENS") as failed:
        await run(fake, toolbox)
    assert failed.value.code == "answer_cut"


async def test_arguments_nested_beyond_measure_end_nothing(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.call("search_kb", "[" * 10_000)
    fake.call("search_kb", {"query": "port"})
    fake.say("It is 8123 [1].")
    assert (await run(fake, toolbox))[1].outcome is Outcome.GROUNDED


async def test_a_marker_at_the_very_end_is_not_lost(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.call("search_kb", {"query": "port"})
    fake.say("It is 8123 [1")
    events, draft = await run(fake, toolbox)
    assert draft.text == "It is 8123 [1"
    assert "".join(event.text for event in events if isinstance(event, TextAdded)) == draft.text


async def test_the_same_call_again_is_answered_from_memory_and_told(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.call("search_kb", {"query": "port"})
    fake.call("search_kb", {"query": "port"})
    fake.say("It is 8123 [1].")
    await run(fake, toolbox)
    assert "same call" in fake.requests[-1].messages[-1]["content"]


async def test_what_marks_the_results_is_no_source_and_is_not_shown(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.call("search_kb", {"query": "port"})
    fake.say(f"It is 8123 [{toolbox.nonce}]. It changes [1].")
    _, draft = await run(fake, toolbox)
    assert (draft.text, draft.citations_dropped) == ("It is 8123. It changes [1].", 1)


async def run_again(fake: FakeLLM, toolbox: Toolbox) -> tuple[list[TurnEvent], Draft]:
    """Answer what an attempt left that ended after the model's first reply."""
    fake.say("unused")
    events, _ = await run(fake, toolbox)
    asked = next(event.message for event in events if isinstance(event, ModelReplied))
    fake.say("It is 8123 [1].")
    return await run(fake, toolbox, transcript=[*QUESTION, asked], draft=Draft("scripted", steps_done=1))


async def test_an_attempt_goes_on_from_what_an_earlier_one_finished(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.call("search_kb", {"query": "port"})
    resumed, draft = await run_again(fake, toolbox)
    assert kinds(resumed) == [ToolStarted, ToolFinished, TextAdded]
    assert draft.outcome is Outcome.GROUNDED
    assert len(fake.requests) == 3


async def test_a_search_of_the_services_own_stays_its_own_in_the_next_attempt(
    fake: FakeLLM, toolbox: Toolbox
) -> None:
    fake.say("I know it.")
    resumed, _ = await run_again(fake, toolbox)
    assert [event.step.made_by for event in resumed if isinstance(event, ToolFinished)] == ["service"]


def test_calls_without_a_result_are_found_at_the_end_of_a_transcript() -> None:
    one, two = ToolCall("a", "search_kb", "{}"), ToolCall("b", "list_kb_topics", "{}")
    asked = Message("assistant", "", (one, two))
    assert unanswered([*QUESTION, asked]) == (one, two)
    assert unanswered([*QUESTION, asked, Message("tool", "{}", call_id="a")]) == (two,)
    assert unanswered([*QUESTION, asked, Message("tool", "", call_id="a"), Message("tool", "", call_id="b")]) == ()
    assert unanswered(QUESTION) == ()
    assert unanswered([]) == ()
