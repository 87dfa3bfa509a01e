"""Event streams: of one chat, and of everything the caller may see."""

from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import Response

from service.access.records import KeyScope
from service.api.deps import CHAT, STREAMS, Caller, ChatId, Resume, Services, ServicesDep, VisitDep, scope_of
from service.api.event_schemas import STREAM_ITEM
from service.api.problems import documented
from service.api.sse import EventStream
from service.chats.events import Scope
from service.chats.stream import follow

router = APIRouter(tags=["events"], dependencies=[CHAT, STREAMS])

_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Server-sent events, for ever.",
        "content": {
            "text/event-stream": {
                "itemSchema": STREAM_ITEM,
                "example": (
                    "id: 57.120\nevent: answer.delta\n"
                    'data: {"message_id":"msg_7b21d4","offset":112,"text":"Send it."}\n\n'
                ),
            }
        },
    }
}


@router.get(
    "/api/chats/{chat_id}/events",
    status_code=200,
    response_class=EventStream,
    responses=_STREAM | documented(404, 422, 429, 503),
)
async def chat_events(services: ServicesDep, caller: Caller, chat_id: ChatId, resume: Resume) -> Response:
    """Follow a chat: messages, steps and text as they come. Resumes after `Last-Event-ID` without gap or repeat.

    Without an id it begins now, or where the running answer began. An id that is not known or not kept any more
    gets `stream.reset` with a snapshot.
    """
    await services.store.get(caller, chat_id)
    return _opened(services, scope_of(caller, chat_id), resume)


@router.get(
    "/api/events", status_code=200, response_class=EventStream, responses=_STREAM | documented(422, 429, 503)
)
async def all_events(services: ServicesDep, visit: VisitDep, resume: Resume) -> Response:
    """Follow all that the caller may see: chats, messages, steps, changes of the index; not the text's deltas.

    Changes of the index are for callers with the scope `kb`.
    """
    knowledge = KeyScope.KB in visit.principal.scopes
    return _opened(services, Scope(visit.principal.owner, None, knowledge), resume)


def _opened(services: Services, scope: Scope, resume: str | None) -> EventStream:
    if resume is not None:
        services.metrics.stream_resumes.inc()
    frames = follow(services.log, scope, resume, lambda: services.store.snapshot(scope), idle=services.heartbeat)
    return EventStream(frames, services.metrics)
