"""The built-in extractive reader: a `ChatModel` that needs no network and no weights and answers by quoting.

All it knows stands in the transcript, so it can be called again at any point of a turn: it searches, reads on
around the best passages, and then quotes the sentences that answer the question or says that none does.
"""

import json
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from service.agent.assessment import Assessment
from service.agent.evidence import Passage, Situation, situation
from service.agent.length import Room
from service.agent.model import Message, Reply, Request, TextPiece, ToolCall, Usage
from service.agent.questions import Question, understand
from service.agent.quoting import choose, pieces
from service.agent.replies import listing, not_told, small_talk
from service.agent.smalltalk import intent

NAME: Final = "built-in-reader"
PASSAGES: Final = 8
_DOCUMENTS: Final = 2  # that are read
_BEFORE: Final = 40  # lines read before a passage
_AFTER: Final = 80
_NEAR_BEGINNING: Final = 20


class BuiltInReader:
    """The second implementation of `ChatModel`; without state, one serves all turns."""

    name = NAME
    """As it is announced in every answer."""

    async def stream(self, request: Request) -> AsyncGenerator[TextPiece | Reply]:
        """See `ChatModel.stream`: tool calls, or the answer sentence by sentence. Never raises, never waits."""
        step = next_step(request.messages, frozenset(tool.name for tool in request.tools))
        if isinstance(step, tuple):
            yield Reply("", step, "tool_calls", Usage(), NAME)
            return
        text, room = "", Room(request.max_tokens)
        for piece in step:
            if kept := room.take(piece):
                text += kept
                yield TextPiece(kept)
        yield Reply(text, (), "length" if room.cut else "stop", Usage(), NAME)


def next_step(messages: Sequence[Message], tools: Collection[str]) -> tuple[ToolCall, ...] | Iterator[str]:
    """Decide on the next tool calls, or give the answer piece by piece."""
    now = situation(messages)
    wanted = intent(now.question)
    if wanted == "topics" and (now.evidence.topics is not None or "list_kb_topics" in tools):
        if now.evidence.topics is None:
            return _calls("list_kb_topics", [{}])
        return listing(now.evidence.topics, now.evidence.state)
    if wanted not in ("question", "topics"):
        return iter((small_talk(wanted, now.question),))
    return _quest(now, understand(now.question, now.earlier), tools)


def _quest(now: Situation, question: Question, tools: Collection[str]) -> tuple[ToolCall, ...] | Iterator[str]:
    evidence = now.evidence
    if not evidence.queries and "search_kb" in tools:
        return _calls("search_kb", [{"query": question.query, "limit": PASSAGES}])
    assessments = [Assessment(part, evidence.passages) for part in question.parts or (question,)]
    hopeless = all(assessment.hopeless for assessment in assessments)
    if "read_kb_doc" in tools and not evidence.documents_read and not hopeless:
        return _calls("read_kb_doc", surroundings(evidence.passages))
    quotes = [quote for one in assessments if one.answerable for quote in choose(one.candidates)]
    return (
        pieces(list(dict.fromkeys(quotes)))
        if quotes
        else not_told(now.question, evidence, assessments[0].near_documents)
    )


def surroundings(passages: Sequence[Passage]) -> list[Mapping[str, str | int]]:
    """Arguments of read_kb_doc for the lines around the best passages, from the beginning where that is near."""
    best: dict[str, Passage] = {}
    for passage in passages:
        best.setdefault(passage.document, passage)
    return [
        {
            "name": name,
            "start_line": first if (first := passage.start_line - _BEFORE) > _NEAR_BEGINNING else 1,
            "end_line": passage.end_line + _AFTER,
        }
        for name, passage in islice(best.items(), _DOCUMENTS)
    ]


def _calls(tool: str, arguments: Sequence[Mapping[str, str | int]]) -> tuple[ToolCall, ...]:
    return tuple(
        ToolCall(f"{tool}_{number}", tool, json.dumps(given, ensure_ascii=False))
        for number, given in enumerate(arguments, 1)
    )
