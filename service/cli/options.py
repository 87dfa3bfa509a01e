"""Options and arguments that several commands take, and what completes them."""

from typing import Annotated

import typer


def _chats(incomplete: str) -> list[tuple[str, str]]:
    from service.terminal import completion

    return completion.chats(incomplete)


def _documents(incomplete: str) -> list[str]:
    from service.terminal import completion

    return completion.documents(incomplete)


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text for people.")]
ServerUrl = Annotated[
    str | None,
    typer.Option(
        "--server",
        help="Address of a running server; the one beside DATA_DIR or at HOST and PORT by default.",
        metavar="URL",
    ),
]
ChatId = Annotated[str, typer.Argument(help="The chat's id.", metavar="ID", autocompletion=_chats)]
ChatIds = Annotated[list[str], typer.Argument(help="The chats' ids.", metavar="ID...", autocompletion=_chats)]
ChatOption = Annotated[
    str | None,
    typer.Option(
        "--chat", help="Ask in this chat, so that follow-ups are understood.", metavar="ID", autocompletion=_chats
    ),
]
DocumentName = Annotated[
    str,
    typer.Argument(help="The document's name, as search prints it.", metavar="NAME", autocompletion=_documents),
]
