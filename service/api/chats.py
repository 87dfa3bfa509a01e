"""Chats: make, list, read, rename, delete."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response

from service.api.deps import (
    CHAT,
    Caller,
    ChatId,
    NumberKey,
    PageLimit,
    ServicesDep,
    VisitDep,
    cursor_of,
    scope_of,
    scope_of_all,
)
from service.api.problems import documented, with_headers
from service.api.schemas import ChatChange, ChatDetail, ChatOut, ChatPage, NewChat
from service.chats.store import NEWEST

router = APIRouter(prefix="/api/chats", tags=["chats"], dependencies=[CHAT])

Words = Annotated[str, Query(max_length=200, description="Words to look for in titles and messages.")]


_MADE: Final[dict[int | str, dict[str, Any]]] = {201: with_headers(Location="Address of the chat.")}


@router.post("", status_code=201, responses=_MADE | documented(400, 413, 422, 503))
async def create_chat(
    services: ServicesDep, caller: Caller, response: Response, body: NewChat | None = None
) -> ChatOut:
    """Make a chat. Without a title it takes one from its first question."""
    wanted = body or NewChat()
    chat = await services.store.create(caller, wanted.title, wanted.metadata)
    response.headers["Location"] = f"/api/chats/{chat.id}"
    return ChatOut.model_validate(chat)


@router.get("", responses=documented(422, 503))
async def list_chats(
    services: ServicesDep, visit: VisitDep, key: NumberKey, limit: PageLimit = 50, q: Words = ""
) -> ChatPage:
    """List chats, newest first; with `q` those whose title or messages hold all of its words."""
    newest = await services.log.newest(scope_of_all(visit))
    page = await services.store.page(visit.principal.owner, limit, NEWEST if key is None else key, q)
    return ChatPage(
        items=[ChatOut.model_validate(c) for c in page.items],
        next_cursor=cursor_of(page.next_key),
        last_event_id=str(newest.id) if newest else None,
    )


@router.get("/{chat_id}", responses=documented(404, 422, 503))
async def get_chat(services: ServicesDep, caller: Caller, chat_id: ChatId) -> ChatDetail:
    """Read a chat. Its messages have a list of their own; read them after this, then open the stream."""
    last_event_id = await services.log.last_id(scope_of(caller, chat_id))
    chat = await services.store.get(caller, chat_id)
    fields = ChatOut.model_validate(chat).model_dump()
    return ChatDetail(**fields, last_event_id=str(last_event_id))


@router.patch("/{chat_id}", responses=documented(400, 404, 413, 422, 503))
async def update_chat(services: ServicesDep, caller: Caller, chat_id: ChatId, body: ChatChange) -> ChatOut:
    """Change a chat's title or metadata; what is left out stays, and nothing happens where nothing differs."""
    chat = await services.store.update(caller, chat_id, body.title, body.metadata)
    return ChatOut.model_validate(chat)


@router.delete("/{chat_id}", status_code=204, responses=documented(404, 422, 503))
async def delete_chat(services: ServicesDep, caller: Caller, chat_id: ChatId) -> None:
    """Delete a chat with everything in it; a running answer ends, subscribers are told."""
    running = await services.store.delete(caller, chat_id)
    if running is not None:
        await services.runner.cancel(running)
