"""Spans as a collector gets them: what a question's trace is made of, and that no collector can do harm."""

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.e2e.conftest import DOCUMENTS, serving
from tests.e2e.test_service import QUESTION, ask, indexed, new_chat
from tests.fake_faults import FAULTS
from tests.fake_llm import FakeLLM
from tests.fake_wire import Wire, text_script
from tests.observability.collector import Collector, attributes
from tests.server import Server, eventually

pytestmark = pytest.mark.e2e

CLIENT = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeLLM]:
    with FakeLLM() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, collector: Collector, fake: FakeLLM) -> Iterator[Server]:
    settings = {
        **collector.environment,
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20collector-key",
    }
    with serving(tmp_path_factory.mktemp("traced"), fake, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def asked(server: Server, collector: Collector) -> dict[str, Any]:
    """A question that came with a trace of its own, once its spans are all here."""
    headers = {"traceparent": f"00-{CLIENT}-{PARENT}-01", "X-Request-ID": "request-7"}
    with server.client() as client:
        chat_id = new_chat(client)
        path = f"/api/chats/{chat_id}/messages"
        answer: dict[str, Any] = client.post(path, json={"content": QUESTION}, headers=headers).json()
        client.get("/api/kb/search", params={"q": QUESTION})
    assert answer["outcome"] == "grounded"
    eventually(lambda: bool(spans(collector, "POST /api/chats/{chat_id}/messages")), what="the request's span")
    eventually(lambda: bool(spans(collector, "invoke_agent")), what="the turn's span")
    return answer


def spans(collector: Collector, prefix: str) -> list[Span]:
    """The spans of the client's trace whose name begins like this."""
    return [span for span in collector.named(prefix) if span.trace_id.hex() == CLIENT]


def test_a_question_is_one_trace_from_client_to_search(asked: dict[str, Any], collector: Collector) -> None:
    (request,) = spans(collector, "POST")
    (turn,) = spans(collector, "invoke_agent")
    first, second = spans(collector, "chat")
    (tool,) = spans(collector, "execute_tool")
    (search,) = spans(collector, "retrieval")
    assert request.parent_span_id.hex() == PARENT
    assert (request.name, request.kind) == ("POST /api/chats/{chat_id}/messages", Span.SPAN_KIND_SERVER)
    assert turn.parent_span_id == request.span_id
    assert {span.parent_span_id for span in (first, second, tool)} == {turn.span_id}
    assert search.parent_span_id == tool.span_id
    assert first.end_time_unix_nano <= tool.start_time_unix_nano <= second.start_time_unix_nano


def test_spans_follow_the_conventions_of_generative_ai(asked: dict[str, Any], collector: Collector) -> None:
    turn = attributes(spans(collector, "invoke_agent")[0])
    assert turn == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "kb-agent",
        "gen_ai.conversation.id": asked["chat_id"],
        "gen_ai.response.model": asked["model"],
        "gen_ai.usage.input_tokens": asked["usage"]["prompt_tokens"],
        "gen_ai.usage.output_tokens": asked["usage"]["completion_tokens"],
        "kb_agent.turn.id": asked["id"],
        "kb_agent.turn.status": "completed",
        "kb_agent.turn.outcome": "grounded",
    }
    call = spans(collector, "chat")[0]
    told = attributes(call)
    assert (call.name, call.kind) == ("chat scripted", Span.SPAN_KIND_CLIENT)
    assert (told["gen_ai.request.model"], told["gen_ai.provider.name"]) == ("scripted", "openai")
    assert told["gen_ai.response.finish_reasons"] == ["tool_calls"]
    assert told["gen_ai.usage.input_tokens"] > 0
    assert 0 < told["gen_ai.response.time_to_first_chunk"] < 30
    tool = attributes(spans(collector, "execute_tool")[0])
    assert (tool["gen_ai.tool.name"], tool["kb_agent.tool.hits"]) == ("search_kb", asked["steps"][0]["hits"])
    assert attributes(spans(collector, "retrieval")[0])["kb_agent.search.step"] == "terms"
    assert {"service.name": "kb-agent"}.items() <= collector.resources[0].items()
    assert collector.headers[0]["authorization"] == "Bearer collector-key"


def test_no_span_holds_what_was_asked_found_or_answered(asked: dict[str, Any], collector: Collector) -> None:
    eventually(lambda: bool(collector.named("GET /api/kb/search")))
    assert attributes(collector.named("GET /api/kb/search")[0])["url.query"] == "REDACTED"
    for text in ("lighthouse", "8123", "BEACON_PORT", "guide/ports"):
        assert text.encode() not in collector.received


def test_the_log_leads_to_the_trace_and_so_do_exemplars(asked: dict[str, Any], server: Server) -> None:
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    (ended,) = (line for line in lines if line["message"] == "turn ended" and line["turn_id"] == asked["id"])
    assert (ended["trace_id"], ended["request_id"]) == (CLIENT, "request-7")
    assert "collector-key" not in server.log.read_text()
    with server.client() as client:
        response = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    told = re.findall(r"^kb_agent_turn_duration_seconds_bucket.* # \{(.*)\}", response.text, re.MULTILINE)
    assert f'request_id="request-7",trace_id="{CLIENT}",turn_id="{asked["id"]}"' in told


def test_an_index_change_is_a_trace_of_its_own(server: Server, collector: Collector) -> None:
    eventually(lambda: bool(collector.named("reconcile")))
    span = collector.named("reconcile")[0]
    assert not span.parent_span_id
    assert attributes(span) == {"kb_agent.kb.revision": 1, "kb_agent.kb.changes": len(DOCUMENTS)}


