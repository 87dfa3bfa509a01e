"""What `kb-agent keys` shows. A new key goes to standard output alone, so that a script can take it."""

import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from service.client import Client, connected
from service.settings import Settings


async def create(
    settings: Settings, server: str | None, name: str, scopes: Sequence[str], days: float | None, *, as_json: bool
) -> int:
    """Make a key and print it."""
    async with _connected(settings, server) as client:
        _print_new(await client.create_key(name, scopes, days), as_json=as_json)
    return 0


async def rotate(
    settings: Settings, server: str | None, name: str, days: float | None, overlap_hours: float, *, as_json: bool
) -> int:
    """Replace a key and print the new one."""
    async with _connected(settings, server) as client:
        _print_new(await client.rotate_key(name, days, overlap_hours), as_json=as_json)
    return 0


async def show(settings: Settings, server: str | None, *, as_json: bool) -> int:
    """Print a table of all keys."""
    async with _connected(settings, server) as client:
        _print_all(await client.keys(), as_json=as_json)
    return 0


async def revoke(settings: Settings, server: str | None, name: str, *, as_json: bool) -> int:
    """Revoke keys and print what became of them."""
    async with _connected(settings, server) as client:
        _print_all(await client.revoke_key(name), as_json=as_json)
    return 0


@contextlib.asynccontextmanager
async def _connected(settings: Settings, server: str | None) -> AsyncIterator[Client]:
    """Connect as all commands do; a server that is started only for keys need not ask its model anything."""
    async with connected(settings.model_copy(update={"llm_probe": False}), server, indexed=False) as client:
        yield client


def _print_new(key: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        _print_json(key)
        return
    Console(highlight=False, soft_wrap=True).out(key["key"])
    ends = f"until {key['expires_at']}" if key["expires_at"] else "until it is revoked"
    text = f"{key['name']} opens {', '.join(key['scopes'])} {ends}. This is the one time that the key is shown."
    Console(stderr=True, highlight=False, soft_wrap=True).print(text, markup=False)


def _print_all(keys: Iterable[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        _print_json(list(keys))
        return
    table = Table("name", "id", "scopes", "state", "expires", "last used", box=None, pad_edge=False)
    for key in keys:
        times = [str(key[name] or "never")[:16].replace("T", " ") for name in ("expires_at", "last_used_at")]
        table.add_row(key["name"], key["id"], " ".join(key["scopes"]), key["state"], *times)
    Console(highlight=False, soft_wrap=True).print(table)


def _print_json(value: Any) -> None:
    Console(highlight=False, soft_wrap=True).out(json.dumps(value, ensure_ascii=False, indent=2))
