"""Options that several commands take."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text for people.")]
ServerUrl = Annotated[
    str | None,
    typer.Option("--server", help="Address of a running server; HOST and PORT by default.", metavar="URL"),
]