def test_probes_and_scrapes_leave_no_trace(server: Server, collector: Collector, asked: dict[str, Any]) -> None:
    with server.client() as client:
        for path in ("/livez", "/readyz", "/metrics", "/api/kb/topics"):
            client.get(path)
    eventually(lambda: bool(collector.named("GET /api/kb/topics")))
    assert not [
        span.name for span in collector.spans if any(p in span.name for p in ("livez", "readyz", "metrics"))
    ]


def test_a_failed_turn_and_its_retries_are_marked(server: Server, collector: Collector, fake: FakeLLM) -> None:
    fake.reply(FAULTS["500"], FAULTS["401-echo"])
    with server.client() as client:
        answer = ask(client, new_chat(client), QUESTION)
    assert answer["error"]["code"] == "provider_auth"

    def of_this_turn(prefix: str) -> list[Span]:
        turns = [s for s in collector.named("invoke") if attributes(s)["kb_agent.turn.id"] == answer["id"]]
        return [span for span in collector.named(prefix) if turns and span.trace_id == turns[0].trace_id]

    eventually(lambda: bool(of_this_turn("chat")))
    for span in (*of_this_turn("invoke"), *of_this_turn("chat")):
        assert span.status.code == Status.STATUS_CODE_ERROR
        assert attributes(span)["error.type"] == "provider_auth"
        assert not span.status.message
    (call,) = of_this_turn("chat")
    assert [(event.name, attributes(event)) for event in call.events] == [
        ("retry", {"error.type": "provider_error"})
    ]


@pytest.mark.parametrize("sampled", ["00", "01"])
def test_the_client_decides_whether_its_trace_is_kept(server: Server, collector: Collector, sampled: str) -> None:
    own, later = f"{int(sampled) + 1:032x}", f"{int(sampled) + 3:032x}"
    with server.client() as client:
        client.get("/api/kb/topics", headers={"traceparent": f"00-{own}-{PARENT}-{sampled}"})
        client.get("/api/kb/topics", headers={"traceparent": f"00-{later}-{PARENT}-01"})
    eventually(lambda: any(span.trace_id.hex() == later for span in collector.spans))
    assert any(span.trace_id.hex() == own for span in collector.spans) == (sampled == "01")


def test_the_env_file_counts_and_what_waits_is_sent_before_the_process_ends(folder: Path) -> None:
    with Collector() as collector:
        given = collector.environment | {
            "OTEL_BSP_SCHEDULE_DELAY": "60000",
            "OTEL_RESOURCE_ATTRIBUTES": "service.name=library",
        }
        (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in given.items()))
        with Server(folder) as server, server.client() as client:
            eventually(lambda: indexed(client, len(DOCUMENTS)))
            ask(client, new_chat(client), QUESTION)
            assert not collector.spans
        assert collector.named("invoke_agent")
        assert collector.named("chat built-in-reader")
        assert collector.resources[0]["service.name"] == "library"


@pytest.mark.parametrize("mood", ["hangs", "refuses"])
def test_a_broken_collector_slows_neither_a_turn_nor_the_exit(folder: Path, mood: Any) -> None:
    with Collector(mood) as collector:
        server = Server(folder, collector.environment)
        with server, server.client() as client:
            eventually(lambda: indexed(client, len(DOCUMENTS)))
            answers = [ask(client, new_chat(client), QUESTION) for _ in range(5)]
            assert server.stop() == 0
    assert {answer["outcome"] for answer in answers} == {"grounded"}
    assert "Traceback" not in server.log.read_text()


def test_a_protocol_that_is_not_spoken_is_refused_with_words(folder: Path) -> None:
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    with pytest.raises(RuntimeError, match="takes http/protobuf"):
        Server(folder, settings).start()


def test_without_the_extra_the_message_says_what_to_install(folder: Path) -> None:
    """The extra cannot be uninstalled in a test, so its package is hidden from the import system of a process."""
    program = "import sys; sys.modules['opentelemetry.sdk'] = None; from service import cli; cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "serve", "--port", "0"],
        env={**os.environ, "DATA_DIR": str(folder), "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "install kb-agent[otel] or unset it" in done.stderr


def test_nothing_of_the_sdk_is_loaded_unless_it_is_wanted(folder: Path) -> None:
    program = (
        "import sys, service.app, service.agent.traced; from service.telemetry import tracing;"
        "print(tracing.active(), [name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "False []"


def test_the_client_is_not_needed_for_the_turn(server: Server, collector: Collector, fake: FakeLLM) -> None:
    """The turn's span outlives the request's: whoever asked has its 202 long before the answer."""
    accepted = threading.Event()

    async def waiting(wire: Wire) -> None:
        await asyncio.to_thread(accepted.wait)
        await text_script("Hello.")(wire)

    fake.reply(waiting)
    with server.client() as client:
        path = f"/api/chats/{new_chat(client)}/messages"
        response = client.post(path, json={"content": "Hello!"}, headers={"Prefer": "respond-async"})
        assert response.status_code == 202
        accepted.set()
        answer = response.json()["id"]

    def turn() -> list[Span]:
        return [s for s in collector.named("invoke") if attributes(s)["kb_agent.turn.id"] == answer]

    eventually(lambda: bool(turn()))
    (request,) = (s for s in collector.named("POST") if s.span_id == turn()[0].parent_span_id)
    assert request.end_time_unix_nano < turn()[0].end_time_unix_nano
