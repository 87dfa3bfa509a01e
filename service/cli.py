"""The command line: each command with its arguments, its help, and its exit code.

Errors become exit codes here: 1 failed, 2 settings, 3 database, 4 data directory in use.
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

from service import __version__, settings
from service.errors import (
    DatabaseUnusable,
    DataDirectoryLocked,
    KbAgentError,
    SettingsError,
)
from service.telemetry import configure_logging

_EXIT_CODES: Final[tuple[tuple[type[KbAgentError], int], ...]] = (
    (SettingsError, 2),
    (DatabaseUnusable, 3),
    (DataDirectoryLocked, 4),
)

app = typer.Typer(
    name="kb-agent",
    help="Ask questions about a folder of text files. Settings come from the environment and .env.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class GapState(StrEnum):
    """Which gaps to list."""

    OPEN = "open"
    RESOLVED = "resolved"
    ALL = "all"


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text for people.")]
ServerUrl = Annotated[
    str | None,
    typer.Option("--server", help="Address of a running server; HOST and PORT by default.", metavar="URL"),
]


@app.callback(invoke_without_command=True)
def _version(*, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"kb-agent {__version__}")
        raise typer.Exit


@app.command()
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
    _run(_serve, {key: value for key, value in given.items() if value is not None})


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="The question.")],
    chat: Annotated[
        str | None, typer.Option("--chat", help="Ask in this chat, so that follow-ups are understood.")
    ] = None,
    *,
    server: ServerUrl = None,
    as_json: AsJson = False,
) -> None:
    """Ask a question and print the answer as it comes, with its sources.

    Example: kb-agent ask "How do I resume a stream?"
    """
    from service import terminal  # noqa: PLC0415 - rich and the HTTP client are not needed to serve

    _run(lambda config: terminal.ask(config, server, question, chat, as_json=as_json), quiet=True)


@app.command()
def mcp(*, server: ServerUrl = None) -> None:
    """Serve the knowledge base to one MCP client on standard input and output.

    Example: claude mcp add kb -- kb-agent mcp
    """
    from service import mcp_stdio  # noqa: PLC0415 - a large library

    _run(lambda config: mcp_stdio.serve(config, server), quiet=True)


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    topic: Annotated[str | None, typer.Option(help="Only this topic.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=50, help="Most passages.")] = 5,
    *,
    explain: Annotated[
        bool, typer.Option("--explain", help="Tell what matched and what each score is the sum of.")
    ] = False,
    server: ServerUrl = None,
    as_json: AsJson = False,
) -> None:
    """Search the knowledge base.

    Example: kb-agent search "last event id" --topic streaming
    """
    from service import terminal  # noqa: PLC0415

    wanted = terminal.Wanted(query, topic, limit)
    _run(lambda config: terminal.search(config, server, wanted, as_json=as_json, explain=explain), quiet=True)


@app.command()
def gaps(
    state: Annotated[GapState, typer.Option(help="Which gaps: open, resolved or all.")] = GapState.OPEN,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Most gaps.")] = 20,
    *,
    server: ServerUrl = None,
    as_json: AsJson = False,
) -> None:
    """List what was asked and could not be answered.

    Example: kb-agent gaps --state all
    """
    from service import terminal  # noqa: PLC0415

    _run(lambda config: terminal.gaps(config, server, state, limit, as_json=as_json), quiet=True)


@app.command()
def index(
    names: Annotated[
        list[str] | None, typer.Argument(help="With --wait: what to wait for, see wait_for of /api/kb/status.")
    ] = None,
    *,
    wait: Annotated[
        bool, typer.Option("--wait", help="Return once these documents, or all, are searchable; else exit with 1.")
    ] = False,
    server: ServerUrl = None,
    as_json: AsJson = False,
) -> None:
    """Bring the index up to date and tell why each skipped file was skipped.

    Example: kb-agent index --wait guide/ports.md
    """
    if names and not wait:
        raise typer.BadParameter("documents are named to wait for them: add --wait")
    from service import terminal  # noqa: PLC0415

    awaited = names or ["*"] if wait else []
    _run(lambda config: terminal.index(config, server, awaited, as_json=as_json), quiet=True)


@app.command()
def lint(
    folder: Annotated[
        Path | None, typer.Argument(exists=True, file_okay=False, help="The folder; KNOWLEDGE_DIR by default.")
    ] = None,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 on warnings too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Tell authors what to mend in each file. Needs no server; exits with 1 when there are errors.

    Example: kb-agent lint docs --strict
    """
    from service import checkup  # noqa: PLC0415

    _run(lambda config: checkup.lint(config, folder, strict=strict, as_json=as_json), quiet=True)


@app.command()
def backup(
    target: Annotated[
        Path, typer.Argument(help="File to write, or a folder to put it in under a name with the time.")
    ],
    keep: Annotated[
        int | None, typer.Option(min=1, help="In a folder: delete all copies but so many of the newest.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Copy the database while the service runs or not, check the copy, print what it holds.

    Example: kb-agent backup /backups --keep 7
    """
    from service import upkeep  # noqa: PLC0415

    _run(lambda config: upkeep.back_up(config, target, keep, as_json=as_json), quiet=True)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A file that `kb-agent backup` wrote.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Check a copy and make it the database of DATA_DIR, where there must be none. Stop the service first.

    Example: kb-agent restore /backups/kb-agent-20261122T093000.000000Z.db
    """
    from service import upkeep  # noqa: PLC0415

    _run(lambda config: upkeep.restore(config, source, as_json=as_json), quiet=True)


def main() -> None:
    """Run the command line."""
    app()


def _run(
    command: Callable[[settings.Settings], Awaitable[int]],
    overrides: Mapping[str, Any] | None = None,
    *,
    quiet: bool = False,
) -> NoReturn:
    """Read the settings, run a command to its end, and exit with its code. `quiet` logs warnings only."""
    try:
        config = settings.load(**(overrides or {}))
        level = "warning" if quiet and config.log_level == "info" else config.log_level
        configure_logging(level, config.log_format, config.secrets | settings.otel().secrets)
        code = asyncio.run(_awaited(command, config))
    except KbAgentError as error:
        typer.echo(f"kb-agent: {error}", err=True)
        code = next((number for kind, number in _EXIT_CODES if isinstance(error, kind)), 1)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


async def _awaited(command: Callable[[settings.Settings], Awaitable[int]], config: settings.Settings) -> int:
    return await command(config)


async def _serve(config: settings.Settings) -> int:
    from service.app import serving  # noqa: PLC0415 - what the other commands may not need

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(config, lambda address: typer.echo(f"kb-agent is ready: {address}")):
        await stop.wait()
    return 0
