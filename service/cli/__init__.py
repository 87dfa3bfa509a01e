"""The command line: a module for each group of commands, put together here.

These modules only declare, so that help and completion come at once; what a command does is imported when it runs.
"""

import gc
from pathlib import Path
from typing import Annotated, Final

import typer

from service import __version__
from service.cli import asking, keys, knowledge, serving, upkeep
from service.cli.execution import EXIT_CODES_TOLD, KEY_FILE

# New objects before Python looks for garbage among them. With its 700 it looks 300 times while the service is
# loaded, which makes none: a fifth of the start.
_GARBAGE: Final = 10_000

app = typer.Typer(
    name="kb-agent",
    help="Ask questions about a folder of text files. Settings come from the environment and .env.",
    epilog=EXIT_CODES_TOLD,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(serving.commands)
app.add_typer(asking.commands)
app.add_typer(asking.chats, name="chats")
app.add_typer(knowledge.commands)
app.add_typer(keys.commands, name="keys")
app.add_typer(upkeep.commands)


@app.callback(invoke_without_command=True)
def _root(
    *,
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file",
            exists=True,
            dir_okay=False,
            readable=True,
            metavar="FILE",
            help="File with the API key to show to a server; API_KEY by default.",
        ),
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    KEY_FILE.set(key_file)
    if version:
        typer.echo(f"kb-agent {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line."""
    gc.set_threshold(_GARBAGE)
    app()
