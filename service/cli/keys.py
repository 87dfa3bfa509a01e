"""The commands over API keys: keys create, list, limit, rotate, revoke."""

from typing import Annotated

import typer

from service.access.records import KeyScope
from service.cli.execution import call
from service.cli.options import AsJson, ServerUrl, stated

commands = typer.Typer(
    help="Make, list, limit, rotate and revoke API keys.", no_args_is_help=True, rich_markup_mode=None
)

KeyName = Annotated[
    str,
    typer.Argument(
        help="Name of the key, for people and the log.",
        callback=stated("the name of a key, such as those that `kb-agent keys list` prints"),
    ),
]
KeyDays = Annotated[float | None, typer.Option(min=0, help="Days until it expires; left out: never.")]

TokensADay = Annotated[
    int | None,
    typer.Option(min=0, help="The model's tokens a day; 0: any number; left out: as TOKENS_A_DAY says."),
]


@commands.command("create")
def create_key(
    name: KeyName,
    scope: Annotated[list[KeyScope] | None, typer.Option(help="What it opens; to be given once for each.")] = None,
    days: KeyDays = None,
    tokens_a_day: TokensADay = None,
    *,
    server: ServerUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, once. It opens chat and kb unless it is told otherwise.

    Example: kb-agent keys create anna --days 90
    """
    from service.terminal import keys

    scopes = scope or [KeyScope.CHAT, KeyScope.KB]
    call(lambda invocation: keys.create(invocation, name, scopes, days, tokens_a_day), server, as_json=as_json)


@commands.command("list")
def list_keys(*, server: ServerUrl = None, as_json: AsJson = False) -> None:
    """List the keys with their scopes, state, last use and tokens of today.

    Example: kb-agent keys list
    """
    from service.terminal import keys

    call(keys.show, server, as_json=as_json)


@commands.command("limit")
def limit_key(
    name: KeyName,
    tokens_a_day: TokensADay = None,
    *,
    server: ServerUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change how many of the model's tokens a key may use in a day (UTC).

    Example: kb-agent keys limit anna --tokens-a-day 200000
    """
    from service.terminal import keys

    call(lambda invocation: keys.limit(invocation, name, tokens_a_day), server, as_json=as_json)


@commands.command("rotate")
def rotate_key(
    name: KeyName,
    days: Annotated[
        float | None, typer.Option(min=0, help="Days until the new key expires; left out: as the former.")
    ] = None,
    overlap_hours: Annotated[float, typer.Option(min=0, help="Hours that the former key goes on.")] = 0,
    *,
    server: ServerUrl = None,
    as_json: AsJson = False,
) -> None:
    """Replace a key by another with its name, scopes, quota and chats, and print that, once.

    Example: kb-agent keys rotate anna --overlap-hours 24
    """
    from service.terminal import keys

    call(lambda invocation: keys.rotate(invocation, name, days, overlap_hours), server, as_json=as_json)


@commands.command("revoke")
def revoke_key(name: KeyName, *, server: ServerUrl = None, as_json: AsJson = False) -> None:
    """Revoke the keys of a name, or the one of an id; it counts within a second.

    Example: kb-agent keys revoke anna
    """
    from service.terminal import keys

    call(lambda invocation: keys.revoke(invocation, name), server, as_json=as_json)
