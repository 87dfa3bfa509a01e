"""The whole service against a model server that does everything wrong: what clients see, what is kept and counted.

Every mode is asked for once, several at a time, by one module fixture; the tests then look at what came of it.
A fault strikes after the model's search, so that there is something to keep; a dialect of calls is spoken in the
first reply, one of text in the last.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.conftest import write_documents
from tests.e2e.model_modes import ANSWERED, CALLED, FAILED, HASTY, LATE, LONG, PATIENT, Ending
from tests.e2e.test_service import QUESTION, ask, indexed, new_chat, stream
from tests.fake_dialects import DIALECTS
from tests.fake_faults import ECHOED_KEY, FAULTS
from tests.fake_llm import FakeLLM, Request, searching
from tests.fake_wire import Script, call_script, text_script
from tests.server import Event, Server, eventually

pytestmark = pytest.mark.e2e

TERMINAL: Final = {"answer.completed", "turn.failed", "turn.cancelled"}
BEGINNING: Final = ["message.created", "message.created", "turn.started"]
STEP: Final = ["step.started", "step.completed"]
_MODE: Final = re.compile(r"^Mode (\S+): ")


@dataclass(frozen=True, slots=True)
class Told:
    """What the clients of one mode saw: the stream, the history after it, the answer to the next question."""

    events: list[Event]
    history: list[dict[str, Any]]
    next: dict[str, Any]

    @property
    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = self.events[-1].data["message"]
        return message


def scripted(request: Request) -> Script:
    """The model: what the newest question names, in its place; else it searches and quotes."""
    question = next(message["content"] for message in reversed(request.messages) if message["role"] == "user")
    mode = _MODE.match(question)
    if mode is None:
        return searching(request)
    results = request.messages[-1]["role"] == "tool"
    if mode[1] in CALLED:
        return text_script("Events resume by their id [1].") if results else DIALECTS[mode[1]]
    if not results:
        return call_script(("search_kb", {"query": "sse resume"}))
    return (FAULTS | DIALECTS)[mode[1]]


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeLLM]:
    with FakeLLM(scripted) as server:
        yield server


@contextmanager
def serving(folder: Path, fake: FakeLLM, settings: Mapping[str, str]) -> Iterator[Server]:
    write_documents(folder)
    (folder / "knowledge/guide/events.md").write_text("# Events\n\nThe SSE events resume by their id.\n")
    with Server(folder, {**settings, "LLM_BASE_URL": fake.base_url}) as running, running.client() as client:
        eventually(lambda: indexed(client, 4))
        yield running


@pytest.fixture(scope="module")
def servers(fake: FakeLLM, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """One with patience, and one for what is late."""
    folders = (tmp_path_factory.mktemp("patient"), tmp_path_factory.mktemp("hasty"))
    with serving(folders[0], fake, PATIENT) as patient, serving(folders[1], fake, HASTY) as hasty:
        yield patient, hasty


@pytest.fixture(scope="module")
def told(servers: tuple[Server, Server]) -> Mapping[str, Told]:
    """What came of every mode. A client each, several at a time; the waits of the modes overlap."""

    def run(mode: str) -> Told:
        with servers[mode in LATE].client() as client:
            chat = new_chat(client)
            found = stream(client, chat, f"Mode {mode}: how do SSE events resume?")
            after = ask(client, chat, QUESTION)
            return Told(found, client.get(f"/api/chats/{chat}/messages").json()["items"], after)

    modes = [*FAILED, *ANSWERED, *CALLED]
    with ThreadPoolExecutor(6) as pool, ThreadPoolExecutor(len(LATE)) as waiting:
        found = {mode: (waiting if mode in LATE else pool).submit(run, mode) for mode in modes}
        return {mode: one.result() for mode, one in found.items()}


def kinds(events: list[Event]) -> list[str]:
    """The kinds of events, the pieces of text as one."""
    found: list[str] = []
    for event in events:
        if event.type != "answer.delta" or found[-1] != "answer.delta":
            found.append(event.type)
    return found


def shown(told: Told) -> str:
    return "".join(event.data["text"] for event in told.events if event.type == "answer.delta")


def requests_of(fake: FakeLLM, mode: str) -> int:
    """How many requests were made for the question that named `mode`, not for the one after it."""
    return sum(
        next(m["content"] for m in reversed(request.messages) if m["role"] == "user").startswith(f"Mode {mode}: ")
        for request in fake.requests
    )


def test_every_mode_there_is_is_asked_for() -> None:
    assert FAILED.keys() | ANSWERED.keys() | CALLED.keys() == FAULTS.keys() | DIALECTS.keys() | {
        "cut-after-finish"
    }
    assert not FAILED.keys() & (ANSWERED.keys() | CALLED.keys())


@pytest.mark.parametrize(("mode", "ending"), FAILED.items(), ids=FAILED)
def test_a_fault_fails_its_turn_once_with_its_code_and_keeps_what_was_shown(
    told: Mapping[str, Told], fake: FakeLLM, mode: str, ending: Ending
) -> None:
    found, message = told[mode], told[mode].message
    deltas = ["answer.delta"] if ending.text or mode in LONG else []
    assert kinds(found.events) == [*BEGINNING, *STEP, *deltas, "turn.failed"]
    assert (message["status"], message["outcome"]) == ("failed", "error")
    assert (message["error"]["code"], message["error"]["retryable"]) == (ending.code, ending.retryable)
    assert message["content"] == shown(found)
    if mode in LONG:
        assert message["content"].startswith(ending.text)
        assert len(message["content"]) <= 64 * 1024
    else:
        assert message["content"] == ending.text
    assert [step["name"] for step in message["steps"]] == ["search_kb"]
    assert requests_of(fake, mode) == ending.requests


@pytest.mark.parametrize(("mode", "seconds"), [("429-after-20", 20), ("429-after-1", 1), ("500", None)])
def test_a_failure_says_when_to_ask_again_where_the_provider_does(
    told: Mapping[str, Told], mode: str, seconds: float | None
) -> None:
    assert told[mode].message["error"]["retry_after"] == seconds
    assert told[mode].history[1]["error"] == told[mode].message["error"]


@pytest.mark.parametrize(("mode", "text"), ANSWERED.items(), ids=ANSWERED)
def test_an_odd_stream_of_text_becomes_an_answer_like_any_other(
    told: Mapping[str, Told], fake: FakeLLM, mode: str, text: str
) -> None:
    found, message = told[mode], told[mode].message
    assert kinds(found.events) == [*BEGINNING, *STEP, "answer.delta", "answer.completed"]
    outcome = "limit" if mode == "length-text" else "not_in_kb"
    assert (message["status"], message["outcome"], message["error"]) == ("completed", outcome, None)
    assert message["content"] == shown(found) == text
    assert min(message["usage"]["prompt_tokens"], message["usage"]["completion_tokens"]) >= 0
    assert message["usage"]["llm_calls"] == requests_of(fake, mode) == 2


@pytest.mark.parametrize(("mode", "called"), CALLED.items(), ids=CALLED)
def test_an_odd_call_becomes_a_step_and_its_text_is_never_shown(
    told: Mapping[str, Told], fake: FakeLLM, mode: str, called: list[str]
) -> None:
    found, message = told[mode], told[mode].message
    by_model = [step for step in message["steps"] if step["made_by"] == "model"]
    # A call with bad arguments finds nothing; then the service searches, and asks once more.
    again = any(step["error"] for step in by_model) and len(called) == 1
    assert [step["name"] for step in by_model] == called
    assert [step["made_by"] for step in message["steps"][len(called) :]] == (["service"] if again else [])
    assert kinds(found.events) == [*BEGINNING, *STEP * len(message["steps"]), "answer.delta", "answer.completed"]
    assert (message["status"], message["outcome"]) == ("completed", "grounded")
    assert message["content"] == shown(found) == "Events resume by their id [1]."
    assert requests_of(fake, mode) == (3 if again else 2)


def test_each_turn_has_one_end_which_is_what_the_history_says(told: Mapping[str, Told]) -> None:
    for mode, found in told.items():
        assert [event.type for event in found.events if event.type in TERMINAL] == [found.events[-1].type], mode
        assert found.history[1] == found.message, mode
        assert [entry["role"] for entry in found.history] == ["user", "assistant"] * 2, mode


def test_the_chat_goes_on_after_every_mode(told: Mapping[str, Told]) -> None:
    for mode, found in told.items():
        assert (found.next["status"], found.next["outcome"]) == ("completed", "grounded"), mode
        assert found.next["citations"][0]["document"] == "guide/ports.md", mode


def test_every_turn_call_and_retry_is_counted_under_its_result(
    told: Mapping[str, Told], servers: tuple[Server, Server]
) -> None:
    turns = Counter((found.message["status"], found.message["outcome"]) for found in told.values())
    turns["completed", "grounded"] += len(told)
    calls, retries = Counter({"ok": 2 * len(told)}), Counter[str]()
    for mode, found in told.items():
        ending = FAILED.get(mode)
        calls["ok"] += found.message["usage"]["llm_calls"] if ending is None else 1
        if ending is not None and not ending.replied:
            calls[ending.code] += 1
            retries[ending.code] += ending.requests - 2
        elif ending is not None:
            calls["ok"] += 1
    assert counted(servers, "kb_agent_turns", "status", "outcome") == turns
    assert counted(servers, "kb_agent_llm_calls", "result") == Counter({(k,): n for k, n in calls.items()})
    assert counted(servers, "kb_agent_llm_retries", "code") == Counter({(k,): n for k, n in retries.items() if n})
    assert counted(servers, "kb_agent_turns_open") == {(): 0}
    assert counted(servers, "kb_agent_llm_calls_open") == {(): 0}


def counted(servers: Iterable[Server], name: str, *labels: str) -> Counter[tuple[str, ...]]:
    """The samples of one metric of all servers by the values of its labels; of several series those that count."""
    found = Counter[tuple[str, ...]]()
    for server in servers:
        with server.client() as client:
            metrics = client.get("/metrics").text
        samples = [
            sample
            for family in text_string_to_metric_families(metrics)
            if family.name == name
            for sample in family.samples
            if not sample.name.endswith("_created") and (sample.value or not labels)
        ]
        assert samples, name
        for sample in samples:
            found[tuple(sample.labels[label] for label in labels)] += int(sample.value)
    return found


def test_what_a_provider_says_is_neither_shown_nor_logged(
    told: Mapping[str, Told], servers: tuple[Server, Server]
) -> None:
    seen = "".join(server.log.read_text() for server in servers) + "".join(
        str(found.history) for found in told.values()
    )
    assert ECHOED_KEY not in seen
    assert "Incorrect API key" not in seen
    assert '"level": "error"' not in seen
