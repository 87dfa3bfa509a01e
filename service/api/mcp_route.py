"""The address /mcp: MCP over streamable HTTP."""

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.deps import KB, ServicesDep

router = APIRouter(tags=["mcp"], dependencies=[KB])


class _Handed(Response):
    """A response that the MCP server gives."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__()
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


@router.post("/mcp", include_in_schema=False)
async def mcp(services: ServicesDep) -> Response:
    """Speak MCP over streamable HTTP, without sessions: one request, one answer."""
    return _Handed(await services.mcp.app())
