"""A `ChatModel` over several: the next one is asked when one fails before its first text."""

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from service.agent.model import ChatModel, Reply, Request, TextPiece
from service.errors import ModelError

_LOG: Final = logging.getLogger(__name__)
# What another model of the endpoint may not suffer from.
_OF_ONE_MODEL: Final = frozenset(
    {
        "provider_unavailable",
        "provider_rate_limited",
        "provider_error",
        "provider_timeout",
        "provider_quota",
        "unknown_model",
    }
)


class FallbackModel:
    """Asks `models` in order. What the first one said is raised when none of them answers.

    `fell_back` hears the code of each failure after which another model is asked.
    """

    def __init__(self, models: Sequence[ChatModel], fell_back: Callable[[str], None]) -> None:
        self._models = tuple(models)
        self.name = self._models[0].name
        self._fell_back = fell_back

    async def stream(self, request: Request) -> AsyncGenerator[TextPiece | Reply]:
        """See `ChatModel.stream`; the first model that can answers."""
        failures: list[ModelError] = []
        for model in self._models:
            shown = False
            try:
                async with aclosing(model.stream(request)) as pieces:
                    async for piece in pieces:
                        shown = True
                        other = failures and isinstance(piece, TextPiece)
                        yield replace(piece, model=model.name) if other else piece
            except ModelError as error:
                failures.append(error)
                if shown:
                    raise
                if error.code not in _OF_ONE_MODEL:
                    break
            else:
                return
            if model is not self._models[-1]:
                self._fell_back(failures[-1].code)
                _LOG.warning("the next model is asked", extra={"model": model.name, "code": failures[-1].code})
        raise failures[0]
