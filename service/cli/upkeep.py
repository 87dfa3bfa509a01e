"""Commands over the installation itself: doctor, backup, restore."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.execution import call, finish
from service.cli.options import AsJson

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def doctor(*, as_json: AsJson = False) -> None:
    """Check settings, folders, database, server and model, and say what to do; exits with 1 when one is broken.

    Changes nothing; the model is asked one short question.

    Example: kb-agent doctor
    """
    from service.terminal import doctor as terminal

    finish(lambda: terminal.doctor(as_json=as_json))


@commands.command()
def backup(
    target: Annotated[
        Path, typer.Argument(help="File to write, or a folder to put it in under a name with the time.")
    ],
    keep: Annotated[
        int | None,
        typer.Option(min=1, help="The target is a folder: delete all copies in it but so many of the newest."),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Copy the database while the service runs or not, check the copy, print what it holds.

    Example: kb-agent backup /backups --keep 7
    """
    from service.terminal import copies

    call(lambda invocation: copies.back_up(invocation, target, keep), as_json=as_json)


@commands.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A file that `kb-agent backup` wrote.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Check a copy and make it the database of DATA_DIR, where there must be none. Stop the service first.

    Example: kb-agent restore /backups/kb-agent-20261122T093000.000000Z.db
    """
    from service.terminal import copies

    call(lambda invocation: copies.restore(invocation, source), as_json=as_json)
