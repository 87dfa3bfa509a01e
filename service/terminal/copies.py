"""What the command line does to the data directory itself: copies, and bringing them back."""

import asyncio
from dataclasses import asdict
from pathlib import Path

from service import backup
from service.terminal.invocation import Invocation


async def back_up(call: Invocation, target: Path, keep: int | None) -> int:
    """Copy the database and print what the copy holds."""
    made = await asyncio.to_thread(backup.back_up, call.settings.data_dir, target, keep=keep)
    _show(call, "copied to", made)
    return 0


async def restore(call: Invocation, source: Path) -> int:
    """Bring a copy back and print what it holds."""
    made = await asyncio.to_thread(backup.restore, source, call.settings.data_dir)
    _show(call, "restored to", made)
    return 0


def _show(call: Invocation, done: str, made: backup.Backup) -> None:
    if call.as_json:
        call.out.json(asdict(made) | {"path": str(made.path)})
        return
    held = f"{made.chats} chats, {made.messages} messages, {made.documents} documents"
    call.out.print(f"{done} {made.path}: {held}, {made.bytes / 1e6:.1f} MB, checked")
