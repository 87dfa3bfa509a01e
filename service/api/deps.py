"""What endpoints take: the services, the caller, page limits and keys. All as annotated aliases."""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query, Request

from service.agent.probe import Probe
from service.agent.runner import TurnRunner
from service.chats.events import EventLog, Scope
from service.chats.kept import KeptTexts
from service.chats.questions import QuestionStore
from service.chats.store import ChatStore
from service.database import Database
from service.errors import InvalidInput
from service.kb.index import Reconciler
from service.kb.search import KnowledgeBase
from service.kb.waiting import Arrivals
from service.kb.watcher import Watcher
from service.telemetry import Metrics

_ANONYMOUS = "anonymous"  # until keys exist there is one caller


@dataclass(frozen=True, slots=True)
class Services:
    """Everything the endpoints use, built by `app.py` and published as the application's state."""

    db: Database
    log: EventLog
    store: ChatStore
    questions: QuestionStore
    kept: KeptTexts
    runner: TurnRunner
    kb: KnowledgeBase
    index: Reconciler
    watcher: Watcher
    arrivals: Arrivals
    probe: Probe
    metrics: Metrics
    stopping: asyncio.Event
    max_message_chars: int
    max_streams: int
    heartbeat: float


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _caller() -> str:
    return _ANONYMOUS


def key_of(cursor: str | None) -> str | None:
    """Read a page cursor. Raises InvalidInput `invalid_cursor`."""
    if cursor is None:
        return None
    try:
        return base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise InvalidInput(
            "the cursor is none that a page gave", field="query.cursor", code="invalid_cursor"
        ) from error


def number_of(cursor: str | None) -> int | None:
    """Read a page cursor that holds a number. Raises InvalidInput `invalid_cursor`."""
    key = key_of(cursor)
    if key is None:
        return None
    if not (key.isascii() and key.isdecimal() and len(key) <= 18):
        raise InvalidInput("the cursor is none that a page gave", field="query.cursor", code="invalid_cursor")
    return int(key)


def cursor_of(key: str | int | None) -> str | None:
    """Make a page cursor: opaque to clients."""
    return None if key is None else base64.urlsafe_b64encode(str(key).encode()).decode()


def _number_key(
    cursor: Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")] = None,
) -> int | None:
    return number_of(cursor)


def _name_key(
    cursor: Annotated[str | None, Query(max_length=2000, description="`next_cursor` of the page before.")] = None,
) -> str | None:
    return key_of(cursor)


async def left(request: Request) -> None:
    """Return when the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _resume(
    last_event_id: Annotated[str | None, Query(max_length=100, description="Resume after this event id.")] = None,
    header: Annotated[
        str | None, Header(alias="Last-Event-ID", max_length=100, description="The same; it wins over the query.")
    ] = None,
) -> str | None:
    return header or last_event_id or None


ServicesDep = Annotated[Services, Depends(_services)]
Caller = Annotated[str, Depends(_caller)]
NumberKey = Annotated[int | None, Depends(_number_key)]
NameKey = Annotated[str | None, Depends(_name_key)]
Resume = Annotated[str | None, Depends(_resume)]
PageLimit = Annotated[int, Query(ge=1, le=200, description="Most items on a page.")]
ChatId = Annotated[str, Path(max_length=100, description="Id of the chat.", examples=["chat_0f3c9a"])]
MessageId = Annotated[str, Path(max_length=100, description="Id of the message.", examples=["msg_7b21d4"])]
Snapshot = Callable[[], Awaitable[Mapping[str, Any]]]


def scope_of(caller: str, chat_id: str | None = None) -> Scope:
    """What a caller's stream covers."""
    return Scope(caller, chat_id)
