"""The search that is made for a model which answers a question without one; small models often do (pure)."""

import json
from collections.abc import Sequence
from typing import Final

from service.agent.model import Message, ToolCall
from service.agent.questions import understand
from service.agent.smalltalk import intent
from service.chats.turns import Exchange

FIRST_SEARCH: Final = "first_search"  # the id of the call
_QUERY_CHARS: Final = 2_000


def first_search(transcript: Sequence[Message]) -> ToolCall | None:
    """Give the search for the question that ends `transcript`; None for small talk, or where steps were taken."""
    if not transcript or transcript[-1].role != "user":
        return None
    question = transcript[-1].content
    if intent(question) != "question":
        return None
    query = understand(question, _exchanges(transcript[:-1])).query.strip() or question
    return ToolCall(FIRST_SEARCH, "search_kb", json.dumps({"query": query[:_QUERY_CHARS]}, ensure_ascii=False))


def _exchanges(history: Sequence[Message]) -> tuple[Exchange, ...]:
    said = [message for message in history if message.role in {"user", "assistant"}]
    return tuple(Exchange(one.content, other.content) for one, other in zip(said[::2], said[1::2], strict=False))
