"""Commands that ask questions: ask."""

from typing import Annotated

import typer

from service.cli.execution import run
from service.cli.options import AsJson, ServerUrl

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
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
    from service import terminal

    run(lambda config: terminal.ask(config, server, question, chat, as_json=as_json))
