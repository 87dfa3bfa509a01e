"""An answer in the making, and what the evidence says of it."""

import time
from dataclasses import dataclass, field
from typing import Literal

from service.chats.records import Citation, Outcome, TokenUsage

Reached = Literal["used_up", "no_progress"]


@dataclass(slots=True)
class Draft:
    """An answer in the making: complete when `answer` has ended, else what there is of it."""

    model: str
    text: str = ""
    citations: tuple[Citation, ...] = ()
    citations_dropped: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    llm_calls: int = 0
    tool_calls: int = 0
    searched: bool = False
    truncated: bool = False  # a limit of length cut the answer
    limited: Reached | None = None  # why the tools were withdrawn
    fruitless: int = 0  # searches in a row that brought no new passage
    refused: int = 0  # replies in a row with a call that could not be carried out, and none that could
    steps_done: int = 0  # by an earlier attempt
    started: float = field(default_factory=time.monotonic)
    spoke: float | None = None  # when the text began
    _refused_reply: int = -1  # the last one of those

    def called(self, *, search: bool, found: bool, failed: bool) -> None:
        """Count a tool call: whether it was a search, brought a new passage, could not be carried out."""
        self.tool_calls += 1
        if found:
            self.fruitless = 0
        elif search and not failed:
            self.fruitless += 1
        if not failed:
            self.refused = 0
        elif self._refused_reply != self.llm_calls:
            self._refused_reply = self.llm_calls
            self.refused += 1

    def add(self, text: str) -> None:
        """Take more text of the answer."""
        if text and not self.text:
            self.spoke = time.monotonic()
        self.text += text

    def withdraw(self) -> None:
        """Drop the text so far: it is not the answer, or what it rests on is not stored."""
        self.text, self.citations, self.citations_dropped = "", (), 0

    @property
    def usage(self) -> TokenUsage:
        """Tokens and calls so far."""
        return TokenUsage(self.prompt_tokens, self.completion_tokens, self.llm_calls)

    @property
    def outcome(self) -> Outcome:
        """What the evidence says of the finished answer."""
        if self.citations:
            return Outcome.PARTIAL if self.citations_dropped or self.truncated else Outcome.GROUNDED
        if self.limited == "used_up" or self.truncated:
            return Outcome.LIMIT
        return Outcome.NOT_IN_KB if self.searched else Outcome.CONVERSATIONAL
