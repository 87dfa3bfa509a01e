"""The web page: its shell, its static files, and answers as HTML fragments."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from string import Template
from typing import Annotated, Final

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Scope

from service.access.records import KeyScope
from service.api.deps import CHAT, OPEN, Access, Caller, ChatId, MessageId, Services, ServicesDep
from service.api.gatekeeping import Mounted
from service.api.markdown import AnswerRenderer
from service.chats.records import Message

STYLES: Final = (
    "tokens.css",
    "layout.css",
    "sidebar.css",
    "conversation.css",
    "answer.css",
    "sources.css",
    "prose.css",
    "dialogs.css",
    "knowledge.css",
    "panel.css",
)
MODULES: Final = (
    "answer.js",
    "api.js",
    "chat_list.js",
    "composer.js",
    "conversation.js",
    "copying.js",
    "document_lines.js",
    "document_panel.js",
    "documents.js",
    "dom.js",
    "feedback.js",
    "gaps.js",
    "history.js",
    "index_card.js",
    "index_status.js",
    "knowledge.js",
    "live.js",
    "main.js",
    "messages.js",
    "notices.js",
    "open_chat.js",
    "places.js",
    "prose.js",
    "question.js",
    "renaming.js",
    "route.js",
    "scroller.js",
    "search_results.js",
    "session.js",
    "shortcuts.js",
    "sources.js",
    "steps.js",
    "text.js",
    "thread.js",
    "trash.js",
    "welcome.js",
)
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types fragments"
    ),
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_MOST_FRAGMENTS: Final = 200
_WORTH_PACKING: Final = 1000  # bytes of a static file


@dataclass(frozen=True, slots=True)
class Page:
    """What the page is made of: its shell as bytes with their ETag, and the renderer of answers."""

    shell: bytes
    etag: str
    renderer: AnswerRenderer


class _PageFiles(StaticFiles):
    """Static files that a browser keeps and asks about each time."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_HEADERS | {"Cache-Control": "no-cache"})
        return response


router = APIRouter(include_in_schema=False)


def install(app: FastAPI) -> None:
    """Serve the page from `app`: shell at `/`, fragments under `/web`, static files under `/static`."""
    template = Template(resources.files("service").joinpath("web", "templates", "index.html").read_text("utf-8"))
    links = {"styles": _links("stylesheet", STYLES), "modules": _links("modulepreload", MODULES)}
    shell = template.substitute(links).encode()
    app.state.page = Page(shell, f'"{hashlib.sha256(shell).hexdigest()[:32]}"', AnswerRenderer())
    app.include_router(router)
    files = GZipMiddleware(_PageFiles(packages=[("service", "web/static")]), minimum_size=_WORTH_PACKING)
    app.mount("/static", Mounted(files, None), name="static")


def _links(kind: str, names: Sequence[str]) -> str:
    return "\n  ".join(f'<link rel="{kind}" href="/static/{name}">' for name in names)


async def _page(request: Request) -> Page:
    page: Page = request.app.state.page
    return page


_PageDep = Annotated[Page, Depends(_page)]


@router.get("/", dependencies=[OPEN])
async def shell(page: _PageDep, if_none_match: Annotated[str, Header()] = "") -> Response:
    """Give the page's shell; what it shows comes from the API."""
    headers = _HEADERS | {"Cache-Control": "no-cache", "ETag": page.etag}
    if page.etag in if_none_match:
        return Response(status_code=304, headers=headers)
    return HTMLResponse(page.shell, headers=headers)


@router.get("/web/chats/{chat_id}/messages/{message_id}", dependencies=[CHAT])
async def message_fragment(
    services: ServicesDep, caller: Caller, page: _PageDep, chat_id: ChatId, message_id: MessageId
) -> Response:
    """Render a message's content as it stands now, also while it is being written."""
    message = await services.store.message(caller, chat_id, message_id)
    return _fragments(_fragment(services, page, message))


@router.get("/web/chats/{chat_id}/messages", dependencies=[Depends(Access(KeyScope.CHAT, frozenset({"id"})))])
async def message_fragments(
    services: ServicesDep,
    caller: Caller,
    page: _PageDep,
    chat_id: ChatId,
    message_ids: Annotated[list[str], Query(alias="id", max_length=_MOST_FRAGMENTS)],
) -> Response:
    """Render the content of several messages of a chat, in the order of their ids."""
    messages = [await services.store.message(caller, chat_id, message_id) for message_id in message_ids]
    return _fragments("\n".join(_fragment(services, page, message) for message in messages))


def _fragments(html: str) -> HTMLResponse:
    return HTMLResponse(html, headers=_HEADERS | {"Cache-Control": "no-store"})


def _fragment(services: Services, page: Page, message: Message) -> str:
    """Render the text in its wrapper; `data-chars` tells how much of it that is, in characters."""
    text = message.content
    live = services.log.live(message.chat_id)
    if live is not None and live.turn_id == message.id and not message.final:
        text = live.text
    markers = frozenset(citation.marker.strip("[]") for citation in message.citations)
    html = page.renderer.render(text, markers if message.final else None)
    chars, final = len(text.rstrip()), "true" if message.final else "false"
    return f'<div data-message="{escape(message.id)}" data-chars="{chars}" data-final="{final}">{html}</div>'
