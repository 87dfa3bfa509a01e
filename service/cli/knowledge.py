"""Commands over the knowledge folder and its index: search, gaps, index, lint."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from service.cli.execution import run
from service.cli.options import AsJson, ServerUrl

commands = typer.Typer(rich_markup_mode=None)


class GapState(StrEnum):
    """Which gaps to list."""

    OPEN = "open"
    RESOLVED = "resolved"
    ALL = "all"


@commands.command()
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
    from service import terminal

    wanted = terminal.Wanted(query, topic, limit)
    run(lambda config: terminal.search(config, server, wanted, as_json=as_json, explain=explain))


@commands.command()
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
    from service import terminal

    run(lambda config: terminal.gaps(config, server, state, limit, as_json=as_json))


@commands.command()
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
    from service import terminal

    awaited = names or ["*"] if wait else []
    run(lambda config: terminal.index(config, server, awaited, as_json=as_json))


@commands.command()
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
    from service import checkup

    run(lambda config: checkup.lint(config, folder, strict=strict, as_json=as_json))
