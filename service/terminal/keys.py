"""What `kb-agent keys` shows. A new key goes to standard output alone, so that a script can take it."""

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from service.client import Client
from service.terminal.invocation import Invocation


async def create(
    call: Invocation, name: str, scopes: Sequence[str], days: float | None, tokens_a_day: int | None
) -> int:
    """Make a key and print it."""
    async with _connected(call) as client:
        _print_new(call, await client.create_key(name, scopes, days, tokens_a_day))
    return 0


async def limit(call: Invocation, name: str, tokens_a_day: int | None) -> int:
    """Change the quota of keys and print what became of them."""
    async with _connected(call) as client:
        _print_all(call, await client.limit_key(name, tokens_a_day))
    return 0


async def rotate(call: Invocation, name: str, days: float | None, overlap_hours: float) -> int:
    """Replace a key and print the new one."""
    async with _connected(call) as client:
        _print_new(call, await client.rotate_key(name, days, overlap_hours))
    return 0


async def show(call: Invocation) -> int:
    """Print a table of all keys."""
    async with _connected(call) as client:
        _print_all(call, await client.keys())
    return 0


async def revoke(call: Invocation, name: str) -> int:
    """Revoke keys and print what became of them."""
    async with _connected(call) as client:
        _print_all(call, await client.revoke_key(name))
    return 0


@contextlib.asynccontextmanager
async def _connected(call: Invocation) -> AsyncIterator[Client]:
    """Connect as all commands do; a server that is started only for keys need not ask its model anything."""
    settings = call.settings.model_copy(update={"llm_probe": False})
    async with replace(call, settings=settings).connected(indexed=False) as client:
        yield client


def _print_new(call: Invocation, key: Mapping[str, Any]) -> None:
    if call.as_json:
        call.out.json(key)
        return
    call.out.out(key["key"])
    ends = f"until {key['expires_at']}" if key["expires_at"] else "until it is revoked"
    call.err.print(
        f"{key['name']} opens {', '.join(key['scopes'])} {ends}. This is the one time that the key is shown."
    )


def _print_all(call: Invocation, keys: Iterable[Mapping[str, Any]]) -> None:
    if call.as_json:
        call.out.json(list(keys))
        return
    rows = [("name", "id", "scopes", "state", "expires", "last used", "tokens today")]
    for key in keys:
        expires, used = (
            str(key[name] or "never")[:16].replace("T", " ") for name in ("expires_at", "last_used_at")
        )
        shown = (key["name"], key["id"], " ".join(key["scopes"]), key["state"], expires, used)
        rows.append((*shown, _tokens(key["tokens"])))
    call.out.columns(rows)


def _tokens(day: Mapping[str, Any]) -> str:
    return f"{day['used']:,}" + (f" of {day['limit']:,}" if day["limit"] is not None else "")
