"""Commands that serve until they are stopped, and what they serve: serve, mcp, openapi."""

import asyncio
import gc
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.execution import run
from service.cli.options import ServerUrl

if TYPE_CHECKING:
    from service.settings import Settings

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; HOST by default.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, 0 for a free one; PORT by default.")] = None,
    knowledge_dir: Annotated[
        Path | None, typer.Option(help="Folder to answer from; KNOWLEDGE_DIR by default.")
    ] = None,
) -> None:
    """Start the service.

    Example: kb-agent serve --port 8080
    """
    given = {"host": host, "port": port, "knowledge_dir": knowledge_dir}
    run(
        lambda config: asyncio.run(_serve(config)),
        {key: value for key, value in given.items() if value is not None},
        quiet=False,
    )


@commands.command()
def mcp(*, server: ServerUrl = None) -> None:
    """Serve the knowledge base to one MCP client on standard input and output.

    Example: claude mcp add kb -- kb-agent mcp
    """
    from service import mcp_stdio

    run(lambda config: asyncio.run(mcp_stdio.serve(config, server)))


@commands.command()
def openapi() -> None:
    """Print the OpenAPI document of the HTTP interface; nothing is started.

    Example: kb-agent openapi > openapi.json
    """
    run(_openapi)


def _openapi(config: "Settings") -> int:
    import json

    from service import __version__
    from service.app import create_app
    from service.telemetry import Metrics

    document = create_app(config, Metrics(__version__, "")).openapi()
    typer.echo(json.dumps(document, indent=1, ensure_ascii=False))
    return 0


async def _serve(config: "Settings") -> int:
    from service.app import serving

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(config, _announce):
        await stop.wait()
    return 0


def _announce(address: str) -> None:
    gc.freeze()  # what the start made stays; to look through it for garbage holds up every stream for 50 ms
    typer.echo(f"kb-agent is ready: {address}")
