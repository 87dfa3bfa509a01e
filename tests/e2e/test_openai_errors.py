"""What OpenAI's clients are told when it goes wrong: by the real SDK against the real server."""

import asyncio
import json
import socket
import threading
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.e2e.test_openai import PORT, QUESTION
from tests.fake_llm import FakeLLM
from tests.fake_wire import Wire, text_script
from tests.server import Server, eventually

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "assistant", "content": "Hello."}]}, "messages"),
        ({"messages": [{"role": "user", "content": "  "}]}, "messages"),
        ({"messages": [{"role": "king", "content": "Hello."}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": "x" * 32_001}]}, "messages[0].content"),
        ({"messages": [{"role": "system", "content": "x" * 9_000}, *QUESTION]}, "messages"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages[0].content[0]",
        ),
        ({"n": 2}, "n"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
    ],
)
def test_what_cannot_be_answered_is_a_bad_request_that_names_the_field(
    sdk: openai.OpenAI, change: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.chat.completions.create(**{"model": "kb-agent", "messages": QUESTION, **change})

    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"
    assert caught.value.request_id


@pytest.mark.parametrize(
    ("change", "param", "words"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id", "nothing is stored"),
        ({"background": True}, "background", "False"),
        ({"input": ""}, "input", "must be a question"),
        ({"input": []}, "input", "must be a question"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]", "only messages"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
            "input[0].content[0]",
            "only text",
        ),
        ({"text": {"format": {"type": "json_object"}}}, "text.format", "answers are text"),
    ],
)
def test_a_response_that_cannot_be_given_is_a_bad_request_that_says_why(
    sdk: openai.OpenAI, change: dict[str, Any], param: str, words: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.responses.create(**{"model": "kb-agent", "input": PORT, **change})

    assert caught.value.param == param
    assert words in caught.value.message
    assert "Value error" not in caught.value.message


def test_tools_of_the_client_are_left_alone(sdk: openai.OpenAI) -> None:
    completion = sdk.chat.completions.create(
        model="kb-agent",
        messages=QUESTION,
        tools=[{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}],
        tool_choice="auto",
    )

    assert completion.choices[0].message.tool_calls is None


def test_an_unknown_model_is_not_found_and_the_known_ones_are_told(sdk: openai.OpenAI) -> None:
    for ask in (
        lambda: sdk.chat.completions.create(model="gpt-5", messages=QUESTION),
        lambda: sdk.responses.create(model="gpt-5", input=PORT),
        lambda: sdk.models.retrieve("gpt-5"),
    ):
        with pytest.raises(openai.NotFoundError, match="'kb-agent', 'gpt-4o'") as caught:
            ask()
        assert caught.value.code == "model_not_found"


def test_an_address_that_is_not_there_answers_in_the_same_shape(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        sdk.embeddings.create(model="kb-agent", input="x")

    assert caught.value.code == "not_found"


def test_a_body_that_is_no_json_is_a_bad_request(compat_server: Server) -> None:
    with compat_server.client() as client:
        response = client.post(
            "/v1/chat/completions", content=b"{bad", headers={"Content-Type": "application/json"}
        )

    assert response.status_code == 400
    why = "Expecting property name enclosed in double quotes"
    assert response.json()["error"] == {
        "message": f"the body: from character 1 on it is no JSON: {why}",
        "type": "invalid_request_error",
        "param": None,
        "code": "malformed_body",
    }


def test_a_model_that_fails_is_a_server_error_before_and_an_error_within_a_stream(
    sdk: openai.OpenAI, compat_model: FakeLLM
) -> None:
    compat_model.reply(refusing, refusing, refusing)

    with pytest.raises(openai.InternalServerError) as caught:
        sdk.chat.completions.create(model="kb-agent", messages=QUESTION)
    assert (caught.value.status_code, caught.value.code) == (502, "provider_auth")
    assert caught.value.response.headers["x-should-retry"] == "false"

    with pytest.raises(openai.APIError) as within:
        list(sdk.chat.completions.create(model="kb-agent", messages=QUESTION, stream=True))
    assert within.value.code == "provider_auth"

    with sdk.responses.create(model="kb-agent", input=PORT, stream=True) as stream:
        last = list(stream)[-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert "LLM_API_KEY" in last.response.error.message


async def refusing(wire: Any) -> None:
    await wire.json(401, {"error": {"message": "no", "type": "authentication_error"}})


def test_a_client_that_leaves_ends_the_answer_and_frees_its_place(
    sdk: openai.OpenAI, compat_model: FakeLLM, compat_server: Server
) -> None:
    gone, asked = compat_model.disconnects, len(compat_model.requests)
    slow = text_script("word " * 2_000, pause=0.05)
    compat_model.reply(slow, slow)
    hello: Any = [{"role": "user", "content": "hello"}]
    with (
        sdk.chat.completions.create(model="kb-agent", messages=hello, stream=True) as first,
        sdk.responses.create(model="kb-agent", input="hello", stream=True) as second,
    ):
        next(iter(first))
        next(iter(second))
        assert compat_model.wait(lambda: len(compat_model.requests) == asked + 2)
        with pytest.raises(openai.RateLimitError) as caught:
            sdk.chat.completions.create(model="kb-agent", messages=hello)
        assert caught.value.response.headers["retry-after"]
        assert caught.value.code == "overloaded"

    assert compat_model.wait(lambda: compat_model.disconnects == gone + 2)
    with compat_server.client() as client:
        eventually(lambda: "kb_agent_turns_open 0.0" in client.get("/metrics").text)
    compat_model.reply(slow)
    body = json.dumps({"model": "kb-agent", "messages": hello}).encode()
    with socket.create_connection(("127.0.0.1", int(compat_server.base_url.rpartition(":")[2]))) as leaving:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        leaving.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        assert compat_model.wait(lambda: len(compat_model.requests) == asked + 3)
    assert compat_model.wait(lambda: compat_model.disconnects == gone + 3)


def test_a_silent_stream_is_kept_alive_by_comments(compat_model: FakeLLM, compat_server: Server) -> None:
    commented = threading.Event()

    async def silent(wire: Wire) -> None:
        await asyncio.to_thread(commented.wait)
        await text_script("Hello there.")(wire)

    compat_model.reply(silent)
    body = {"model": "kb-agent", "messages": [{"role": "user", "content": "hello"}], "stream": True}

    with compat_server.client() as client, client.stream("POST", "/v1/chat/completions", json=body) as response:
        lines = response.iter_lines()
        next(line for line in lines if line.startswith(":"))
        commented.set()
        rest = list(lines)

    assert rest[-2] == "data: [DONE]"


def test_a_server_that_stops_ends_an_answer_with_a_reason(folder: Path) -> None:
    slow = text_script("word " * 2_000, pause=0.05)
    with FakeLLM(lambda _: slow) as fake:
        server = Server(folder, {"LLM_BASE_URL": fake.base_url, "LLM_MODEL": "fake"}).start()
        with openai.OpenAI(base_url=f"{server.base_url}/v1", api_key="none") as client:
            stream = client.chat.completions.create(
                model="kb-agent", messages=[{"role": "user", "content": "hello"}], stream=True
            )
            next(stream)
            status = server.stop()
            with pytest.raises(openai.APIError) as caught:
                list(stream)

    assert caught.value.code == "interrupted"
    assert status == 0
