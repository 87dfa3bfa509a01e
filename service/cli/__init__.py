"""The command line: a module for each group of commands, put together here.

These modules only declare, so that help and completion come at once; what a command does is imported when it runs.
"""

from typing import Annotated

import typer

from service import __version__
from service.cli import asking, keys, knowledge, serving, upkeep

app = typer.Typer(
    name="kb-agent",
    help="Ask questions about a folder of text files. Settings come from the environment and .env.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(serving.commands)
app.add_typer(asking.commands)
app.add_typer(knowledge.commands)
app.add_typer(upkeep.commands)
app.add_typer(keys.commands, name="keys")


@app.callback(invoke_without_command=True)
def _version(*, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"kb-agent {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line."""
    app()
