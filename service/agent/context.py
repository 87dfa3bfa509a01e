"""Conversation -> messages that fit the model's window.

Tokens are estimated from above: three ASCII characters or one other character a token, eight more a message.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib import resources
from typing import Final

from service.agent.enclosure import enclose_again
from service.agent.model import Message, Tool
from service.chats.turns import Exchange

ASCII_A_TOKEN: Final = 3  # characters
_HISTORY_SHARE: Final = 0.3  # of the window; the rest is for this turn's passages and the answer
_MESSAGE_TOKENS: Final = 8
_DROPPED: Final = '{"note": "This older result was left out to save space. Call the tool again if it is needed."}'
_SHORTENED: Final = "Shortened to fit. Ask for fewer passages or lines to see more of each."
_SHORTEST: Final = 200  # characters of a passage that are kept in any case
_MARKER: Final = re.compile(r" ?\[\d{1,3}\]")


def system_prompt() -> str:
    """Read the instructions that begin every conversation."""
    return resources.files("service.agent").joinpath("prompts", "system.md").read_text("utf-8").strip()


def tokens(text: str) -> int:
    """Estimate how many tokens a text takes, from above."""
    ascii_chars = len(text.encode("ascii", "ignore"))
    return (ascii_chars + 2) // ASCII_A_TOKEN + len(text) - ascii_chars


@lru_cache(maxsize=16)
def described(tools: tuple[Tool, ...]) -> int:
    """Estimate how many tokens it takes to tell a model of tools, from above."""
    return tokens(json.dumps([tool.wire() for tool in tools])) if tools else 0


def transcript(system: str, exchanges: Iterable[Exchange], question: str, window: int) -> list[Message]:
    """Begin a turn's transcript: instructions, as many of the newest exchanges as fit, the question.

    `exchanges` come newest first. Their markers are removed: they named passages of another turn.
    """
    left = int(window * _HISTORY_SHARE)
    history: list[Message] = []
    for exchange in exchanges:
        answer = _MARKER.sub("", exchange.answer)
        left -= tokens(exchange.question) + tokens(answer) + 2 * _MESSAGE_TOKENS
        if left < 0:
            break
        history[:0] = [Message("user", exchange.question), Message("assistant", answer)]
    return [Message("system", system), *history, Message("user", question)]


def fitted(messages: Sequence[Message], room: int) -> list[Message]:
    """Leave out what is least needed until `messages` fit in `room` tokens, or nothing more can go.

    In this order: the content of older tool results, older exchanges, the later passages of the newest result. The
    instructions and the question always stay, and no call loses its result.
    """
    kept = list(messages)
    excess = size(kept) - room
    results = [at for at, message in enumerate(kept) if message.role == "tool"]
    for at in results[:-1]:
        if excess <= 0:
            return kept
        shorter = replace(kept[at], content=_DROPPED)
        excess -= _size(kept[at]) - _size(shorter)
        kept[at] = shorter
    while excess > 0 and (pair := _oldest_exchange(kept)):
        excess -= size(pair)
        del kept[1:3]
    if excess > 0 and kept and kept[-1].role == "tool":
        kept[-1] = _shortened(kept[-1], _size(kept[-1]) - excess)
    return kept


def size(messages: Sequence[Message]) -> int:
    """Estimate how many tokens messages take, from above."""
    return sum(_size(message) for message in messages)


def _oldest_exchange(messages: Sequence[Message]) -> Sequence[Message]:
    """Give the first question after the instructions with its answer, unless it is the one to be answered."""
    earlier = len(messages) > 3 and [m.role for m in messages[1:4]] == ["user", "assistant", "user"]
    return messages[1:3] if earlier else ()


def _shortened(message: Message, room: int) -> Message:
    """Leave out a result's last passages, and the end of its only one, until it fits or is short."""
    body = json.loads(message.content)
    passages = body.get("passages", ())
    while passages and _size(message) > room:
        last = passages[-1]
        if len(passages) > 1:
            passages.pop()
        elif len(last["text"]) > _SHORTEST:
            last["text"] = last["text"][: max(_SHORTEST, len(last["text"]) // 2)]
        else:
            break
        message = replace(message, content=enclose_again(body | {"note": _SHORTENED}))
    return message


def _size(message: Message) -> int:
    calls = sum(tokens(call.name) + tokens(call.arguments) + _MESSAGE_TOKENS for call in message.calls)
    return tokens(message.content) + calls + _MESSAGE_TOKENS
