"""What an address takes beside what it says: HEAD wherever GET is, OPTIONS everywhere, all of it in `Allow`."""

from typing import Final

from fastapi import FastAPI
from fastapi.responses import Response
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEAD: Final = "kb_agent.head"  # in the scope of a GET whose body nobody will read


class Methods:
    """Answers HEAD as GET is answered, and OPTIONS with the methods of the address."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        if method == "HEAD":
            await self._head(scope, receive, send)
        elif method == "OPTIONS" and (methods := allowed(scope["app"], scope["path"])):
            await Response(status_code=204, headers={"Allow": methods})(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = {**scope, "method": "GET", HEAD: True}

        async def send_head(message: Message) -> None:
            scope["route"] = asked.get("route")  # for whoever counts requests by route
            await send(message)  # the server leaves out the body, for it still knows the method

        await self._app(asked, receive, send_head)


def allowed(app: FastAPI, path: str) -> str:
    """The methods that an address takes, as `Allow` lists them; empty for an address that does not exist."""
    methods: set[str] = set()
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, Mount):
            methods |= {"GET"} if path.startswith(f"{context.path}/") else set()
        elif context.path_regex.match(path):
            methods |= context.methods or set()
    if "GET" in methods:
        methods.add("HEAD")
    return ", ".join(sorted(methods | {"OPTIONS"} if methods else ()))
