"""Commands that ask questions and keep what was said: ask, chats."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from service.cli.execution import call, call_plain
from service.cli.options import AsJson, ChatId, ChatIds, ChatOption, ServerUrl, stated

commands = typer.Typer(rich_markup_mode=None)
chats = typer.Typer(
    help="List, show, rename, delete and export chats.", no_args_is_help=True, rich_markup_mode=None
)


class ExportFormat(StrEnum):
    """What an export is written in."""

    MARKDOWN = "markdown"
    JSON = "json"


@commands.command()
def ask(
    question: Annotated[
        str | None,
        typer.Argument(
            help="The question; without one a conversation begins, or standard input is read.",
            callback=stated("a question; leave it out to begin a conversation"),
        ),
    ] = None,
    chat: ChatOption = None,
    *,
    server: ServerUrl = None,
    as_json: AsJson = False,
) -> None:
    """Ask a question and print the answer as it comes, with its sources; without a question begin a conversation.

    From a pipe each line is a question, all in one chat; with --json each answer is then one line.

    Example: kb-agent ask "How do I resume a stream?"

    Example: kb-agent ask --chat chat_0f3c9a < questions.txt
    """
    if question is None:
        from service.terminal.conversation import converse

        call_plain(lambda invocation: converse(invocation, chat), server, as_json=as_json)
    from service.terminal import answers

    call(lambda invocation: answers.ask(invocation, question, chat), server, as_json=as_json)


@chats.command("list")
def list_chats(
    query: Annotated[
        str,
        typer.Option(
            help="Only those whose title or messages hold all of these words.",
            callback=stated("words", blank=True),
        ),
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most chats.")] = 20,
    *,
    server: ServerUrl = None,
    as_json: AsJson = False,
) -> None:
    """List chats, newest first.

    Example: kb-agent chats list --query "reverse proxy"
    """
    from service.terminal import chats as terminal

    call(lambda invocation: terminal.show_all(invocation, query, limit), server, as_json=as_json)


@chats.command("show")
def show_chat(chat: ChatId, *, server: ServerUrl = None, as_json: AsJson = False) -> None:
    """Print a chat: questions, answers, sources.

    Example: kb-agent chats show chat_0f3c9a
    """
    from service.terminal import chats as terminal

    call(lambda invocation: terminal.show(invocation, chat), server, as_json=as_json)


@chats.command("rename")
def rename_chat(
    chat: ChatId,
    title: Annotated[str, typer.Argument(help="The new title.", callback=stated("a title"))],
    *,
    server: ServerUrl = None,
    as_json: AsJson = False,
) -> None:
    """Give a chat another title.

    Example: kb-agent chats rename chat_0f3c9a "Streams and proxies"
    """
    from service.terminal import chats as terminal

    call(lambda invocation: terminal.rename(invocation, chat, title), server, as_json=as_json)


@chats.command("delete")
def delete_chats(
    chat: ChatIds,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
    server: ServerUrl = None,
    as_json: AsJson = False,
) -> None:
    """Delete chats with everything in them, for good; a running answer ends.

    Example: kb-agent chats delete chat_0f3c9a --yes
    """
    if not yes:
        typer.confirm(f"Delete {', '.join(chat)} for good?", abort=True, err=True)
    from service.terminal import chats as terminal

    call(lambda invocation: terminal.delete(invocation, chat), server, as_json=as_json)


@chats.command("export")
def export_chat(
    chat: ChatId,
    form: Annotated[ExportFormat, typer.Option("--format", help="For people or for programs.")] = (
        ExportFormat.MARKDOWN
    ),
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write; standard output by default.", metavar="FILE"),
    ] = None,
    *,
    server: ServerUrl = None,
) -> None:
    """Write a whole chat with its citations.

    Example: kb-agent chats export chat_0f3c9a -o resuming.md
    """
    from service.terminal import chats as terminal

    call(lambda invocation: terminal.export(invocation, chat, form, output), server)
