"""The real Prometheus scrapes the service while questions are answered, and is asked what it saw."""

import subprocess
from collections.abc import Iterator

import httpx2
import pytest

from tests.e2e.conftest import DOCUMENTS, serving
from tests.e2e.test_service import QUESTION, ask, new_chat
from tests.fake_faults import FAULTS
from tests.fake_llm import FakeLLM
from tests.observability.prometheus import Prometheus, dashboard_expressions, names, rules, scraping
from tests.server import Server, eventually

pytestmark = pytest.mark.e2e

ANSWERED = 'kb_agent_turns_total{outcome="grounded",status="completed"}'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("measured")
    with FakeLLM() as fake, serving(folder, fake, LLM_MAX_RETRIES="1") as running:
        with running.client() as client:
            ask(client, new_chat(client), QUESTION)
            fake.reply(FAULTS["500"], FAULTS["500"])
            ask(client, new_chat(client), QUESTION)
        yield running


@pytest.fixture(scope="module")
def seen(prometheus: str, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with scraping(prometheus, server.base_url, tmp_path_factory.mktemp("prometheus")) as running:
        eventually(lambda: running.value('up{job="kb-agent"}') == 1, what="a scrape")
        yield running


def exposed(server: Server) -> set[str]:
    """The names of the metrics that the service has, counters with their ending."""
    with server.client() as client:
        lines = client.get("/metrics").text.splitlines()
    return {line.split()[2] for line in lines if line.startswith("# TYPE")}


def test_the_exposition_is_what_promtool_would_have(promtool: str, server: Server) -> None:
    with server.client() as client:
        text = client.get("/metrics").text
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if line.startswith("kb_agent_")]
    assert complaints == []


def test_questions_that_are_answered_show_in_the_series(seen: Prometheus, server: Server) -> None:
    with server.client() as client:
        before = counted(client, ANSWERED)
        for _ in range(3):
            ask(client, new_chat(client), QUESTION)
    eventually(lambda: seen.value(ANSWERED) == before + 3, what="three more answers")
    for expression, least in {
        "kb_agent_turn_duration_seconds_count": 5,
        "kb_agent_first_token_seconds_count": 4,
        'kb_agent_llm_calls_total{result="ok"}': 8,
        'kb_agent_llm_calls_total{result="provider_error"}': 1,
        'kb_agent_llm_retries_total{code="provider_error"}': 1,
        'kb_agent_turn_failures_total{code="provider_error"}': 1,
        'kb_agent_llm_tokens_total{kind="prompt"}': 1,
        'kb_agent_tool_calls_total{tool="search_kb", result="ok"}': 4,
        'kb_agent_searches_total{step="terms"}': 1,
        "kb_agent_knowledge_revision": 1,
        'kb_agent_knowledge_documents{state="indexed"}': len(DOCUMENTS),
        'kb_agent_knowledge_state{state="ready"}': 1,
        "kb_agent_db_commit_duration_seconds_count": 5,
        "kb_agent_db_file_bytes": 4096,
        "kb_agent_db_free_bytes": 1,
        "kb_agent_event_loop_lag_seconds_count": 1,
        'kb_agent_http_requests_total{route="/api/chats", status="201"}': 5,
        "kb_agent_build_info": 1,
        "process_resident_memory_bytes": 10e6,
    }.items():
        eventually(lambda: seen.value(expression) >= least, what=expression)  # noqa: B023
    eventually(lambda: seen.value("kb_agent_knowledge_watcher_heartbeat_age_seconds") >= 0, what="a heartbeat")
    assert seen.value(ANSWERED) == before + 3, "nothing else was answered meanwhile"


def counted(client: httpx2.Client, series: str) -> float:
    """What the service itself says of a series, whose labels stand as in the exposition."""
    lines = client.get("/metrics").text.splitlines()
    return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(series))


def test_a_turn_can_be_found_from_its_duration(seen: Prometheus, server: Server) -> None:
    with server.client() as client:
        answer = ask(client, new_chat(client), QUESTION)
    found = "kb_agent_turn_duration_seconds_bucket"
    eventually(lambda: turn_ids(seen, found) != set(), what="an exemplar")
    eventually(lambda: answer["id"] in turn_ids(seen, found), what="that of this turn")
    assert all(turn_id.startswith("msg_") for turn_id in turn_ids(seen, found))


def turn_ids(seen: Prometheus, series: str) -> set[str]:
    """The turns that the exemplars of a series name."""
    return {str(exemplar["turn_id"]) for exemplar in seen.exemplars(series)}


def test_every_rule_is_loaded_and_evaluates(seen: Prometheus) -> None:
    eventually(lambda: all(rule["health"] == "ok" for rule in seen.rules()), what="an evaluation of every rule")
    assert {rule["name"] for rule in seen.rules()} == {
        *(rule["alert"] for rule in rules("alert")),
        *(rule["record"] for rule in rules("record")),
    }


def test_every_expression_of_the_dashboard_evaluates(seen: Prometheus) -> None:
    for expression in dashboard_expressions():
        answer = seen.query(expression)
        assert answer["status"] == "success", (expression, answer)


def test_rules_and_dashboard_speak_of_metrics_that_exist(server: Server) -> None:
    recorded = {rule["record"] for rule in rules("record")}
    known = {*exposed(server), *recorded}
    assert names([rule["expr"] for kind in ("alert", "record") for rule in rules(kind)]) - known == set()
    assert names(dashboard_expressions()) - known == set()


def test_what_people_send_makes_no_new_series(server: Server) -> None:
    with server.client() as client:
        client.get("/no/such/path/0")
        before = client.get("/metrics").text.count("\n")
        for number in range(40):
            client.get(f"/no/such/path/{number}")
            client.get(f"/api/chats/chat_{number}", headers={"X-Request-ID": f"r{number}"})
            client.request(f"VERB{number % 7}", f"/{number}")
        after = client.get("/metrics").text.count("\n")
    assert after - before < 60  # routes and statuses that were new, each a counter and a histogram at most
