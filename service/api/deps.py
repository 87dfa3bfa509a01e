"""What endpoints take: the services, the caller, page limits and keys. All as annotated aliases."""

import asyncio
import base64
import binascii
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Final, Literal
from urllib.parse import unquote_to_bytes

from fastapi import Depends, Header, Path, Query, Request

from service.access.control import AccessControl
from service.access.records import KeyScope
from service.access.streams import Visit
from service.agent.probe import Probe
from service.agent.runner import TurnRunner
from service.agent.tools import Toolbox
from service.agent.unstored import UnstoredTurns
from service.api.mcp_door import McpDoor
from service.chats.events import EventLog, Scope
from service.chats.gaps import GapStore
from service.chats.kept import KeptTexts
from service.chats.questions import QuestionStore
from service.chats.store import ChatStore
from service.database import Database
from service.errors import AccessRefused, InvalidInput
from service.kb.index import Reconciler
from service.kb.search import KnowledgeBase
from service.kb.waiting import Arrivals
from service.kb.watcher import Watcher
from service.telemetry import Metrics

COOKIE: Final = "kb_agent_session"


@dataclass(frozen=True, slots=True)
class Services:
    """Everything the endpoints use, built by `app.py` and published as the application's state."""

    db: Database
    log: EventLog
    store: ChatStore
    questions: QuestionStore
    kept: KeptTexts
    gaps: GapStore
    runner: TurnRunner
    unstored: UnstoredTurns
    toolbox: Callable[[], Toolbox]
    mcp: McpDoor
    kb: KnowledgeBase
    index: Reconciler
    watcher: Watcher
    arrivals: Arrivals
    probe: Probe
    metrics: Metrics
    stopping: asyncio.Event
    access: AccessControl
    compat_models: tuple[str, ...]
    max_message_chars: int
    heartbeat: float
    metrics_token: str | None


# Dependencies are coroutines where they wait for nothing too: plain functions get a thread each. They call each
# other where they can: what the framework finds for them costs 10 µs and more a request.
async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def _visit(request: Request) -> Visit:
    """Give the visit that the gatekeeper made of the request. Raises AccessRefused where it let in nobody."""
    visit: Visit | None = getattr(request.state, "visit", None)
    if visit is None:
        raise request.state.refused
    return visit


async def _caller(request: Request) -> str:
    return (await _visit(request)).principal.owner


async def hold_stream(request: Request) -> None:
    """Take a place among the open event streams. Raises Overloaded when there is none."""
    (await _services(request)).access.streams.hold(await _visit(request))


@dataclass(frozen=True, slots=True)
class Access:
    """What a route asks of its caller: a scope, or with None only that he is known. Counts the request.

    Every route has one of these or is `OPEN`; `guard` in `gatekeeping.py` sees to it. It looks at the query too,
    where only `repeated` parameters may come twice: one dependency more costs a request more than these checks.
    """

    scope: KeyScope | None
    repeated: frozenset[str] = frozenset()

    async def __call__(self, request: Request) -> None:
        _check_query(request, self.repeated)
        await self.grant(await _services(request), await _visit(request))

    async def grant(self, services: Services, visit: Visit) -> None:
        """Let the visit through. Raises AccessRefused `scope_missing`, Overloaded `rate_limited`."""
        if self.scope is not None and self.scope not in visit.principal.scopes:
            detail = (
                f"This needs a key with the scope {self.scope}; `kb-agent keys create NAME --scope {self.scope}`"
                " makes one."
            )
            raise AccessRefused("scope_missing", detail, scope=self.scope)
        await _count(services, visit, "requests")


async def _asks(request: Request) -> None:
    await _count(await _services(request), await _visit(request), "questions")


async def _count(services: Services, visit: Visit, name: Literal["requests", "questions"]) -> None:
    allowance = await services.access.rates.take(name, visit.principal)
    if allowance is not None:
        visit.headers.update(allowance.headers())


