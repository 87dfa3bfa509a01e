"""Clients of OpenAI use the agent as a model: the real SDK and a real command against the real server."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletion

from tests.e2e.conftest import DOCUMENTS
from tests.fake_llm import FakeLLM
from tests.server import Server

pytestmark = pytest.mark.e2e

PORT = "Which port does the lighthouse service listen on?"
QUESTION: Any = [{"role": "user", "content": PORT}]


@pytest.fixture
def reader(shared: Server) -> Iterator[openai.OpenAI]:
    """The SDK at a server whose model is the built-in reader."""
    with openai.OpenAI(base_url=f"{shared.base_url}/v1", api_key="none", max_retries=0) as client:
        yield client


def cited(completion: ChatCompletion) -> dict[str, Any]:
    """The first citation of a completion, whose marker stands where its annotation says."""
    message = completion.choices[0].message
    annotation: Any = message.to_dict()["annotations"]
    content = message.content or ""
    assert annotation[0]["type"] == "file_citation"
    citation: dict[str, Any] = annotation[0]["file_citation"]
    assert content[annotation[0]["start_index"] : annotation[0]["end_index"]] == citation["marker"]
    return citation


def assert_about_ports(citation: dict[str, Any]) -> None:
    assert citation["document"] == citation["filename"] == "guide/ports.md"
    assert citation["quote"] in DOCUMENTS["guide/ports.md"]
    assert citation["url"].startswith("/api/kb/documents/guide/ports.md?start_line=")
    assert len(citation["revision"]) == 64


def test_the_agent_is_listed_as_a_model(sdk: openai.OpenAI) -> None:
    assert [model.id for model in sdk.models.list()] == ["kb-agent", "gpt-4o"]
    assert sdk.models.retrieve("gpt-4o").to_dict()["answered_by"] == "fake"


def test_a_completion_is_answered_from_the_knowledge_base_and_cited(sdk: openai.OpenAI) -> None:
    completion = sdk.chat.completions.create(model="kb-agent", messages=QUESTION, temperature=0.1, seed=7)

    assert completion.choices[0].finish_reason == "stop"
    assert_about_ports(cited(completion))
    assert completion.usage is not None
    assert completion.usage.total_tokens > 0
    assert completion.to_dict()["kb_agent"]["outcome"] == "grounded"  # type: ignore[index]


def test_the_built_in_reader_answers_too(reader: openai.OpenAI) -> None:
    completion = reader.chat.completions.create(model="kb-agent", messages=QUESTION)

    assert "8123" in (completion.choices[0].message.content or "")
    assert_about_ports(cited(completion))


def test_a_stream_folds_to_the_same_message_with_usage_at_its_end(sdk: openai.OpenAI) -> None:
    whole = sdk.chat.completions.create(model="kb-agent", messages=QUESTION)
    with sdk.chat.completions.stream(
        model="kb-agent", messages=QUESTION, stream_options={"include_usage": True}
    ) as stream:
        folded = stream.get_final_completion()

    assert folded.choices[0].message.content == whole.choices[0].message.content
    assert cited(folded) == cited(whole)
    assert folded.usage == whole.usage


def test_a_stream_tells_usage_only_where_it_is_asked_for(sdk: openai.OpenAI) -> None:
    chunks = list(sdk.chat.completions.create(model="kb-agent", messages=QUESTION, stream=True))

    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)


def test_the_asynchronous_client_streams(compat_server: Server) -> None:
    async def text() -> str:
        async with openai.AsyncOpenAI(
            base_url=f"{compat_server.base_url}/v1", api_key="none", max_retries=0
        ) as client:
            stream = await client.chat.completions.create(model="kb-agent", messages=QUESTION, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert "port" in asyncio.run(text())


def test_the_clients_history_and_instructions_reach_the_model_behind_ours(
    sdk: openai.OpenAI, compat_model: FakeLLM
) -> None:
    sdk.chat.completions.create(
        model="gpt-4o",
        messages=[
            {"role": "system", "content": "Speak like a pirate."},
            {"role": "user", "content": [{"type": "text", "text": "Who keeps"}, {"type": "text", "text": "it?"}]},
            {"role": "assistant", "content": "Ada Morgan. [1]"},
            {"role": "developer", "content": 'Never say "no".'},
            {"role": "user", "content": "Thank you."},
            {"role": "user", "content": PORT},
        ],
    )

    sent = compat_model.requests[-1].messages
    assert [message["role"] for message in sent[:4]] == ["system", "user", "assistant", "user"]
    assert sent[0]["content"].startswith("You answer questions about a knowledge base")
    assert sent[0]["content"].endswith(r'"Speak like a pirate.\n\nNever say \"no\"."')
    assert [message["content"] for message in sent[1:4]] == [
        "Who keeps\nit?",
        "Ada Morgan.",
        f"Thank you.\n\n{PORT}",
    ]


def test_nothing_is_stored_and_the_turn_is_counted(sdk: openai.OpenAI, compat_server: Server) -> None:
    with compat_server.client() as client:
        before = completed(client)
        sdk.chat.completions.create(model="kb-agent", messages=QUESTION)

        assert client.get("/api/chats").json()["items"] == []
        assert completed(client) == before + 1


def completed(client: httpx2.Client) -> float:
    line = 'kb_agent_turns_total{outcome="grounded",status="completed"} '
    found = [row for row in client.get("/metrics").text.splitlines() if row.startswith(line)]
    return float(found[0].removeprefix(line)) if found else 0.0


def test_what_a_model_says_before_one_more_tool_is_not_shown(sdk: openai.OpenAI, compat_model: FakeLLM) -> None:
    compat_model.call("search_kb", {"query": "port"})
    compat_model.reply(narrating)
    compat_model.say("It listens on port 8123 [1].")

    chunks = list(sdk.chat.completions.create(model="kb-agent", messages=QUESTION, stream=True))

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == "It listens on port 8123 [1]."


async def narrating(wire: Any) -> None:
    await wire.json(
        200,
        {
            "choices": [
                {
                    "message": {
                        "role": "assistant",
                        "content": "Let me read more.",
                        "tool_calls": [
                            {
                                "id": "more",
                                "type": "function",
                                "function": {"name": "read_kb_doc", "arguments": '{"name": "guide/ports.md"}'},
                            }
                        ],
                    },
                    "finish_reason": "tool_calls",
                }
            ]
        },
    )


def test_a_response_is_answered_and_cited(sdk: openai.OpenAI) -> None:
    response = sdk.responses.create(model="kb-agent", input=PORT, instructions="Be brief.", store=True)

    assert response.status == "completed"
    part: Any = response.output[0].to_dict()["content"][0]  # type: ignore[index]
    annotation = part["annotations"][0]
    assert_about_ports(annotation)
    assert part["text"][annotation["index"] :].startswith(annotation["marker"])
    assert response.output_text == part["text"]
    assert response.store is False  # type: ignore[attr-defined]


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_an_answer_is_no_longer_than_the_client_wants_it(
    sdk: openai.OpenAI, reader: openai.OpenAI, field: str
) -> None:
    for client in (sdk, reader):
        short: Any = {"model": "kb-agent", "messages": QUESTION, field: 4}
        whole = client.chat.completions.create(model="kb-agent", messages=QUESTION).choices[0]
        cut = client.chat.completions.create(**short).choices[0]
        assert (whole.finish_reason, cut.finish_reason) == ("stop", "length")
        assert 0 < len(cut.message.content or "") <= 12
        assert (whole.message.content or "").startswith(cut.message.content or "")
        chunks = list(client.chat.completions.create(**short, stream=True))
        assert chunks[-1].choices[0].finish_reason == "length"
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == cut.message.content
        ample = client.chat.completions.create(**short | {field: 1000}).choices[0]
        assert (ample.message.content, ample.finish_reason) == (whole.message.content, "stop")


def test_of_two_bounds_the_smaller_counts_and_none_is_below_one(sdk: openai.OpenAI, compat_model: FakeLLM) -> None:
    sdk.chat.completions.create(model="kb-agent", messages=QUESTION, max_tokens=900, max_completion_tokens=700)
    assert compat_model.requests[-1].body["max_tokens"] == 700
    for field in ("max_tokens", "max_completion_tokens"):
        for bound in (0, -1, 1.5, "7", True):
            with pytest.raises(openai.BadRequestError) as refused:
                sdk.chat.completions.create(**{"model": "kb-agent", "messages": QUESTION, field: bound})
            assert refused.value.param == field


def test_a_response_that_was_cut_is_incomplete(sdk: openai.OpenAI) -> None:
    response = sdk.responses.create(model="kb-agent", input=PORT, max_output_tokens=4)

    assert (response.status, response.output_text) == ("incomplete", "Set BEACON_P")
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.to_dict()["kb_agent"]["outcome"] == "limit"  # type: ignore[index]
    with sdk.responses.create(model="kb-agent", input=PORT, max_output_tokens=4, stream=True) as stream:
        assert list(stream)[-1].type == "response.incomplete"


def test_a_response_streams_the_events_that_the_sdk_folds(sdk: openai.OpenAI) -> None:
    with sdk.responses.stream(
        model="kb-agent", input=[{"role": "user", "content": [{"type": "input_text", "text": PORT}]}]
    ) as stream:
        events = list(stream)
        final = stream.get_final_response()

    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert "response.output_text.annotation.added" in kinds
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert final.output_text == "".join(e.delta for e in events if e.type == "response.output_text.delta")


def test_the_command_llm_asks_and_shows_the_answer(compat_server: Server, tmp_path: Path) -> None:
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- model_id: kb\n  model_name: kb-agent\n  api_base: {compat_server.base_url}/v1\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "llm", "-m", "kb", PORT],
        env={**os.environ, "LLM_USER_PATH": str(tmp_path), "OPENAI_API_KEY": "none"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("[1]")
