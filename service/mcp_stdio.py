"""`kb-agent mcp`: the knowledge base for one MCP client on standard input and output."""

import asyncio
import os
import signal
import sqlite3
import tempfile
from pathlib import Path

import httpx2

from service import __version__
from service.api.mcp_server import OwnShelf, open_other, serve_stdio
from service.app import open_services
from service.client import running_server
from service.settings import Settings
from service.telemetry import Metrics

_TIMEOUT = httpx2.Timeout(60)


async def serve(settings: Settings, server: str | None) -> int:
    """Serve the knowledge base of `server`, else of the server at HOST and PORT, else of the folder itself.

    The folder is indexed anew in a temporary place, so that any number of clients work beside each other and none
    keeps a server from starting. Raises ServerUnreachable when `server` does not answer.
    """
    if running := await running_server(settings, server):
        shown = {"Authorization": f"Bearer {running.key}"} if running.key else {}
        async with (
            httpx2.AsyncClient(headers=shown, timeout=_TIMEOUT) as http,
            open_other(http, running.address) as shelf,
        ):
            await serve_stdio(shelf)
    else:
        await _serve_folder(settings)
    return 0


async def _serve_folder(settings: Settings) -> None:
    place = tempfile.TemporaryDirectory(prefix="kb-agent-mcp-", ignore_cleanup_errors=True)
    with place as folder:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, _leave, place)
        own = settings.model_copy(update={"data_dir": Path(folder), "llm_base_url": None, "llm_model": None})
        metrics = Metrics(__version__, sqlite3.sqlite_version)
        async with open_services(own, metrics) as services:
            await serve_stdio(OwnShelf(services.toolbox, metrics))


def _leave(place: tempfile.TemporaryDirectory[str]) -> None:
    # The thread that reads standard input can be neither stopped nor waited for.
    place.cleanup()
    os._exit(0)
