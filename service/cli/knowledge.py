"""Commands over the knowledge folder and its index: search, read, gaps, index, lint."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from service.cli.execution import call
from service.cli.options import AsJson, DocumentName, ServerUrl, stated

commands = typer.Typer(rich_markup_mode=None)


_LINES: Final = re.compile(r"(\d+)?(-)?(\d+)?")


class GapState(StrEnum):
    """Which gaps to list."""

    OPEN = "open"
    RESOLVED = "resolved"
    ALL = "all"


@commands.command()
def search(
    query: Annotated[str, typer.Argument(help="What to look for.", callback=stated("what to look for"))],
    topic: Annotated[
        str | None, typer.Option(help="Only this topic.", callback=stated("a topic", blank=True))
    ] = None,
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
    from service.terminal import knowledge

    wanted = knowledge.Wanted(query, topic, limit)
    call(lambda invocation: knowledge.search(invocation, wanted, explain=explain), server, as_json=as_json)


@commands.command()
def read(
    name: DocumentName,
    lines: Annotated[
        str | None, typer.Option(help="Only these: 12, 10-40, 10- or -40.", metavar="FROM-TO")
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option(
            help="As an answer cited it, though the file has changed since.",
            metavar="SHA256",
            callback=stated("a revision, as a citation names it", blank=True),
        ),
    ] = None,
    *,
    server: ServerUrl = None,
    as_json: AsJson = False,
) -> None:
    """Print a document, or some of its lines, as answers are drawn from it.

    Example: kb-agent read streaming/resume.md --lines 10-40
    """
    wanted = _line_range(lines)
    from service.terminal import knowledge

    call(lambda invocation: knowledge.read(invocation, name, wanted, revision), server, as_json=as_json)


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
    from service.terminal import knowledge

    call(lambda invocation: knowledge.gaps(invocation, state, limit), server, as_json=as_json)


@commands.command()
def index(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="With --wait: what to wait for, see wait_for of /api/kb/status.",
            callback=stated("the name of a document, or what else wait_for of /api/kb/status takes"),
        ),
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
    from service.terminal import knowledge

    awaited = names or ["*"] if wait else []
    call(lambda invocation: knowledge.index(invocation, awaited), server, as_json=as_json)


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
    from service.terminal.lint import lint as check

    call(lambda invocation: check(invocation, folder, strict=strict), as_json=as_json)


def _line_range(text: str | None) -> tuple[int, int | None]:
    """First and last line; None: the end. Raises BadParameter."""
    if text is None:
        return 1, None
    match = _LINES.fullmatch(text)
    if match is None or not (match[1] or match[3]):
        raise typer.BadParameter(f"got {text!r}; takes 12, 10-40, 10- or -40", param_hint="--lines")
    first = int(match[1] or 1)
    last = int(match[3]) if match[3] else None if match[2] else first
    if not 1 <= first <= (last or first):
        raise typer.BadParameter(f"got {text!r}; takes lines from 1, the smaller first", param_hint="--lines")
    return first, last
