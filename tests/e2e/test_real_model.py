"""The whole service with a real language model: of LLM_BASE_URL, else a tiny one on llama.cpp's own server.

The tiny model was taught other tools and shapes than ours; it can search, not judge. So this holds the
protocol, the end and the evidence; what the answer says is the model's.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from service.agent.llm import Endpoint
from tests.agent.llama_server import real_endpoint
from tests.e2e.conftest import serving
from tests.e2e.test_service import ask, new_chat, stream
from tests.server import Server

pytestmark = [pytest.mark.llm, pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with real_endpoint() as found:
        yield found


@pytest.fixture(scope="module")
def server(endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {
        "LLM_BASE_URL": endpoint.base_url,
        "LLM_MODEL": endpoint.model,
        "LLM_API_KEY": endpoint.api_key or "",
        "LLM_MAX_TOKENS": "128",
        "LLM_TEMPERATURE": "0",
        "LLM_CONTEXT_TOKENS": "2048",
        "LLM_MAX_CALLS": "4",
    }
    with serving(tmp_path_factory.mktemp("real"), None, **settings) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx2.Client]:
    with server.client(timeout=170) as opened:
        yield opened


@pytest.mark.parametrize("question", ["Who is the keeper of the lighthouse?", "How long are logs kept?"])
def test_a_question_is_searched_and_ends_with_nothing_false_cited(
    client: httpx2.Client, server: Server, question: str
) -> None:
    answer = ask(client, new_chat(client), question)
    assert answer["status"] == "completed", answer["error"]
    assert answer["outcome"] in {"grounded", "partial", "not_in_kb", "limit"}
    assert answer["steps"][0]["name"] == "search_kb"
    assert answer["content"].strip()
    for citation in answer["citations"]:
        assert citation["quote"] in (server.knowledge / Path(citation["document"])).read_text()


def test_the_stream_ends_once_and_its_pieces_make_the_answer(client: httpx2.Client) -> None:
    found = stream(client, new_chat(client), "On which port does the lighthouse service listen?")
    ends = [event for event in found if event.type in {"answer.completed", "turn.failed", "turn.cancelled"}]
    assert ends == [found[-1]]
    text = ""
    for event in found:
        if event.type == "answer.reset":
            text = ""
        elif event.type == "answer.delta":
            text += event.data["text"]
    assert text == found[-1].data["message"]["content"]
