"""What a model's calls take is charged to whoever caused them."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from service.agent.context import described, size, tokens
from service.agent.model import ChatModel, Reply, Request, TextPiece
from service.errors import ModelError


class Quota(Protocol):
    """What a caller may use of the model."""

    def check(self, caller: str, turns: int) -> None:
        """Let a caller begin a turn beside so many others. Raises Overloaded when it has used all that it may."""
        ...

    def charge(self, caller: str, reported: int, estimated: int, *, more: bool = False) -> None:
        """Count tokens that a caller has used, those that the provider told and those that it did not.

        `more` tells that others of the same turn follow.
        """
        ...


class NoQuota:
    """A `Quota` for a model that costs nothing."""

    def check(self, caller: str, turns: int) -> None:
        """Nothing."""

    def charge(self, caller: str, reported: int, estimated: int, *, more: bool = False) -> None:
        """Nothing."""


class MeteredModel:
    """`model` for one caller, whose `quota` is charged when a call ends, however it ends.

    What the provider does not count, or cannot because the call was broken off, is estimated, the request at no
    more than `window`. A call that failed before it said anything costs nothing.
    """

    def __init__(self, model: ChatModel, quota: Quota, caller: str, window: int) -> None:
        self._model = model
        self.name = model.name
        self._quota = quota
        self._caller = caller
        self._window = window

    async def stream(self, request: Request) -> AsyncGenerator[TextPiece | Reply]:
        """See `ChatModel.stream`."""
        call = _Call()
        try:
            async with aclosing(self._model.stream(request)) as pieces:
                async for piece in pieces:
                    call.take(piece)
                    yield piece
        except ModelError:
            call.failed = True
            raise
        finally:
            self._charge(call, request)

    def _charge(self, call: "_Call", request: Request) -> None:
        usage = call.reply.usage if call.reply else None
        sent, received = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
        estimated = 0
        if not sent and not call.fruitless:
            estimated += min(self._window, size(request.messages) + described(request.tools))
        if not received:
            estimated += call.said()
        calls_tools = call.reply is not None and bool(call.reply.calls)
        self._quota.charge(self._caller, sent + received, estimated, more=calls_tools)


@dataclass(slots=True)
class _Call:
    """What a call has brought."""

    text: list[str] = field(default_factory=list)
    reply: Reply | None = None
    failed: bool = False

    def take(self, piece: TextPiece | Reply) -> None:
        if isinstance(piece, Reply):
            self.reply = piece
        else:
            self.text.append(piece.text)

    @property
    def fruitless(self) -> bool:
        """Whether it failed before it said anything."""
        return self.failed and not self.text

    def said(self) -> int:
        """What it said, in tokens by our estimate."""
        calls = self.reply.calls if self.reply else ()
        return tokens("".join(self.text)) + sum(tokens(call.name) + tokens(call.arguments) for call in calls)
