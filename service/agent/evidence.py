"""What a transcript holds of the present turn: the question, the calls made, the passages they returned (pure)."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

from service.agent.model import Message, ToolCall
from service.agent.sentences import blocks
from service.chats.turns import Exchange

_SECTION_LINES: Final = 40
_FRONT_MATTER: Final = re.compile(r"(?:---|\+\+\+)[ \t]*\n(?:.*\n)*?(?:---|\.\.\.|\+\+\+)[ \t]*\n")


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage as a tool returned it, or one section of it; the answer cites it by `id`."""

    id: int
    document: str
    title: str
    heading: str
    start_line: int
    end_line: int
    text: str


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as list_kb_topics returned it; `names` are some of its documents."""

    name: str
    title: str
    description: str
    documents: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the tools have told in this turn; `topics` is None until they were listed.

    `state` says, for people, why something may not have been found.
    """

    passages: tuple[Passage, ...] = ()
    queries: tuple[str, ...] = ()
    documents_read: tuple[str, ...] = ()
    topics: tuple[Topic, ...] | None = None
    near_terms: tuple[str, ...] = ()
    topic_names: tuple[str, ...] = ()
    empty: bool = False
    state: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Situation:
    """Where a turn stands: the present question, what was said before, what the tools have told since."""

    question: str
    earlier: tuple[Exchange, ...]
    evidence: Evidence


def situation(messages: Sequence[Message]) -> Situation:
    """Read a transcript; anything malformed in it counts as not there."""
    last = max((at for at, message in enumerate(messages) if message.role == "user"), default=len(messages))
    question = messages[last].content if last < len(messages) else ""
    return Situation(question, tuple(_exchanges(messages[:last])), _evidence(messages[last + 1 :]))


def _exchanges(messages: Sequence[Message]) -> Iterator[Exchange]:
    asked: str | None = None
    for message in messages:
        if message.role == "user":
            asked = message.content
        elif message.role == "assistant" and message.content and not message.calls and asked is not None:
            yield Exchange(asked, message.content)
            asked = None


def _evidence(messages: Sequence[Message]) -> Evidence:
    calls: dict[str, ToolCall] = {}
    evidence = Evidence()
    for message in messages:
        calls |= {call.id: call for call in message.calls}
        call = calls.get(message.call_id or "")
        if message.role == "tool" and call is not None:
            evidence = _with_result(evidence, call, _object(message.content))
    return evidence


def _with_result(evidence: Evidence, call: ToolCall, result: Mapping[str, Any]) -> Evidence:
    arguments = _object(call.arguments)
    if call.name == "search_kb":
        evidence = replace(evidence, queries=(*evidence.queries, str(arguments.get("query", ""))))
    elif call.name == "read_kb_doc":
        evidence = replace(evidence, documents_read=(*evidence.documents_read, str(arguments.get("name", ""))))
    elif call.name == "list_kb_topics":
        evidence = replace(evidence, topics=tuple(_topics(result)))
    fresh = [part for passage in _passages(result) for part in _unseen(passage, evidence.passages)]
    topics = result.get("topics")
    return replace(
        evidence,
        passages=(*evidence.passages, *fresh),
        near_terms=evidence.near_terms or _texts(result.get("near_terms")),
        topic_names=evidence.topic_names or _texts(topics),
        empty=evidence.empty or topics == [],
        state=evidence.state or str(result.get("state", "")),
        error=str(result.get("error", "")),
    )


def _passages(result: Mapping[str, Any]) -> Iterator[Passage]:
    for entry in _objects(result.get("passages")):
        identifier, text = entry.get("id"), entry.get("text")
        if not isinstance(identifier, int) or not isinstance(text, str):
            continue
        first = str(entry.get("lines", "")).partition("-")[0]
        start = int(first) if first.isdecimal() else 1
        end = start + text.count("\n")
        document, title, heading = (str(entry.get(key, "")) for key in ("document", "title", "heading"))
        yield from _sections(Passage(identifier, document, title, heading, start, end, text))


def _sections(passage: Passage) -> Iterator[Passage]:
    """A long stretch of a document, cut at its headings so that each section is weighed by itself."""
    passage = _without_front_matter(passage)
    if passage.end_line - passage.start_line < _SECTION_LINES:
        yield passage
        return
    heads = [block for block in blocks(passage.text) if block.kind == "heading"]
    bounds = sorted({0, *(block.start for block in heads), len(passage.text)})
    labels = {block.start: passage.text[block.start : block.end].strip("#=-~^ \t\n") for block in heads}
    for start, end in pairwise(bounds):
        line = passage.start_line + passage.text.count("\n", 0, start)
        text = passage.text[start:end].rstrip()
        yield replace(
            passage,
            heading=labels.get(start, passage.heading),
            start_line=line,
            end_line=line + text.count("\n"),
            text=text,
        )


def _unseen(passage: Passage, known: Sequence[Passage]) -> Iterator[Passage]:
    """The parts of a passage whose lines no known passage has."""
    seen = {
        line
        for other in known
        if other.document == passage.document
        for line in range(other.start_line, other.end_line + 1)
    }
    run: list[str] = []
    for number, line in enumerate([*passage.text.split("\n"), None], start=passage.start_line):
        if line is not None and number not in seen:
            run.append(line)
            continue
        text = "\n".join(run)
        if any(block.kind != "heading" for block in blocks(text)):
            yield replace(passage, start_line=number - len(run), end_line=number - 1, text=text)
        run = []


def _without_front_matter(passage: Passage) -> Passage:
    front = _FRONT_MATTER.match(passage.text) if passage.start_line == 1 else None
    if front is None:
        return passage
    text = passage.text[front.end() :]
    return replace(passage, start_line=1 + front.group().count("\n"), text=text)


def _topics(result: Mapping[str, Any]) -> Iterator[Topic]:
    for entry in _objects(result.get("topics")):
        documents = entry.get("documents")
        yield Topic(
            str(entry.get("topic", "")),
            str(entry.get("title", "")),
            str(entry.get("description", "")),
            documents if isinstance(documents, int) else 0,
            _texts(entry.get("names")),
        )


def _object(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _texts(value: object) -> tuple[str, ...]:
    return tuple(entry for entry in value if isinstance(entry, str)) if isinstance(value, list) else ()
