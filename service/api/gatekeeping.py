"""Who may come in: every request shows its key before its body is read; every route says what it asks.

A key is needed everywhere but at the addresses of routes that are `OPEN`, so that a new route is closed until it
says otherwise, and an address that does not exist looks like any other.
"""

import asyncio
from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request, cookie_parser
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.records import KeyScope
from service.access.streams import Streams, Visit
from service.api.deps import COOKIE, OPEN, Access, Services
from service.api.problems import refusal
from service.errors import AccessRefused
from service.telemetry import CALLER

_STREAM: Final = "text/event-stream"


class Mounted:
    """A mounted application that asks its callers for a scope; None for anyone."""

    def __init__(self, app: ASGIApp, scope: KeyScope | None) -> None:
        self._app = app
        self.access = Access(scope) if scope is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.access is not None:
            request = Request(scope)
            await self.access.grant(request.app.state.services, request.state.visit)
        await self._app(scope, receive, send)


class Gatekeeper:
    """Finds out who is asking, refuses whom it must, and ends the stream of one whose key has ended."""

    def __init__(self, app: ASGIApp, open_paths: frozenset[str], open_trees: tuple[str, ...]) -> None:
        self._app = app
        self._paths = open_paths
        self._trees = open_trees

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services: Services = scope["app"].state.services
        state = scope.setdefault("state", {})
        try:
            visit = state["visit"] = _identified(services, scope)
        except AccessRefused as refused:
            state["refused"] = refused
            opened = scope["path"] in self._paths or scope["path"].startswith(self._trees)
            await (self._app if opened else refusal(Request(scope), refused))(scope, receive, send)
            return
        CALLER.set(visit.principal.name)
        with services.access.streams.visiting(visit):
            await self._visited(services.access.streams, visit, scope, receive, send)

    async def _visited(self, streams: Streams, visit: Visit, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_as_visit(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(visit.headers)
                if headers.get("content-type", "").startswith(_STREAM):
                    streams.began(visit)
            elif not message.get("more_body", False):
                streams.ended(visit)
            await send(message)

        visit.task = asyncio.current_task()
        try:
            await self._app(scope, receive, send_as_visit)
        except asyncio.CancelledError:
            if not visit.ended or visit.task is None:
                raise
            visit.task.uncancel()
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def _identified(services: Services, scope: Scope) -> Visit:
    headers = Headers(scope=scope)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE)
    address = scope["client"][0] if scope.get("client") else ""
    shown = token.strip() if scheme.lower() == "bearer" else None
    return Visit(services.access.gate.admit(shown, cookie, address))


def guard(app: FastAPI) -> None:
    """Put the gatekeeper before `app`, with the addresses that its open routes have.

    Raises TypeError for a route that does not say what it asks of its caller.
    """
    paths, trees = {str(app.openapi_url)}, []
    for route, access in declared(app):
        if access is None and isinstance(route, Mount):
            trees.append(f"{route.path}/")
        elif access is None:
            paths.add(route.path)
    app.add_middleware(Gatekeeper, open_paths=frozenset(paths), open_trees=tuple(trees))


def declared(app: FastAPI) -> Iterator[tuple[Any, Access | None]]:
    """Yield every route with what it asks of its caller, None for an open one.

    Raises TypeError for one that does not say.
    """
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, Mount) and isinstance(route.app, Mounted):
            yield route, route.app.access
        elif context.path == app.openapi_url:
            continue
        else:
            yield context, _asked(context)


def _asked(route: RouteContext) -> Access | None:
    marks = [mark.dependency for mark in getattr(route, "dependencies", ())]
    asked = [mark for mark in marks if isinstance(mark, Access)]
    if not asked and OPEN.dependency not in marks:
        raise TypeError(
            f"{route.path} does not say who may call it: give it one of the marks in service/api/deps.py"
        )
    return asked[0] if asked else None
