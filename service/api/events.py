"""Event streams: of one chat, and of everything the caller may see."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response

from service.api.deps import (
    CHAT,
    STREAMS,
    Caller,
    ChatId,
    Resume,
    Services,
    ServicesDep,
    VisitDep,
    scope_of,
    scope_of_all,
)
from service.api.event_schemas import STREAM_ITEM
from service.api.problems import documented
from service.api.sse import EventStream
from service.chats.events import Scope
from service.chats.stream import follow

router = APIRouter(tags=["events"], dependencies=[CHAT, STREAMS])

TextOf = Annotated[
    str | None,
    Query(
        max_length=100,
        description="Id of a chat whose `answer.delta` come too, each time from where a running answer begins.",
        examples=["chat_0f3c9a"],
    ),
]

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
    "/api/events", status_code=200, response_class=EventStream, responses=_STREAM | documented(404, 422, 429, 503)
)
async def all_events(services: ServicesDep, visit: VisitDep, resume: Resume, text_of: TextOf = None) -> Response:
    """Follow all that the caller may see: chats, messages, steps, changes of the index; of the text one chat's.

    Changes of the index are for callers with the scope `kb`. With `text_of` one connection is enough for a list of
    chats and the chat that is open: resume with another one to go to another chat.
    """
    if text_of:
        await services.store.get(visit.principal.owner, text_of)
    return _opened(services, scope_of_all(visit, text_of or None), resume)


def _opened(services: Services, scope: Scope, resume: str | None) -> EventStream:
    if resume is not None:
        services.metrics.stream_resumes.inc()
    frames = follow(services.log, scope, resume, lambda: services.store.snapshot(scope), idle=services.heartbeat)
    return EventStream(frames, services.metrics)
