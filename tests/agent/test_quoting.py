"""The text of an answer: blocks quoted whole, a marker after each quote that stands up to the server's check."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.agent.assessment import Assessment
from service.agent.citations import CitationFilter
from service.agent.evidence import Passage
from service.agent.questions import understand
from service.agent.quoting import choose, pieces
from service.agent.sources import Source

START = (
    "# Start\n\nStart the service from a checkout with one command:\n\n```sh\nscripts/run --all\n```\n\n"
    "The first start takes a minute."
)
TABLE = "| Setting | Default |\n|---|---|\n| PORT | 8000 |\n| HOST | 127.0.0.1 |\n"
STEPS = "To restore a backup do these steps:\n\n1. Stop the service.\n2. Copy the file back.\n3. Start it."


def quoted(question: str, *texts: str) -> str:
    """The answer to a question from passages numbered from 1."""
    found = [Passage(n, f"{n}.md", "", "", 1, 1 + t.count("\n"), t) for n, t in enumerate(texts, 1)]
    return "".join(pieces(choose(Assessment(understand(question), found).candidates)))


def verified(text: str, *texts: str) -> CitationFilter:
    """The markers of an answer after the server has checked it."""
    sources = {n: Source(n, f"{n}.md", "", "", "", 1, 1 + t.count("\n"), t, "rev") for n, t in enumerate(texts, 1)}
    markers = CitationFilter(sources)
    markers.feed(text)
    markers.flush()
    return markers


def test_how_to_start_is_answered_with_the_command_in_a_fenced_block() -> None:
    text = quoted("How do I start the service?", START, TABLE)
    assert "Start the service from a checkout with one command: [1]\n\n```sh\nscripts/run --all\n```\n[1]" in text


def test_code_brings_the_sentence_that_introduces_it() -> None:
    text = quoted("What is the command scripts/run --all?", START)
    assert text.startswith("Start the service from a checkout with one command: [1]\n\n```sh")


def test_a_table_row_is_quoted_with_the_header_of_its_table() -> None:
    text = quoted("default of the setting HOST", START, TABLE)
    assert "| Setting | Default |\n| --- | --- |\n" in text
    assert "| HOST | 127.0.0.1 |\n\n[2]" in text


def test_a_list_that_a_sentence_introduces_is_quoted_whole() -> None:
    text = quoted("what are the steps to restore a backup", STEPS)
    assert text == (
        "To restore a backup do these steps: [1]\n\n"
        "- Stop the service. [1]\n- Copy the file back. [1]\n- Start it. [1]"
    )


def test_a_list_ends_where_other_text_begins() -> None:
    text = quoted("what are the steps to restore a backup", f"{STEPS}\n\nSomething else is told here.")
    assert text.endswith("- Start it. [1]")


def test_a_sentence_that_stands_in_two_passages_is_quoted_once() -> None:
    twice = "The tower is tall and old."
    assert quoted("Is the tower tall and old?", twice, f"{twice} It rains.").count(twice) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Start the service like this:\n\n    scripts/run", "```\nscripts/run\n```\n[1]"),
        ("Start the service like this:\n\n~~~\nscripts/run", "~~~\nscripts/run\n~~~\n[1]"),
    ],
)
def test_code_without_a_fence_of_its_own_gets_one(text: str, shown: str) -> None:
    assert shown in quoted("How do I start the service?", text)


def test_sentences_of_one_paragraph_stand_in_one_paragraph_and_others_apart() -> None:
    text = quoted("Which tower is tall?", "One tower is tall. Two towers are tall.", "Another tower is tall.")
    assert sorted(text.split("\n\n")) == [
        "Another tower is tall. [2]",
        "One tower is tall. [1] Two towers are tall. [1]",
    ]


def test_a_number_in_brackets_in_a_document_does_not_become_a_marker() -> None:
    text = quoted("When was Nikola Tesla born?", "Nikola Tesla was born in Smiljan [1] in 1856.")
    assert text == "Nikola Tesla was born in Smiljan \\[1\\] in 1856. [1]"


@pytest.mark.parametrize(
    "question",
    ["How do I start the service?", "default of the setting HOST", "what are the steps to restore a backup"],
)
def test_the_server_keeps_every_marker_and_finds_every_quote(question: str) -> None:
    texts = (START, TABLE, STEPS)
    markers = verified(quoted(question, *texts), *texts)
    assert markers.dropped == 0
    assert markers.citations
    for citation in markers.citations:
        assert citation.quote in texts[int(citation.document[0]) - 1]


@given(st.text(alphabet=st.sampled_from("tower is.\n`-|#1:[]> \t"), max_size=120))
def test_any_text_can_be_quoted(text: str) -> None:
    assert isinstance(quoted("Which tower is it?", text, "The tower is tall."), str)


@pytest.mark.parametrize(
    "mark", ["[1]", "[^1]", "[2, 1]", "[source: 1]", "【1】", "[2.md:1]", "[1.md](1.md)", "[Ports](1.md)"]
)
def test_what_looks_like_a_marker_in_a_document_forges_none(mark: str) -> None:
    other, told = "The wiring is described elsewhere.", f"The zebra port is 8123, see {mark} for more."
    markers = verified(quoted("What is the zebra port?", other, told), other, told)
    assert {citation.document for citation in markers.citations} == {"2.md"}
    assert len(markers.citations) == 1
    assert markers.dropped == 0
