"""A model that is down, with another one to fall back on: who answers, who is left alone, what is counted."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.e2e.conftest import serving
from tests.e2e.test_service import QUESTION, ask, new_chat, stream
from tests.fake_faults import FAULTS
from tests.fake_llm import FakeLLM, Request, searching
from tests.fake_wire import Script, Wire, call_script, chunk, texts
from tests.fake_wire import stream as streamed
from tests.server import Server, eventually

pytestmark = pytest.mark.e2e

FIRST_DOWN = "Mode down: on which port does the lighthouse service listen?"
BOTH_DOWN = "Mode both: on which port does the lighthouse service listen?"
CUT = "Mode cut: on which port does the lighthouse service listen?"


def two_models(request: Request) -> Script:
    """Two models: the first one answers questions that name no mode."""
    question = next(message["content"] for message in reversed(request.messages) if message["role"] == "user")
    mode = question.split()[1].rstrip(":") if question.startswith("Mode ") else ""
    if request.body["model"] == "first":
        return FAULTS["500"] if mode else searching(request)
    if mode == "both":
        return FAULTS["402"]
    if request.messages[-1]["role"] != "tool":
        return call_script(("search_kb", {"query": "lighthouse port"}))
    return _cut if mode == "cut" else streamed(*named({"content": "It is port 8123 [1]."}, {}))


def named(*deltas: object) -> list[dict[str, object]]:
    """Chunks as the second model sends them; the last one is the end."""
    *pieces, last = deltas
    return [chunk(piece) | {"model": "second"} for piece in pieces] + [chunk(last, "stop") | {"model": "second"}]


async def _cut(wire: Wire) -> None:
    await wire.events(*texts())
    await wire.cut_later()


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeLLM]:
    with FakeLLM(two_models) as server:
        yield server


@pytest.fixture
def client(fake: FakeLLM, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    fake.requests.clear()
    settings = {
        "LLM_MODEL": "first",
        "LLM_FALLBACK_MODELS": "second, first,",
        "LLM_MAX_RETRIES": "0",
        "LLM_BREAKER_FAILURES": "3",
    }
    with serving(tmp_path_factory.mktemp("outage"), fake, **settings) as server, server.client() as opened:
        yield opened


def asked(fake: FakeLLM, model: str) -> int:
    return sum(request.body["model"] == model for request in fake.requests)


def test_another_model_answers_for_one_that_is_down_and_says_so(client: httpx2.Client, fake: FakeLLM) -> None:
    well = ask(client, new_chat(client), QUESTION)
    assert (well["outcome"], asked(fake, "first"), asked(fake, "second")) == ("grounded", 2, 0)

    chat = new_chat(client)
    found = stream(client, chat, FIRST_DOWN)
    message = found[-1].data["message"]
    assert [event.type for event in found].count("answer.completed") == 1
    assert (message["outcome"], message["model"]) == ("grounded", "second")
    assert (asked(fake, "first"), asked(fake, "second")) == (4, 2)

    cut = ask(client, chat, CUT)
    assert (cut["status"], cut["error"]["code"], cut["model"]) == ("failed", "stream_interrupted", "second")
    assert cut["content"] == "Events are replayed by id."

    # The third failure in a row opened the breaker: the first model is left alone, the second one goes on.
    assert asked(fake, "first") == 5
    both = ask(client, chat, BOTH_DOWN)
    assert (both["error"]["code"], both["error"]["retryable"]) == ("provider_unavailable", True)
    assert "is tried again in" in both["error"]["detail"]
    assert asked(fake, "first") == 5

    metrics = client.get("/metrics").text
    assert 'kb_agent_llm_breaker_state{model="first"} 2.0' in metrics
    assert 'kb_agent_llm_breaker_state{model="second"} 0.0' in metrics
    assert 'kb_agent_llm_fallbacks_total{code="provider_error"} 3.0' in metrics
    assert 'kb_agent_llm_fallbacks_total{code="provider_unavailable"} 2.0' in metrics
    assert 'kb_agent_llm_calls_total{result="provider_unavailable"} 2.0' in metrics


def test_readiness_waits_for_no_probe_and_tells_what_it_found(folder: Path) -> None:
    def answer(request: Request) -> Script:
        return FAULTS["hang"] if request.body["model"] == "silent" else call_script(("ping", {"text": "hello"}))

    with FakeLLM(answer) as fake:
        settings = {"LLM_BASE_URL": fake.base_url, "LLM_MODEL": "silent", "LLM_FALLBACK_MODELS": "able"}
        with Server(folder, settings | {"LLM_PROBE": "true"}) as server, server.client() as client:
            eventually(lambda: client.get("/readyz").status_code == 200)
            eventually(lambda: client.get("/readyz").json()["details"]["llm_answers (able)"] == "yes")
            details = client.get("/readyz").json()["details"]
            assert details["model"] == "silent"
            assert [details[f"llm_{what}"] for what in ("answers", "tools", "usage")] == ["unknown"] * 3
            assert [details[f"llm_{what} (able)"] for what in ("tools", "usage")] == ["yes", "yes"]
        assert sorted(request.body["model"] for request in fake.requests) == ["able", "silent"]