async def _open() -> None:
    """Mark a route that asks nothing of its caller."""


def key_of(cursor: str | None) -> str | None:
    """Read a page cursor; an empty one is none. Raises InvalidInput `invalid_cursor`."""
    if not cursor:
        return None
    try:
        return base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise _unknown_cursor() from error


def number_of(cursor: str | None) -> int | None:
    """Read a page cursor that holds a number. Raises InvalidInput `invalid_cursor`."""
    key = key_of(cursor)
    if key is None:
        return None
    if not (key.isascii() and key.isdecimal() and len(key) <= 18):
        raise _unknown_cursor()
    return int(key)


def _unknown_cursor() -> InvalidInput:
    detail = "no page gave this cursor; send the next_cursor of the page before, or none to begin"
    return InvalidInput(detail, field="query.cursor", code="invalid_cursor")


def cursor_of(key: str | int | None) -> str | None:
    """Make a page cursor: opaque to clients."""
    return None if key is None else base64.urlsafe_b64encode(str(key).encode()).decode()


async def _number_key(
    cursor: Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")] = None,
) -> int | None:
    return number_of(cursor)


async def _name_key(
    cursor: Annotated[str | None, Query(max_length=2000, description="`next_cursor` of the page before.")] = None,
) -> str | None:
    return key_of(cursor)


def _check_query(request: Request, repeated: Collection[str]) -> None:
    """Refuse a parameter that is given twice: whoever sends it means both, and one would be dropped.

    Refuse text that is not UTF-8 too: it would be searched with a sign that stands for what cannot be read.
    """
    try:
        unquote_to_bytes(request.scope["query_string"]).decode()
    except UnicodeDecodeError as error:
        detail = "the query is not UTF-8; encode its text as UTF-8, then each byte of it as %XX"
        raise InvalidInput(detail, field="query") from error
    times = Counter(name for name, _ in request.query_params.multi_items())
    for name, count in times.items():
        if count > 1 and name not in repeated:
            raise InvalidInput("a parameter is given twice; give it once", field=f"query.{name}")


async def _resume(
    last_event_id: Annotated[str | None, Query(max_length=100, description="Resume after this event id.")] = None,
    header: Annotated[
        str | None, Header(alias="Last-Event-ID", max_length=100, description="The same; it wins over the query.")
    ] = None,
) -> str | None:
    return header or last_event_id or None


OPEN: Final = Depends(_open)  # for anyone, with or without a key
KNOWN: Final = Depends(Access(None))
CHAT: Final = Depends(Access(KeyScope.CHAT))
KB: Final = Depends(Access(KeyScope.KB))
ADMIN: Final = Depends(Access(KeyScope.ADMIN))
ASKS: Final = Depends(_asks)  # beside CHAT: what makes the model work
STREAMS: Final = Depends(hold_stream)  # takes a place among the open event streams

ServicesDep = Annotated[Services, Depends(_services)]
VisitDep = Annotated[Visit, Depends(_visit)]
Caller = Annotated[str, Depends(_caller)]
NumberKey = Annotated[int | None, Depends(_number_key)]
NameKey = Annotated[str | None, Depends(_name_key)]
Resume = Annotated[str | None, Depends(_resume)]
PageLimit = Annotated[int, Query(ge=1, le=200, description="Most items on a page.")]
ChatId = Annotated[str, Path(max_length=100, description="Id of the chat.", examples=["chat_0f3c9a"])]
MessageId = Annotated[str, Path(max_length=100, description="Id of the message.", examples=["msg_7b21d4"])]


def scope_of(caller: str, chat_id: str) -> Scope:
    """What a stream of one chat covers."""
    return Scope(caller, chat_id)


def scope_of_all(visit: Visit, beside: str | None = None) -> Scope:
    """What the stream of everything covers: the index too, where the key opens it; with the text of one chat."""
    return Scope(visit.principal.owner, None, KeyScope.KB in visit.principal.scopes, beside)
