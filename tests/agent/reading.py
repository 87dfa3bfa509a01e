"""Asks the built-in reader as a chat model, with transcripts of searches that found what a test gives."""

import json
from collections.abc import Sequence
from typing import Any

from service.agent.model import Message, Reply, Request, TextPiece, Tool, ToolCall
from service.agent.reader import BuiltInReader

ADVICE = "Try other words, or ask “what topics are there?”."
TOOLS = tuple(Tool(name, "", {}) for name in ("search_kb", "list_kb_topics", "read_kb_doc"))
PORTS = "# Ports\n\nThe service listens on port 8000 by default. The variable `PORT` changes it.\n\n- No root."
TESLA = (
    "Nikola Tesla was born in Smiljan in 1856. He moved to New York in 1884. His patents earned him a lot of "
    "money, because many factories used alternating current."
)


async def ask(messages: Sequence[Message], tools: Sequence[Tool] = TOOLS) -> tuple[list[str], Reply]:
    """One call of the model: its pieces of text and its reply."""
    pieces: list[str] = []
    async for piece in BuiltInReader().stream(Request(messages, tuple(tools))):
        if isinstance(piece, Reply):
            return pieces, piece
        assert isinstance(piece, TextPiece)
        pieces.append(piece.text)
    raise AssertionError("no reply")


def passage(number: int, document: str, text: str, heading: str = "", start: int = 1) -> dict[str, Any]:
    lines = f"{start}-{start + text.count(chr(10))}"
    title = document.partition(".")[0].title()
    return {"id": number, "document": document, "title": title, "heading": heading, "lines": lines, "text": text}


def called(name: str, arguments: dict[str, Any], result: object, number: int = 1) -> list[Message]:
    call = ToolCall(f"call_{number}", name, json.dumps(arguments))
    return [Message("assistant", "", (call,)), Message("tool", json.dumps(result), call_id=call.id)]


def searched(question: str, *passages: dict[str, Any], earlier: Sequence[Message] = ()) -> list[Message]:
    """A transcript after a search that found `passages` and a read that told nothing new."""
    name = passages[0]["document"] if passages else "none.md"
    result: dict[str, Any] = {"query": question, "matched_by": "terms", "passages": list(passages)}
    return [
        Message("system", "Answer."),
        *earlier,
        Message("user", question),
        *called("search_kb", {"query": question}, result),
        *called("read_kb_doc", {"name": name}, {"document": name, "passages": []}, 2),
    ]


async def answer(question: str, *passages: dict[str, Any], earlier: Sequence[Message] = ()) -> str:
    pieces, reply = await ask(searched(question, *passages, earlier=earlier))
    assert reply.finish_reason == "stop"
    assert "".join(pieces) == reply.content
    return reply.content
