"""A `ChatModel` whose requests fit the model's window: a setting at first, then what the provider tells of it."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from service.agent.context import described, fitted, size
from service.agent.model import ChatModel, Reply, Request, TextPiece
from service.errors import ModelError

_LOG: Final = logging.getLogger(__name__)
_LOWEST, _HIGHEST = 0.5, 2.0  # of the ratio; beyond it a provider's count is a mistake
_INERTIA: Final = 0.8


class FittedModel:
    """Fits what `model` is sent into `window` tokens, of which `answer` are left for the reply.

    A refusal as too long is answered with a second, shorter request: fitted to the window that the provider
    named, else to half. Our estimate of tokens is corrected by those that the provider counts.
    """

    def __init__(self, model: ChatModel, window: int, answer: int) -> None:
        self._model = model
        self.name = model.name
        self._window = window
        self._answer = answer
        self._ratio = 1.0

    async def stream(self, request: Request) -> AsyncGenerator[TextPiece | Reply]:
        """See `ChatModel.stream`; what does not fit is left out."""
        told = described(request.tools)
        window = self._window
        for last in (False, True):
            sent = fitted(request.messages, self._room(window) - told)
            shown = False
            try:
                async with aclosing(self._model.stream(replace(request, messages=sent))) as pieces:
                    async for piece in pieces:
                        shown = True
                        if isinstance(piece, Reply):
                            self._window = min(self._window, window)
                            self._correct(size(sent) + told, piece.usage.prompt_tokens)
                        yield piece
            except ModelError as error:
                if shown or error.code != "context_too_long" or last:
                    raise
                window = self._overflowed(error, window, size(sent) + told)
                if fitted(request.messages, self._room(window) - told) == sent:
                    raise
                _LOG.warning("fitted to a smaller window", extra={"model": self.name, "tokens": window})
            else:
                return

    def _room(self, window: int) -> int:
        """Tokens for the request, by our estimate."""
        return int((window - min(self._answer, window // 2)) / self._ratio)

    def _overflowed(self, error: ModelError, window: int, estimated: int) -> int:
        """Learn from the refusal of so many tokens, by our estimate, as too long; give the window to try next."""
        # The estimate was too low, whatever was counted before.
        self._ratio = max(self._ratio, 1.0)
        self._correct(estimated, error.prompt_tokens or 0)
        if error.window is None or (error.window >= window and not error.prompt_tokens):
            return window // 2
        self._window = min(self._window, error.window)
        return min(window, error.window)

    def _correct(self, estimated: int, counted: int) -> None:
        """Follow the provider's count: up at once, down slowly."""
        if counted:
            ratio = min(_HIGHEST, max(_LOWEST, counted / estimated))
            self._ratio = max(ratio, self._ratio * _INERTIA + ratio * (1 - _INERTIA))
