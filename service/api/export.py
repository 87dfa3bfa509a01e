"""A whole chat as one file: JSON for programs, Markdown for people."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response

from service.api.deps import CHAT, Caller, ChatId, Services, ServicesDep
from service.api.problems import documented
from service.api.schemas import ChatExport, ChatOut, MessageOut
from service.chats.records import Chat, Citation, Message, Status, public

router = APIRouter(tags=["chats"], dependencies=[CHAT])

_PAGE: Final = 200


class ExportFormat(StrEnum):
    """What an export is written in."""

    JSON = "json"
    MARKDOWN = "markdown"


_EXPORT: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "model": ChatExport,
        "description": "The chat, as a file to keep.",
        "content": {"text/markdown": {"schema": {"type": "string"}, "example": "# Resuming a stream\n"}},
    }
}


@router.get("/api/chats/{chat_id}/export", response_class=Response, responses=_EXPORT | documented(404, 422, 503))
async def export_chat(
    services: ServicesDep,
    caller: Caller,
    chat_id: ChatId,
    form: Annotated[ExportFormat, Query(alias="format", description="json or markdown.")] = ExportFormat.JSON,
) -> Response:
    """Give the whole chat with its citations, as JSON or as Markdown."""
    chat = await services.store.get(caller, chat_id)
    messages = await _all_messages(services, caller, chat_id)
    if form is ExportFormat.MARKDOWN:
        cited = {citation.document for message in messages for citation in message.citations}
        current = await services.kb.revisions(sorted(cited))
        return _file(markdown(chat, messages, current), "text/markdown; charset=utf-8", f"{chat.id}.md")
    items = [MessageOut.model_validate(public(message)) for message in messages]
    export = ChatExport(chat=ChatOut.model_validate(chat), messages=items)
    return _file(export.model_dump_json(indent=2), "application/json", f"{chat.id}.json")


def markdown(chat: Chat, messages: list[Message], current: Mapping[str, str]) -> str:
    """Write a chat for people: questions as quotes, answers as they are, sources under each.

    `current` are the revisions that are served now; a source of another one is marked.
    """
    parts = [f"# {chat.title or 'Chat'}", f"Exported from kb-agent; begun {chat.created_at}."]
    for message in messages:
        if message.role == "user":
            parts.append("\n".join(f"> {line}".rstrip() for line in message.content.splitlines()))
            continue
        parts.extend(_answer(message))
        if message.citations:
            parts.append("\n".join(_source(citation, current) for citation in message.citations))
    return "\n\n".join(parts) + "\n"


def _answer(message: Message) -> Iterator[str]:
    """An answer's text, and what its reader must know of it."""
    if message.superseded_by:
        yield "*A former answer; it was written anew.*"
    why = message.error.detail if message.error else message.status
    if not message.content:
        yield f"*No answer: {why}*"
        return
    yield message.content
    if message.status is not Status.COMPLETED:
        yield f"*Not the whole answer: {why}*"


def _source(citation: Citation, current: Mapping[str, str]) -> str:
    lines = f"{citation.start_line}-{citation.end_line}"
    quote = " ".join(citation.quote.split())
    served = current.get(citation.document)
    gone = "" if served else " (not in the knowledge base any more)"
    since = " (changed since)" if served not in {None, citation.revision} else gone
    revision = f"revision {citation.revision[:12]}{since}"
    return f"- {citation.marker} {citation.document}, lines {lines}, {revision}: “{quote}”"


async def _all_messages(services: Services, caller: str, chat_id: str) -> list[Message]:
    found: list[Message] = []
    key: int | None = None
    while True:
        page = await services.store.messages(caller, chat_id, _PAGE, key)
        found.extend(page.items)
        key = page.next_key
        if key is None:
            return found


def _file(content: str, media_type: str, name: str) -> Response:
    return Response(
        content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
