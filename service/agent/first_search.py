"""What to search for a question, and the search made for a model that makes none, as small ones do (pure)."""

import json
from collections.abc import Sequence
from typing import Final

from service.agent.evidence import Situation, situation
from service.agent.model import Message, ToolCall
from service.agent.questions import understand
from service.agent.smalltalk import intent

FIRST_SEARCH: Final = "first_search"  # the id of the call
_QUERY_CHARS: Final = 2_000


def first_search(transcript: Sequence[Message]) -> ToolCall | None:
    """Give the search for the question that ends `transcript`; None for small talk, or where steps were taken."""
    if not transcript or transcript[-1].role != "user":
        return None
    asked = situation(transcript)
    if intent(asked.question) != "question":
        return None
    return ToolCall(FIRST_SEARCH, "search_kb", json.dumps({"query": query_of(asked)}, ensure_ascii=False))


def query_of(asked: Situation) -> str:
    """What to search: the question, with words of earlier ones where it cannot be understood without."""
    return (understand(asked.question, asked.earlier).query.strip() or asked.question)[:_QUERY_CHARS]
