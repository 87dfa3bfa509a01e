"""The tools on a real index: what a call gives back, what a bad one is told."""

import pytest

from service.agent.model import ToolCall
from service.agent.tools import Toolbox


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("search_kb", "not json", "not valid JSON"),
        ("search_kb", "[1]", "bad arguments"),
        ("search_kb", "[" * 10_000, "not valid JSON"),
        ("search_kb", "{}", "query: Field required"),
        ("search_kb", '{"query": "port", "limit": 99}', "limit"),
        ("search_kb", '{"query": "port", "colour": "red"}', "colour"),
        ("read_kb_doc", '{"name": "/etc/passwd"}', "there is no document"),
        ("read_kb_doc", '{"name": "guide/ports.md", "start_line": 3, "end_line": 1}', "end_line is before"),
        ("shell", '{"command": "ls"}', "there is no tool"),
    ],
)
async def test_a_bad_call_is_told_to_the_model(toolbox: Toolbox, name: str, arguments: str, words: str) -> None:
    result = await toolbox.run(ToolCall("c", name, arguments))
    assert result.error is not None
    assert words in result.message.content
    assert result.message.call_id == "c"
    assert toolbox.sources == {}


async def test_numbers_written_as_text_are_taken(toolbox: Toolbox) -> None:
    result = await toolbox.run(ToolCall("c", "search_kb", '{"query": "port", "limit": "3"}'))
    assert (result.error, result.hits) == (None, 1)


async def test_reading_gives_lines_that_can_be_cited(toolbox: Toolbox) -> None:
    result = await toolbox.run(ToolCall("c", "read_kb_doc", '{"name": "guide/ports.md", "start_line": 3}'))
    assert result.sources[0].text.strip() == "The service listens on port 8123."
    assert (result.sources[0].start_line, result.sources[0].id) == (3, 1)


async def test_a_search_that_finds_nothing_tells_what_there_is(toolbox: Toolbox) -> None:
    result = await toolbox.run(ToolCall("c", "search_kb", '{"query": "zeppelin", "topic": "nowhere"}'))
    assert result.hits == 0
    assert "There is no topic 'nowhere'" in result.message.content
    assert '"guide"' in result.message.content
