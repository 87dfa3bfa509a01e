"""The example client in docs/ works as it is printed: against the real server, over a network that breaks."""

import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.access.conftest import ADMIN_KEY, open_server
from tests.architecture.source import ROOT
from tests.cutting import CuttingProxy
from tests.server import Server

PATH = ROOT / "docs/examples/client.py"
QUESTION = "Which port does the lighthouse use, and who is its keeper?"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_client", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with open_server(tmp_path_factory.mktemp("example")) as running:
        yield running


def test_an_answer_comes_whole_over_a_network_that_keeps_breaking(example: ModuleType, server: Server) -> None:
    with CuttingProxy(int(server.base_url.rpartition(":")[2]), [900, 40, 2500]) as proxy:
        # Cut in the first events, before anything came, and in mid-answer.
        with example.Client(proxy.base_url, ADMIN_KEY) as client:
            chat = client.create_chat("Over a bad network")
            events = list(client.ask(chat, QUESTION))
        assert proxy.connections > 3

    with example.Client(server.base_url, ADMIN_KEY) as client:
        question, answer = client.history(chat)
    text = "".join(event.data["text"] for event in events if event.type == "answer.delta")
    assert question["content"] == QUESTION
    assert text == answer["content"] == events[-1].data["message"]["content"]
    assert len({event.id for event in events}) == len(events)


def test_history_is_read_over_pages_and_a_search_finds_what_was_just_written(
    example: ModuleType, server: Server
) -> None:
    (server.knowledge / "guide" / "fog.md").write_text("# Fog\n\nThe foghorn sounds every forty seconds.\n")
    with example.Client(server.base_url, ADMIN_KEY) as client:
        client.wait_for("guide/fog.md")
        hit, *_ = client.search("foghorn", topic="guide")
        answer = client.answer(client.create_chat(), "How often does the foghorn sound?")
    assert hit["document"] == "guide/fog.md"
    assert (answer["status"], answer["outcome"]) == ("completed", "grounded")
    assert answer["citations"][0]["document"] == "guide/fog.md"


def test_what_is_refused_is_an_exception_that_tells_the_code(example: ModuleType, server: Server) -> None:
    with example.Client(server.base_url, ADMIN_KEY) as client, pytest.raises(example.ApiError) as missing:
        list(client.ask("chat_00", QUESTION))
    with example.Client(server.base_url) as client, pytest.raises(example.ApiError) as refused:
        client.search("port")
    assert (missing.value.status, missing.value.code) == (404, "chat_not_found")
    assert (refused.value.status, refused.value.code) == (401, "key_required")
    assert refused.value.request_id


def test_as_a_program_it_prints_the_answer_and_its_sources(
    example: ModuleType, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    example.main("Which port does the lighthouse use?", server.base_url, ADMIN_KEY)

    shown = capsys.readouterr().out
    assert "8123" in shown
    assert "[1] guide/ports.md:3" in shown
