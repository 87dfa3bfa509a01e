"""What makes the agent loop stop: calls, time, and searches that bring nothing new."""

import time

import pytest

from service.agent.draft import Draft
from service.agent.loop import Limits
from service.agent.tools import Toolbox
from service.chats.records import Outcome
from service.errors import ModelError
from tests.agent.test_loop import run
from tests.fake_dialects import WRITTEN
from tests.fake_llm import FakeLLM, Request
from tests.fake_wire import Script, call_script, text_script


@pytest.mark.parametrize("last", [call_script(("search_kb", {"query": "more"})), text_script(WRITTEN)])
async def test_the_last_call_gets_no_tools_and_what_it_asks_for_is_neither_run_nor_shown(
    fake: FakeLLM, toolbox: Toolbox, last: Script
) -> None:
    for n in range(2):
        fake.call("search_kb", {"query": f"port {n}"})
    fake.reply(last)
    limits = Limits(llm_calls=3, tool_calls=16, seconds=60, window=8192)
    with pytest.raises(ModelError) as failed:
        await run(fake, toolbox, limits)
    assert failed.value.code == "empty_answer"
    assert len(fake.requests) == 3
    assert ["tools" in request.body for request in fake.requests] == [True, True, False]


async def test_an_answer_at_the_limit_without_a_source_says_so(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.call("search_kb", {"query": "port"})
    fake.say("I ran out of calls.")
    limits = Limits(llm_calls=8, tool_calls=1, seconds=60, window=8192)
    _, draft = await run(fake, toolbox, limits)
    assert (draft.outcome, draft.limited) == (Outcome.LIMIT, "used_up")


async def test_time_that_runs_out_withdraws_the_tools(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.say("At once.")
    await run(fake, toolbox, Limits(llm_calls=8, tool_calls=16, seconds=0, window=8192))
    assert "tools" not in fake.requests[0].body


def test_two_fifths_of_the_time_are_left_for_the_answer() -> None:
    limits = Limits(llm_calls=8, tool_calls=16, seconds=60, window=8192)
    assert [limits.reached(Draft("m"), seconds) for seconds in (35.9, 36)] == [None, "used_up"]


async def test_time_in_which_the_turn_waited_for_others_does_not_count(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.call("search_kb", {"query": "port"})
    fake.say("It is 8123 [1].")
    _, draft = await run(fake, toolbox, draft=Draft("scripted", started=time.monotonic() - 1000))
    assert (draft.limited, draft.outcome) == (None, Outcome.GROUNDED)


@pytest.mark.parametrize(
    ("queries", "text", "outcome"),
    [
        (["port", "ports", "service port", "port of the service"], "It is 8123 [1].", Outcome.GROUNDED),
        (["zeppelin", "airship", "zeppelins"], "Nothing tells.", Outcome.NOT_IN_KB),
    ],
)
async def test_three_searches_in_a_row_without_a_new_passage_withdraw_the_tools(
    fake: FakeLLM, toolbox: Toolbox, queries: list[str], text: str, outcome: Outcome
) -> None:
    for query in queries:
        fake.call("search_kb", {"query": query})
    fake.say(text)
    _, draft = await run(fake, toolbox)
    assert (draft.limited, draft.outcome, draft.text) == ("no_progress", outcome, text)
    assert ["tools" in request.body for request in fake.requests] == [True] * len(queries) + [False]


async def test_a_new_passage_between_begins_the_count_anew(fake: FakeLLM, toolbox: Toolbox) -> None:
    for query in ("port", "ports", "service port", "logs", "log", "days of logs"):
        fake.call("search_kb", {"query": query})
    fake.say("It is 8123 [1], kept for ninety days [2].")
    _, draft = await run(fake, toolbox)
    assert (draft.limited, draft.outcome, draft.tool_calls) == (None, Outcome.GROUNDED, 6)


async def test_topics_and_bad_calls_are_no_searches_in_circles(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.call("search_kb", {"query": "port"})
    for _ in range(3):
        fake.call("search_kb", {"question": "port"})
        fake.call("list_kb_topics", {})
    fake.say("It is 8123 [1].")
    _, draft = await run(fake, toolbox)
    assert (draft.limited, draft.tool_calls) == ("used_up", 7)


async def test_of_many_calls_at_once_those_within_the_limit_are_made(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.reply(call_script(*(("search_kb", {"query": f"port {n}"}) for n in range(30))))
    fake.say("It is 8123 [1].")
    _, draft = await run(fake, toolbox, Limits(llm_calls=8, tool_calls=4, seconds=60, window=8192))
    assert (draft.limited, draft.tool_calls) == ("used_up", 4)
    sent = fake.requests[-1].messages
    assert [len(m.get("tool_calls", ())) for m in sent if m["role"] == "assistant"] == [4]
    assert sum(m["role"] == "tool" for m in sent) == 4


async def test_a_call_that_cannot_be_carried_out_is_repaired_twice_at_most(
    fake: FakeLLM, toolbox: Toolbox
) -> None:
    fake.call("search_kb", {"query": "port"})
    for wrong in ({}, {"query": 5}, {"question": "port"}):
        fake.reply(call_script(("search_kb", wrong), ("find", {})))
    fake.say("It is 8123 [1].")
    _, draft = await run(fake, toolbox)
    assert (draft.limited, draft.tool_calls, draft.outcome) == ("no_progress", 7, Outcome.GROUNDED)
    assert ["tools" in request.body for request in fake.requests] == [True] * 4 + [False]


async def test_a_model_that_rephrases_for_ever_costs_four_searches(toolbox: Toolbox) -> None:
    def rephrasing(request: Request) -> Script:
        if request.body.get("tools"):
            return call_script(("search_kb", {"query": f"port of service {len(request.messages)}"}))
        return text_script("It is 8123 [1].")

    with FakeLLM(rephrasing) as fake:
        _, draft = await run(fake, toolbox)
    assert (draft.llm_calls, draft.tool_calls, draft.outcome) == (5, 4, Outcome.GROUNDED)


async def test_an_answer_of_nothing_but_removed_markers_is_no_answer(fake: FakeLLM, toolbox: Toolbox) -> None:
    fake.call("search_kb", {"query": "port"})
    fake.say("[77]")
    with pytest.raises(ModelError) as failed:
        await run(fake, toolbox)
    assert (failed.value.code, failed.value.retryable) == ("empty_answer", True)
