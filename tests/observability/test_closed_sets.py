"""Label values come from closed sets, which metrics know before anything has happened."""

from typing import get_args

from scripts.reading.error_codes import problem_codes
from service.agent.tools import TOOLS
from service.chats.records import Outcome, Status
from service.kb import lookup
from service.kb.status import IndexState, WatcherMode
from service.telemetry import metrics


def test_the_closed_sets_are_those_of_the_parts() -> None:
    assert tuple(tool.name for tool in TOOLS) == metrics.TOOLS
    assert get_args(lookup.Step) == metrics.LADDER
    assert get_args(IndexState) == metrics.INDEX_STATES
    assert get_args(WatcherMode) == metrics.WATCHER_MODES
    refused = {code for code, status in problem_codes().items() if status in {401, 429}}
    assert {*metrics.REFUSALS} == refused | {"scope_missing"}
    statuses, outcomes = zip(*metrics.ENDINGS, strict=True)
    assert {*statuses} == {*Status} - {Status.QUEUED, Status.RUNNING}
    assert {*outcomes} == {*Outcome}


def test_series_of_closed_sets_begin_at_0() -> None:
    made = metrics.Metrics("1", "3")
    made.expect_calls(["provider_error"])
    turns = ("turns_total", "tool_calls_total", "llm_tokens_total", "llm_calls_total", "llm_retries_refused_total")
    for sample in (*turns, "searches_total", "access_refused_total", "ratings_total"):
        family = next(f for f in made.registry.collect() if f"{f.name}_total" == f"kb_agent_{sample}")
        values = [s.value for s in family.samples if s.name.endswith("_total")]
        assert values
        assert set(values) == {0.0}
    assert made.registry.get_sample_value("kb_agent_turns_total", {"status": "failed", "outcome": "error"}) == 0
    assert made.registry.get_sample_value("kb_agent_llm_calls_total", {"result": "provider_error"}) == 0
