"""Options and arguments that several commands take, what completes them, and what they refuse."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import typer

_NO_TEXT: Final = re.compile("[\ud800-\udfff]")  # what Python makes of bytes that are not UTF-8
_SERVER: Final = "an address such as http://127.0.0.1:8000"


def stated(takes: str, *, blank: bool = False) -> Callable[[Any], Any]:
    """A check that what was given says something, before anything is done; `blank` lets it say nothing."""

    def check(given: Any) -> Any:
        for text in given if isinstance(given, list) else [given]:
            if text is not None and (_NO_TEXT.search(text) or not (blank or text.strip())):
                raise typer.BadParameter(f"got {text!r}; takes {takes}")
        return given

    return check


def _address(given: str | None) -> str | None:
    if given is not None and not _is_address(given):
        raise typer.BadParameter(f"got {given!r}; takes {_SERVER}")
    return given


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no port, no host
        return False


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
        callback=_address,
    ),
]
_chat_stated = stated("the id of a chat, as `kb-agent chats list` prints it")
ChatId = Annotated[
    str, typer.Argument(help="The chat's id.", metavar="ID", autocompletion=_chats, callback=_chat_stated)
]
ChatIds = Annotated[
    list[str],
    typer.Argument(help="The chats' ids.", metavar="ID...", autocompletion=_chats, callback=_chat_stated),
]
ChatOption = Annotated[
    str | None,
    typer.Option(
        "--chat",
        help="Ask in this chat, so that follow-ups are understood.",
        metavar="ID",
        autocompletion=_chats,
        callback=_chat_stated,
    ),
]
DocumentName = Annotated[
    str,
    typer.Argument(
        help="The document's name, as search prints it.",
        metavar="NAME",
        autocompletion=_documents,
        callback=stated("the name of a document, as `kb-agent search` prints it"),
    ),
]
