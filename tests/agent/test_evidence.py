"""What the reader takes from a transcript: exchanges, calls, passages; long reads by section, nothing twice."""

import json
from typing import Any

from service.agent.evidence import situation
from service.agent.model import Message, ToolCall

SECTION = "\n".join(f"Line {n} of the section." for n in range(30))
DOCUMENT = (
    "---\ntitle: Towers\n---\n\n# Towers\n\nTowers are tall.\n\n"
    f"## Old towers\n\n{SECTION}\n\n## New towers\n\n{SECTION}"
)


def called(tool: str, result: object, number: int = 1, **arguments: object) -> list[Message]:
    call = ToolCall(f"call_{number}", tool, json.dumps(arguments))
    return [Message("assistant", "", (call,)), Message("tool", json.dumps(result), call_id=call.id)]


def passage(number: int, text: str, start: int) -> dict[str, Any]:
    lines = f"{start}-{start + text.count(chr(10))}"
    return {"id": number, "document": "a.md", "title": "Towers", "heading": "", "lines": lines, "text": text}


def test_a_long_read_is_taken_section_by_section_with_its_lines_and_without_its_front_matter() -> None:
    messages = [Message("user", "?"), *called("read_kb_doc", {"passages": [passage(3, DOCUMENT, 1)]}, name="a.md")]
    evidence = situation(messages).evidence
    assert [(p.heading, p.start_line) for p in evidence.passages] == [
        ("Towers", 5),
        ("Old towers", 9),
        ("New towers", 42),
    ]
    lines = DOCUMENT.split("\n")
    for found in evidence.passages:
        assert found.id == 3
        assert found.text == "\n".join(lines[found.start_line - 1 : found.end_line])
    assert evidence.documents_read == ("a.md",)


def test_lines_that_are_known_are_not_taken_again() -> None:
    first = passage(1, "The tower is tall.\nIt is old.", 3)
    whole = passage(2, "Intro.\n\nThe tower is tall.\nIt is old.\nIt is red.", 1)
    messages = [
        Message("user", "?"),
        *called("search_kb", {"passages": [first]}, 1, query="tower"),
        *called("read_kb_doc", {"passages": [whole]}, 2, name="a.md"),
    ]
    evidence = situation(messages).evidence
    assert [(p.id, p.start_line, p.text) for p in evidence.passages] == [
        (1, 3, "The tower is tall.\nIt is old."),
        (2, 1, "Intro.\n"),
        (2, 5, "It is red."),
    ]
    assert evidence.queries == ("tower",)


def test_only_what_came_after_the_last_question_is_evidence() -> None:
    messages = [
        Message("system", "s"),
        Message("user", "first?"),
        *called("search_kb", {"passages": [passage(1, "Old news.", 1)]}, query="x"),
        Message("assistant", "An answer."),
        Message("user", "second?"),
    ]
    now = situation(messages)
    assert now.question == "second?"
    assert [(e.question, e.answer) for e in now.earlier] == [("first?", "An answer.")]
    assert now.evidence.passages == ()


def test_a_question_without_an_answer_is_no_exchange() -> None:
    now = situation([Message("user", "first?"), Message("user", "second?")])
    assert (now.question, now.earlier) == ("second?", ())


def test_a_transcript_without_a_question_asks_nothing() -> None:
    assert situation([Message("system", "s")]).question == ""


def test_what_is_malformed_counts_as_not_there() -> None:
    good = {"id": 1, "document": "a.md", "lines": "?", "text": "The tower is tall."}
    passages = [{"id": "one", "text": "x"}, {"id": 2}, "text", good]
    messages = [
        Message("user", "?"),
        *called("search_kb", {"passages": passages, "near_terms": ["a", 1], "topics": "none"}, 1),
        *called("search_kb", "no object", 2),
        Message("tool", "no JSON", call_id="call_1"),
        Message("tool", "{}", call_id="nobody"),
    ]
    evidence = situation(messages).evidence
    assert [(p.id, p.start_line, p.text) for p in evidence.passages] == [(1, 1, "The tower is tall.")]
    assert evidence.near_terms == ("a",)
