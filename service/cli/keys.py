"""The commands over API keys: keys create, list, rotate, revoke."""

from typing import Annotated

import typer

from service.access.records import KeyScope
from service.cli.execution import call
from service.cli.options import AsJson, ServerUrl

commands = typer.Typer(help="Make, list, rotate and revoke API keys.", no_args_is_help=True, rich_markup_mode=None)

KeyName = Annotated[str, typer.Argument(help="Name of the key, for people and the log.")]
KeyDays = Annotated[float | None, typer.Option(min=0, help="Days until it expires; left out: never.")]


@commands.command("create")
def create_key(
    name: KeyName,
    scope: Annotated[list[KeyScope] | None, typer.Option(help="What it opens; to be given once for each.")] = None,
    days: KeyDays = None,
    *,
    server: ServerUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, once. It opens chat and kb unless it is told otherwise.

    Example: kb-agent keys create anna --days 90
    """
    from service.terminal import keys

    scopes = scope or [KeyScope.CHAT, KeyScope.KB]
    call(lambda invocation: keys.create(invocation, name, scopes, days), server, as_json=as_json)


@commands.command("list")
def list_keys(*, server: ServerUrl = None, as_json: AsJson = False) -> None:
    """List the keys with their scopes, state and last use.

    Example: kb-agent keys list
    """
    from service.terminal import keys

    call(keys.show, server, as_json=as_json)


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
    """Replace a key by another with its name, scopes and chats, and print that, once.

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
