"""The chats of the caller: listed, shown, renamed, deleted, exported."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from service.errors import InvalidInput
from service.terminal.answers import show_answer
from service.terminal.invocation import Invocation


async def show_all(call: Invocation, query: str, limit: int) -> int:
    """Print a table of chats, newest first; 1 when a query finds none."""
    async with call.connected(indexed=False) as client:
        chats = await client.chats(query, limit)
    if call.as_json:
        call.out.json(chats)
    elif chats:
        _table(call, chats)
    else:
        call.out.print("No chat has all of these words." if query else "No chats.")
    return 1 if query and not chats else 0


async def show(call: Invocation, chat_id: str) -> int:
    """Print a chat: each question with its answer and sources."""
    async with call.connected(indexed=False) as client:
        export = await client.export(chat_id)
    if call.as_json:
        call.out.json(export)
        return 0
    call.out.print(Text(export["chat"]["title"] or "Chat", style="bold"))
    for message in export["messages"]:
        if message["role"] == "user":
            quoted = "\n".join(f"> {line}" for line in message["content"].splitlines())
            call.out.print(Text(f"\n{quoted}\n", style="bold"))
        else:
            if message["superseded_by"]:
                call.out.print(Text("(a former answer; it was written anew)", style="dim"))
            show_answer(call, message, so_far=False)
    return 0


async def rename(call: Invocation, chat_id: str, title: str) -> int:
    """Give a chat another title."""
    async with call.connected(indexed=False) as client:
        chat = await client.rename(chat_id, title)
    if call.as_json:
        call.out.json(chat)
    else:
        call.out.print(f"{chat['id']} is now called {chat['title']}")
    return 0


async def delete(call: Invocation, chat_ids: Sequence[str]) -> int:
    """Delete chats with everything in them."""
    async with call.connected(indexed=False) as client:
        for chat_id in chat_ids:
            await client.delete(chat_id)
    if call.as_json:
        call.out.json({"deleted": list(chat_ids)})
    else:
        call.out.print("\n".join(f"{chat_id} is deleted" for chat_id in chat_ids))
    return 0


async def export(call: Invocation, chat_id: str, form: str, output: Path | None) -> int:
    """Write a whole chat to a file, or to standard output."""
    async with call.connected(indexed=False) as client:
        text = await client.exported(chat_id, form)
    if output is None:
        call.out.out(text, end="" if text.endswith("\n") else "\n")
        return 0
    await asyncio.to_thread(_write, output, text)
    call.err.print(f"written to {output}")
    return 0


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be written ({error.strerror}); choose another file") from error


def _table(call: Invocation, chats: Sequence[Mapping[str, Any]]) -> None:
    rows = [(chat["id"], str(chat["updated_at"])[:16].replace("T", " "), chat["title"] or "") for chat in chats]
    call.out.columns([("id", "last change", "title"), *rows])
