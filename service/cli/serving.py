"""Commands that serve until they are stopped: serve, mcp."""

import asyncio
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
    run(_serve, {key: value for key, value in given.items() if value is not None}, quiet=False)


@commands.command()
def mcp(*, server: ServerUrl = None) -> None:
    """Serve the knowledge base to one MCP client on standard input and output.

    Example: claude mcp add kb -- kb-agent mcp
    """
    from service import mcp_stdio

    run(lambda config: mcp_stdio.serve(config, server))


async def _serve(config: "Settings") -> int:
    from service.app import serving

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(config, lambda address: typer.echo(f"kb-agent is ready: {address}")):
        await stop.wait()
    return 0
