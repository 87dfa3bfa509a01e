"""Completion of chats and documents: what a running server says within a moment. Without one there is none."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from service import settings
from service.client import Client, connected_if_running
from service.errors import KbAgentError

_CHATS: Final = 50
_DOCUMENTS: Final = 1000


def chats(incomplete: str) -> list[tuple[str, str]]:
    """The newest chats: their ids, and their titles as help."""
    found = _asked(lambda client: client.chats("", _CHATS))
    return [(chat["id"], chat["title"] or "") for chat in found if chat["id"].startswith(incomplete)]


def documents(incomplete: str) -> list[str]:
    """Names of documents."""
    found = _asked(lambda client: client.documents(_DOCUMENTS))
    return [document["name"] for document in found if document["name"].startswith(incomplete)]


def _asked(question: Callable[[Client], Coroutine[Any, Any, list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    async def ask() -> list[dict[str, Any]]:
        async with connected_if_running(settings.load()) as client:
            return await question(client) if client else []

    try:
        return asyncio.run(ask())
    except KbAgentError:
        return []  # there is nobody to tell
