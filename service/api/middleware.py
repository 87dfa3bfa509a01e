"""Plain ASGI middleware, one concern each: request id, metrics, host and origin, body size.

All that comes is HTTP: `make_server` turns WebSockets and the lifespan protocol off.
"""

import logging
import re
import secrets
import time
from collections.abc import MutableMapping
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import problem
from service.telemetry import REQUEST_ID, Metrics, tracing

_LOG: Final = logging.getLogger(__name__)
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OPEN: Final = frozenset({"/livez", "/readyz", "/metrics"})
_LEFT: Final = 499  # the client left before there was a response; no standard code, but the usual one
_MOST_HEADERS: Final = 100
_HEADER_BYTES: Final = 32_768
_DRAINED: Final = 1_048_576
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def unobserved(scope: MutableMapping[str, Any]) -> bool:
    """Whether a request is a probe's or a scraper's: many, and each like the other."""
    return scope.get("path") in _OPEN


class RequestId:
    """Takes the client's `X-Request-ID` or makes one; it is in the log, in problems and in the response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else secrets.token_hex(8)
        REQUEST_ID.set(request_id)
        span = tracing.current()
        if span.is_recording():
            span.set_attribute("kb_agent.request.id", request_id)
            if scope["query_string"]:
                span.set_attribute("url.query", "REDACTED")  # the framework notes it, and it may be a question

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        await self._app(scope, receive, send_with_id)


class HttpMetrics:
    """Counts and logs requests by route template, and times them until the response begins.

    What changes nothing and goes well is logged at `debug` only.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        status = 0

        async def send_and_count(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._ended(scope, status, time.perf_counter() - began)
            await send(message)

        ended = False
        try:
            await self._app(scope, receive, send_and_count)
            ended = True
        finally:
            if not status:  # whoever answers an unexpected error stands outside; the other clients have left
                self._ended(scope, _LEFT if ended else 500, time.perf_counter() - began)

    def _ended(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.request_ended(method, route, status, seconds)
        if scope["path"] in _OPEN:
            return
        level = logging.INFO if method not in _SAFE or status >= 400 else logging.DEBUG
        told = {"method": method, "route": route, "status": status, "seconds": round(seconds, 3)}
        _LOG.log(level, "request", extra=told)


class HostGuard:
    """Answers only to known host names, and refuses requests of which a browser says that another site makes them.

    Probes and scrapers come by address: what they ask for holds nothing of anyone's and is open to any name.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        response = None
        if scope["path"] not in _OPEN and not self._known(headers.get("host", "")):
            detail = "The service does not answer to this host name; add it to ALLOWED_HOSTS."
            response = problem(Request(scope), 400, "unknown_host", detail)
        elif scope["path"] not in _OPEN and not self._same_site(headers):
            detail = (
                "A page of another site asks. If it is yours, let the proxy before it pass on the Host header."
            )
            response = problem(Request(scope), 403, "foreign_origin", detail)
        await (response or self._app)(scope, receive, send)

    def _known(self, host: str) -> bool:
        name = host.lower().rpartition(":")[0] if re.search(r":\d+$", host) else host.lower()
        return "*" in self._hosts or name in self._hosts

    def _same_site(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        return origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower()


class HeaderLimit:
    """Refuses more headers than anyone needs; h11's own limit does not hold for what arrives in one piece."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope["headers"]
        if len(headers) <= _MOST_HEADERS and sum(len(n) + len(v) for n, v in headers) <= _HEADER_BYTES:
            await self._app(scope, receive, send)
            return
        detail = f"The request has more than {_MOST_HEADERS} headers, or more than {_HEADER_BYTES} bytes of them."
        response = problem(Request(scope), 431, "headers_too_large", detail, headers={"Connection": "close"})
        await response(scope, receive, send)


class BodyLimit:
    """Refuses a body that is larger than `limit` bytes, before anything parses it.

    A little more than the limit is read and dropped, so that a client that is still sending hears the answer
    instead of a broken connection.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in _SAFE:
            await self._app(scope, receive, send)
            return
        body = bytearray()
        size, more = 0, True
        while more and size <= self._limit + _DRAINED:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            piece: bytes = message.get("body", b"")
            size += len(piece)
            body += piece if size <= self._limit else b""
            more = message.get("more_body", False)
        if size > self._limit:
            detail = f"The body is larger than {self._limit} bytes; send less, or raise MAX_BODY_BYTES."
            response = problem(Request(scope), 413, "body_too_large", detail, headers={"Connection": "close"})
            await response(scope, receive, send)
            return
        await self._app(scope, _replayed(bytes(body), receive), send)


def _replayed(body: bytes, receive: Receive) -> Receive:
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay
