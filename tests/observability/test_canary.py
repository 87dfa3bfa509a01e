"""No secret and no text of people's in logs, metrics or errors, over real traffic with every kind of fault."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from tests.e2e.conftest import write_documents
from tests.e2e.test_service import indexed
from tests.fake_faults import FAULTS
from tests.fake_llm import FakeLLM, Request, searching
from tests.fake_wire import Script, Wire
from tests.observability.collector import Collector
from tests.server import Server, eventually

pytestmark = pytest.mark.e2e

MODEL_KEY: Final = "sk-canary-model-4711"
ADMIN_KEY: Final = "canary-admin-key-with-enough-characters-0815"
COLLECTOR_KEY: Final = "canary-collector-1234"
SECRETS: Final = (MODEL_KEY, ADMIN_KEY, COLLECTOR_KEY)
ASKED: Final = "canaryquestion"  # in every question, query and body
WRITTEN: Final = "canarydocument"  # in the documents, and so in what the model is sent
TEXTS: Final = (ASKED, WRITTEN)
ECHOES: Final = (400, 401, 404, 413, 422, 429, 500, 503)


@dataclass(slots=True)
class Traffic:
    """What was said in the open: error bodies, errors of answers, metrics in both formats, and the log."""

    problems: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)
    log: str = ""


def echoing(status: int) -> Script:
    """A provider that quotes the key and the whole request in its error."""

    async def run(wire: Wire) -> None:
        said = f"{MODEL_KEY} may not ask {ASKED} about {WRITTEN}"
        await wire.json(status, {"error": {"message": said, "code": said, "type": said, "param": said}})

    return run


def quoting(request: Request) -> Script:
    """The usual model, as long as nothing is queued."""
    assert MODEL_KEY in request.headers["authorization"]
    return searching(request)


def bad_requests(client: httpx2.Client, chat: str) -> Iterator[httpx2.Response]:
    """Requests that are refused, with text in every place that a refusal may quote."""
    path = f"/api/chats/{chat}/messages"
    yield client.post(path, content=f'{{"content": "{ASKED}', headers={"Content-Type": "application/json"})
    yield client.post(path, json={"content": [ASKED]})
    yield client.post(path, json={"content": ASKED, ASKED: 1})
    yield client.post(path, json={"content": ASKED * 3000})
    yield client.post(path, json={"content": ASKED}, headers={"Idempotency-Key": ASKED * 40})
    yield client.post("/api/chats", json={"metadata": {ASKED: 1}})
    yield client.put(f"{path}/msg_0/feedback", json={"rating": ASKED})
    yield client.get("/api/kb/search", params={"q": ASKED, "limit": ASKED})
    yield client.get("/api/chats", params={"cursor": ASKED})
    yield client.get(path, headers={"Authorization": f"Bearer {ASKED}"})
    yield client.get("/api/kb/search", params={"q": ASKED * 300})


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Traffic:
    folder = write_documents(tmp_path_factory.mktemp("canary"))
    write_canaries(folder / "knowledge")
    traffic = Traffic()
    with FakeLLM(quoting) as fake, Collector("refuses") as collector:
        settings = {
            **collector.environment,
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={COLLECTOR_KEY}",
            "ADMIN_KEY": ADMIN_KEY,
            "LLM_API_KEY": MODEL_KEY,
            "LLM_BASE_URL": fake.base_url,
            "LLM_MODEL": "scripted",
            "LLM_MAX_RETRIES": "0",
            "LLM_BREAKER_FAILURES": "0",
            "LLM_FIRST_BYTE_TIMEOUT": "4",
            "LLM_PROBE": "true",
        }
        server = Server(folder, settings)
        with server, server.client() as client:
            client.headers["Authorization"] = f"Bearer {ADMIN_KEY}"
            eventually(lambda: indexed(client, 4))
            run(client, fake, traffic)
        traffic.log = server.log.read_text()
    return traffic


def write_canaries(knowledge: Path) -> None:
    """A document to be found, one whose front matter is broken, one that is no text."""
    (knowledge / "canary.md").write_text(f"# Birds\n\nThe {WRITTEN} sings when someone says {ASKED}.\n")
    (knowledge / "binary.md").write_bytes(b"\xff\xfe\x00" + WRITTEN.encode() + b"\x00\xd8")


def run(client: httpx2.Client, fake: FakeLLM, traffic: Traffic) -> None:
    """Ask well and badly, with a model that works and one that fails in every way."""
    chat = client.post("/api/chats", json={"title": ASKED}).json()["id"]
    faults = [None, *map(echoing, ECHOES), FAULTS["401-echo"], FAULTS["hang"], FAULTS["cut-after-text"]]
    for fault in faults:
        if fault is not None:
            fake.reply(fault)
        answer = client.post(f"/api/chats/{chat}/messages", json={"content": f"Who says {ASKED}?"}).json()
        if answer["error"] is not None:
            traffic.failures.append(json.dumps(answer["error"]))
    for response in bad_requests(client, chat):
        assert response.status_code >= 400, response.url
        traffic.problems.append(f"{response.headers} {response.text}")
    client.get("/api/kb/search", params={"q": f"{ASKED} {WRITTEN}"})
    for accept in ("text/plain", "application/openmetrics-text; version=1.0.0"):
        traffic.metrics.append(client.get("/metrics", headers={"Accept": accept}).text)


def test_the_traffic_went_wrong_in_all_these_ways(traffic: Traffic) -> None:
    codes: list[Any] = [json.loads(failure)["code"] for failure in traffic.failures]
    assert len(codes) == len(ECHOES) + 3
    assert {"provider_auth", "provider_error", "bad_request", "provider_timeout", "stream_interrupted"} <= {*codes}
    assert len(traffic.problems) == 11
    assert '"message": "turn ended"' in traffic.log
    assert "Failed to export" in traffic.log or "Transient error" in traffic.log


@pytest.mark.parametrize("canary", [*SECRETS, *TEXTS])
def test_no_secret_and_no_text_gets_out(traffic: Traffic, canary: str) -> None:
    for place in (*traffic.failures, *traffic.problems, *traffic.metrics):
        assert canary not in place
    assert [line for line in traffic.log.splitlines() if canary in line] == []


def test_a_log_line_names_the_caller_by_the_name_of_his_key(traffic: Traffic) -> None:
    lines = [json.loads(line) for line in traffic.log.splitlines()]
    ended = [line for line in lines if line["message"] == "turn ended"]
    assert {line.get("caller") for line in ended} == {"admin-key"}
    assert all(line["request_id"] and line["turn_id"] and line["trace_id"] for line in ended)


def test_the_log_of_all_this_is_json_and_short(traffic: Traffic) -> None:
    lines = [json.loads(line) for line in traffic.log.splitlines()]
    assert len(lines) < 150
    assert not [line for line in lines if "exception" in line]
