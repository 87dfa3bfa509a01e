"""Markers in an answer: verified, renumbered, quoted verbatim; the rest never reaches anyone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.agent.citations import CitationFilter
from service.agent.sources import Source

PORTS = "# Ports\n\nThe service listens on port 8000. Set PORT to change it.\n\n```\nPORT=9000 scripts/run\n```"
SHELL = "Use an array like a[0] in bash. Exit with 130 after Ctrl+C."


def source(number: int, document: str, text: str, start: int = 1) -> Source:
    end = start + text.count("\n")
    return Source(number, document, document.title(), "topic", "Heading", start, end, text, "rev" * 8)


SOURCES = {
    1: source(1, "guide/ports.md", PORTS, start=10),
    2: source(2, "guide/shell.md", SHELL),
    7: source(7, "guide/ports.md", "The host is 127.0.0.1.", start=40),
}


def run(text: str, pieces: int = 0) -> tuple[str, CitationFilter]:
    """Pass `text` through whole, or cut into pieces of that many characters."""
    markers = CitationFilter(SOURCES)
    size = pieces or max(len(text), 1)
    shown = "".join(markers.feed(text[at : at + size]) for at in range(0, len(text), size))
    return shown + markers.flush(), markers


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Port 8000 [1].", "Port 8000 [1]."),
        ("The host is 127.0.0.1 [7]. Port 8000 [1].", "The host is 127.0.0.1 [1]. Port 8000 [2]."),
        ("Both [1][2].", "Both [1][2]."),
        ("Both [1, 2].", "Both [1][2]."),
        ("Both [1; 2] and [1-2].", "Both [1][2] and [1][2]."),
        ("Port 【1】 or 【1†source】.", "Port [1] or [2]."),
        ("Port [passage 1], [Source: 2].", "Port [1], [2]."),
        ("Port [^1].", "Port [1]."),
        ("Port [guide/ports.md].", "Port [1]."),
        ("Host [guide/ports.md, lines 40-41].", "Host [1]."),
        ("Host [guide/ports.md:40].", "Host [1]."),
    ],
)
def test_a_marker_of_a_returned_passage_is_kept_and_renumbered(text: str, shown: str) -> None:
    assert run(text)[0] == shown
    assert run(text)[1].dropped == 0


@pytest.mark.parametrize(
    ("text", "shown", "dropped"),
    [
        ("Port 8000 [9].", "Port 8000.", 1),
        ("Port [9] is open [1].", "Port is open [1].", 1),
        ("Both [1, 9].", "Both [1].", 1),
        ("Seen in [other/file.md].", "Seen in.", 1),
        ("[9]", "", 1),
        ("Ghosts [3][4][5].", "Ghosts.", 3),
    ],
)
def test_a_marker_that_names_no_returned_passage_is_removed_and_counted(
    text: str, shown: str, dropped: int
) -> None:
    result, markers = run(text)
    assert (result, markers.dropped) == (shown, dropped)


@pytest.mark.parametrize(
    "text",
    [
        "an [optional] word",
        "a [link](https://example.org/)",
        "- [x] done\n- [ ] to do",
        "in `a[1]` and ``b[9]``",
        "```sh\necho ${a[1]} [9]\n```\n",
        "the year [2024]",
        "open [ bracket",
        "[" * 300,
        "[never closed\nnext line]",
        "[" + "x" * 250 + "]",
        "trailing spaces   ",
        "unclosed ` tick",
        "",
    ],
)
def test_text_that_is_no_marker_passes_unchanged(text: str) -> None:
    result, markers = run(text)
    assert (result, markers.citations, markers.dropped) == (text, (), 0)


def test_a_marker_after_a_code_block_or_an_unclosed_tick_counts_again() -> None:
    shown, markers = run("```\nPORT=9000 scripts/run\n```\n[1]")
    assert shown.endswith("```\n[1]")
    assert markers.citations[0].quote == "PORT=9000 scripts/run"
    assert run("an unclosed ` tick\n\nPort 8000 [1]")[1].citations != ()


def test_a_quote_stands_verbatim_in_its_passage_at_the_lines_it_names() -> None:
    _, markers = run(
        "Set PORT to change it. [1] It listens on 8000, the port of the service [1]. Use the host [7]."
    )
    quotes = [(c.marker, c.quote, c.start_line, c.end_line) for c in markers.citations]
    assert quotes == [
        ("[1]", "Set PORT to change it.", 12, 12),
        ("[2]", "The service listens on port 8000.", 12, 12),
        ("[3]", "The host is 127.0.0.1.", 40, 40),
    ]


def test_the_same_sentence_cited_twice_is_one_citation() -> None:
    shown, markers = run("The service listens on port 8000. [1] Again: the service listens on port 8000. [1]")
    assert len(markers.citations) == 1
    assert shown.count("[1]") == 2


def test_a_citation_says_where_to_read_it() -> None:
    citation = run("The host is 127.0.0.1 [7].")[1].citations[0]
    assert (
        citation.url == f"/api/kb/documents/guide/ports.md?start_line=40&end_line=40&revision={citation.revision}"
    )
    assert (citation.document, citation.revision) == ("guide/ports.md", "rev" * 8)


@given(
    st.lists(
        st.sampled_from(
            [
                "[1]",
                "[9]",
                "[1, 2]",
                "`",
                "```",
                "\n",
                "\n\n",
                " ",
                "word",
                "[",
                "]",
                "【2】",
                "[x]",
                "8000.",
                "é",
                "[",
            ]
        ),
        max_size=30,
    ).map("".join),
    st.lists(st.integers(0, 12), max_size=40),
)
def test_however_the_text_is_cut_the_result_is_the_same(text: str, sizes: list[int]) -> None:
    whole, one = run(text)
    other, shown, rest = CitationFilter(SOURCES), "", text
    for size in sizes:
        shown += other.feed(rest[:size])
        rest = rest[size:]
        assert whole.startswith(shown), "what was shown is never taken back"
    shown += other.feed(rest) + other.flush()
    assert shown == whole
    assert (other.citations, other.dropped) == (one.citations, one.dropped)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_as_the_index_counts_them(end: str) -> None:
    text = end.join(["# Ports", "", "The service listens on port 8000.", "Set PORT to change it."])
    passage = Source(1, "a.md", "A", "t", "", 10, 13, text, "rev")
    markers = CitationFilter({1: passage})
    markers.feed("Set PORT to change it. [1]")
    assert [(c.start_line, c.end_line, c.quote) for c in markers.citations] == [(13, 13, "Set PORT to change it.")]


@given(st.text(alphabet="[]19, `\nab.", max_size=60), st.integers(1, 5))
def test_whatever_is_shown_can_be_resolved(text: str, size: int) -> None:
    _, markers = run(text, size)
    for citation in markers.citations:
        passage = next(s for s in SOURCES.values() if s.document == citation.document and citation.quote in s.text)
        first = citation.start_line - passage.start_line
        lines = passage.text.split("\n")[first : citation.end_line - passage.start_line + 1]
        assert citation.quote in "\n".join(lines)


def test_spaces_without_end_are_not_held_back_without_end() -> None:
    markers = CitationFilter({})
    shown = "".join(markers.feed(" ") for _ in range(1_000))
    assert len(shown) == 800
    assert shown + markers.feed("[9] x") + markers.flush() == " " * 800 + " x"
