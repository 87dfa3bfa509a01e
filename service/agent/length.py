"""How long an answer may be where its client says so: told to the model, and cut here where that is not enough."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from service.agent.context import ASCII_A_TOKEN
from service.agent.model import ChatModel, Reply, Request, TextPiece

_CALL_TOKENS: Final = 256  # what a model gets for a tool call in any case: one that is cut in it finds nothing


class Room:
    """Lets text through up to so many tokens, by our estimate, which is from above; None for any number."""

    def __init__(self, tokens: int | None) -> None:
        self._left = None if tokens is None else tokens * ASCII_A_TOKEN
        self.cut = False
        """Whether text was kept back."""

    def take(self, text: str) -> str:
        """Give the part of a further piece of text that still fits."""
        if self._left is None:
            return text
        for at, character in enumerate(text):
            cost = 1 if character.isascii() else ASCII_A_TOKEN
            if cost > self._left:
                self.cut, self._left = True, 0
                return text[:at]
            self._left -= cost
        return text


class BoundedModel:
    """`model` for one answer whose text takes at most `most` tokens.

    The model itself is told, except for what it needs to call a tool; what it then says beyond is cut here.
    """

    def __init__(self, model: ChatModel, most: int) -> None:
        self._model = model
        self.name = model.name
        self._most = most

    async def stream(self, request: Request) -> AsyncGenerator[TextPiece | Reply]:
        """See `ChatModel.stream`; `max_tokens` is at most that of the answer."""
        most = min(self._most, request.max_tokens or self._most)
        told = max(most, _CALL_TOKENS) if request.tools else most
        room = Room(most if told > most else None)
        async with aclosing(self._model.stream(replace(request, max_tokens=told))) as pieces:
            async for piece in pieces:
                if isinstance(piece, Reply):
                    yield replace(piece, finish_reason="length") if room.cut and not piece.calls else piece
                elif text := room.take(piece.text):
                    yield replace(piece, text=text)
