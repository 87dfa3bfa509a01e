"""The agent: ask the model, run the tools it calls, append, repeat until an answer or a limit.

A question is never answered without a search: what the model says before one is not shown, and a model that makes
none gets one made for it.
"""

import re
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from service.agent.citations import CitationFilter
from service.agent.draft import Draft, Reached
from service.agent.first_search import FIRST_SEARCH, first_search
from service.agent.model import ChatModel, Message, Reply, Request, TextPiece, ToolCall
from service.agent.tools import LISTING, TOOLS, Toolbox, ToolResult
from service.chats.records import MadeBy, Step
from service.errors import ModelError
from service.telemetry import tracing

_TIME_SHARE: Final = 0.6  # of the turn's time; after it the tools are withdrawn so that an answer still comes
_ARGUMENT_CHARS: Final = 2_000
_THOUGHT: Final = "</think>"
_LINE_END: Final = re.compile(r"[ \t]*\r?\n\s*")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a turn may use: model and tool calls, seconds, tokens, searches and repairs in a row in vain."""

    llm_calls: int
    tool_calls: int
    seconds: float
    window: int
    fruitless: int = 3
    repairs: int = 2

    def reached(self, draft: Draft, seconds: float) -> Reached | None:
        """Tell why the next model call, so many `seconds` after the first, has to be the last one, without tools.

        None when it has not.
        """
        used_up = (
            draft.llm_calls >= self.llm_calls - 1
            or draft.tool_calls >= self.tool_calls
            or seconds >= self.seconds * _TIME_SHARE
        )
        circling = draft.fruitless >= self.fruitless or draft.refused > self.repairs
        return "used_up" if used_up else "no_progress" if circling else None


@dataclass(frozen=True, slots=True)
class TextAdded:
    """More text of the answer; its markers are verified."""

    text: str


@dataclass(frozen=True, slots=True)
class TextWithdrawn:
    """The text so far was not the answer."""

    reason: str


@dataclass(frozen=True, slots=True)
class ModelReplied:
    """The model asked for tools; `message` joined the transcript."""

    number: int
    message: Message
    duration_ms: float


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A tool call begins."""

    step: Step


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool call has its result; its message joined the transcript."""

    step: Step
    result: ToolResult


TurnEvent = TextAdded | TextWithdrawn | ModelReplied | ToolStarted | ToolFinished


class _Speech:
    """What a model says in one call: its markers are verified, and thinking that it never opened is taken back.

    Templates of reasoning models open the thinking themselves, so that of its tags only the closing one is said.
    """

    def __init__(self, draft: Draft, toolbox: Toolbox) -> None:
        self._draft = draft
        self._toolbox = toolbox
        self._markers = self._new_markers()
        self._raw = ""
        self._thought = False

    def take(self, piece: TextPiece) -> Iterator[TextAdded | TextWithdrawn]:
        """Take the next piece."""
        self._draft.model = piece.model or self._draft.model
        text = piece.text
        self._raw += text
        if "\n" in text and not self._thought and (begins := _after_thinking(self._raw)):
            text, self._markers, self._thought = self._raw[begins:], self._new_markers(), True
            if self._draft.text:
                self._draft.withdraw()
                yield TextWithdrawn("the model was thinking")
        if said := self._told(self._markers.feed(text)):
            yield TextAdded(said)

    def end(self) -> str:
        """The rest."""
        return self._told(self._markers.flush())

    def _told(self, text: str) -> str:
        self._draft.add(text)
        self._draft.citations, self._draft.citations_dropped = self._markers.citations, self._markers.dropped
        return text

    def _new_markers(self) -> CitationFilter:
        return CitationFilter(self._toolbox.sources, self._toolbox.nonce)


def _after_thinking(raw: str) -> int:
    """Where the answer begins after a line that closes thinking which nothing opened, 0 where none does."""
    end = raw.find(_THOUGHT)
    if end < 0 or "<think>" in raw[:end] or raw[:end].endswith("`"):
        return 0
    line_end = _LINE_END.match(raw, end + len(_THOUGHT))
    return line_end.end() if line_end else 0


async def answer(
    model: ChatModel, toolbox: Toolbox, transcript: Sequence[Message], limits: Limits, draft: Draft
) -> AsyncGenerator[TurnEvent]:
    """Answer the question in `transcript`, which may hold steps that are done: events as they happen.

    The result is in `draft`. Raises ModelError when the model fails, StorageError when the database does.
    """
    messages = list(transcript)
    calls = unanswered(messages)
    own_search = first_search(messages)
    number, started = draft.steps_done, time.monotonic()
    while True:
        for call in calls:
            number += 1
            made_by: MadeBy = "service" if call.id == FIRST_SEARCH else "model"
            yield ToolStarted(Step(number, call.name, call.arguments[:_ARGUMENT_CHARS], made_by=made_by))
            step, result = await _run(toolbox, call, number, draft, made_by)
            messages.append(result.message)
            yield ToolFinished(step, result)
        draft.limited = limits.reached(draft, time.monotonic() - started)
        waits = own_search is not None and not draft.searched and draft.limited != "used_up"
        speech = _Speech(draft, toolbox)
        reply: Reply | None = None
        began = time.monotonic()
        tools = () if draft.limited else TOOLS
        async with aclosing(model.stream(Request(messages, tools, ends=started + limits.seconds))) as pieces:
            async for piece in pieces:
                if isinstance(piece, Reply):
                    reply = piece
                elif not waits:
                    for said in speech.take(piece):
                        yield said
        _count(draft, reply)
        if (
            reply is None
            or (draft.limited and not waits)
            or not (reply.calls or (waits and reply.finish_reason != "content_filter"))
        ):
            break
        if draft.text:
            draft.withdraw()
            yield TextWithdrawn("the model calls a tool first")
        number += 1
        asked = reply.calls[: limits.tool_calls - draft.tool_calls]
        calls = (own_search,) if own_search and (draft.limited or not asked) else asked
        messages.append(Message("assistant", reply.content if asked else "", calls))
        yield ModelReplied(number, messages[-1], _ms(began))
    if rest := speech.end():
        yield TextAdded(rest)
    _settle(draft, reply)


def unanswered(messages: Sequence[Message]) -> tuple[ToolCall, ...]:
    """Give the calls at the end of a transcript that have no result yet."""
    answered = set()
    for message in reversed(messages):
        if message.role != "tool":
            return tuple(call for call in message.calls if call.id not in answered)
        answered.add(message.call_id)
    return ()


def _count(draft: Draft, reply: Reply | None) -> None:
    draft.llm_calls += 1
    if reply is not None:
        draft.prompt_tokens += reply.usage.prompt_tokens
        draft.completion_tokens += reply.usage.completion_tokens
        draft.model = reply.model


async def _run(
    toolbox: Toolbox, call: ToolCall, number: int, draft: Draft, made_by: MadeBy
) -> tuple[Step, ToolResult]:
    began, known = time.monotonic(), len(toolbox.sources)
    with tracing.tool(call.name) as span:
        result = await toolbox.run(call)
        tracing.tool_told(span, result.hits, wrong=result.error is not None)
    found, failed = len(toolbox.sources) > known, result.error is not None
    draft.called(search=call.name == "search_kb", found=found, failed=failed)
    draft.searched = draft.searched or (result.error is None and call.name != LISTING)
    arguments = call.arguments[:_ARGUMENT_CHARS]
    return Step(number, call.name, arguments, result.hits, result.error, _ms(began), made_by), result


def _settle(draft: Draft, reply: Reply | None) -> None:
    if reply is not None and reply.finish_reason == "content_filter":
        raise ModelError(
            "refused", "the provider's content filter stopped the answer; ask in other words", retryable=False
        )
    if not draft.text.strip() and reply is not None and reply.finish_reason == "length":
        raise ModelError(
            "answer_cut",
            "the limit of length was reached before any text; raise LLM_MAX_TOKENS, or the request's own",
            retryable=False,
        )
    if not draft.text.strip():
        raise ModelError(
            "empty_answer", "the model gave no text; ask again, or choose another model", retryable=True
        )
    draft.truncated = reply is not None and reply.finish_reason == "length"


def _ms(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 2)
