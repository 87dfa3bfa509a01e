"""The tools on a real index: what a call gives back, what a bad one is told."""

import pytest

from service.agent.citations import CitationFilter
from service.agent.model import ToolCall
from service.agent.sources import sources_json
from service.agent.tools import Toolbox
from tests.kb.shelf import shelf


async def _nothing() -> str:
    return ""


async def _indexing() -> str:
    return "Still being indexed."


async def test_a_search_while_files_are_taken_in_says_so_beside_its_hits() -> None:
    async with shelf({"a.md": "The port is 8123."}) as kb:
        toolbox = Toolbox(kb, result_chars=8000, folder_note=_indexing)
        for query, hits in (("port", 1), ("zeppelin", 0)):
            result = await toolbox.run(ToolCall("c", "search_kb", f'{{"query": "{query}"}}'))
            assert (result.hits, '"state": "Still being indexed."' in result.message.content) == (hits, True)


async def test_lines_that_were_read_know_the_headings_above_them() -> None:
    text = "Lead.\n\n# Ports\n\nOf services.\n\n## Default\n\nIt is 8123.\n\n# Logs\n\nNinety days.\n"
    async with shelf({"a.md": text}) as kb:
        toolbox = Toolbox(kb, result_chars=8000, folder_note=_nothing)
        result = await toolbox.run(ToolCall("c", "read_kb_doc", '{"name": "a.md"}'))
        markers = CitationFilter(toolbox.sources)
        markers.feed("Lead. [1] Of services. [1] It is 8123. [1] Ninety days. [1]")
        again = Toolbox(kb, result_chars=8000, folder_note=_nothing)
        again.restore(sources_json(result.sources, 1))

    assert [citation.heading for citation in markers.citations] == ["", "Ports", "Ports > Default", "Logs"]
    assert again.sources == toolbox.sources


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("search_kb", "not json", "not valid JSON"),
        ("search_kb", "[1]", "bad arguments: send one JSON object"),
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


async def test_the_next_attempt_knows_what_this_one_was_told(toolbox: Toolbox) -> None:
    found = await toolbox.run(ToolCall("c", "search_kb", '{"query": "port"}'))
    nothing = await toolbox.run(ToolCall("d", "search_kb", '{"query": "zebra"}'))
    fresh = Toolbox(toolbox.kb, result_chars=8000, folder_note=_nothing)
    for result in (found, nothing):
        fresh.restore("[]")  # the model's step before it
        fresh.restore(sources_json(result.sources, toolbox.kb_revision))
    assert (fresh.sources, fresh.kb_revision) == (toolbox.sources, 1)
    (other,) = (await fresh.run(ToolCall("e", "search_kb", '{"query": "ninety days"}'))).sources
    assert (other.document, other.id) == ("guide/logs.md", len(found.sources) + 1)
    again = await fresh.run(ToolCall("c", "search_kb", '{"query": "port"}'))
    assert again.sources == found.sources


async def test_a_search_that_finds_nothing_tells_what_there_is(toolbox: Toolbox) -> None:
    result = await toolbox.run(ToolCall("c", "search_kb", '{"query": "zeppelin", "topic": "nowhere"}'))
    assert result.hits == 0
    assert "There is no topic 'nowhere'" in result.message.content
    assert '"guide"' in result.message.content


async def test_pieces_of_one_long_line_are_cited_apart() -> None:
    line = " ".join(f"Filler number {n} says nothing at all." for n in range(200))
    text = f"The first port is 8123. {line} The last port is 9321."
    async with shelf({"a.md": text}) as kb:
        toolbox = Toolbox(kb, result_chars=8000, folder_note=_nothing)
        first = await toolbox.run(ToolCall("c", "search_kb", '{"query": "first port 8123"}'))
        last = await toolbox.run(ToolCall("d", "search_kb", '{"query": "last port 9321"}'))
        read = await toolbox.run(ToolCall("e", "read_kb_doc", '{"name": "a.md"}'))
        again = await toolbox.run(ToolCall("f", "search_kb", '{"query": "the first port 8123"}'))

    ids = [result.sources[0].id for result in (first, last, read, again)]
    assert ids == [1, 2, 3, 1]
    assert toolbox.sources[1].text.startswith("The first port is 8123.")
    assert toolbox.sources[2].text.endswith("The last port is 9321.")
