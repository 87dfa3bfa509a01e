"""What the command line does to the data directory itself: copies, and bringing them back."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from service import backup
from service.settings import Settings


async def back_up(settings: Settings, target: Path, keep: int | None, *, as_json: bool) -> int:
    """Copy the database and print what the copy holds."""
    made = await asyncio.to_thread(backup.back_up, settings.data_dir, target, keep=keep)
    _show("copied to", made, as_json=as_json)
    return 0


async def restore(settings: Settings, source: Path, *, as_json: bool) -> int:
    """Bring a copy back and print what it holds."""
    made = await asyncio.to_thread(backup.restore, source, settings.data_dir)
    _show("restored to", made, as_json=as_json)
    return 0


def _show(done: str, made: backup.Backup, *, as_json: bool) -> None:
    out = Console(highlight=False, soft_wrap=True)
    if as_json:
        out.out(json.dumps(asdict(made) | {"path": str(made.path)}, indent=2))
        return
    held = f"{made.chats} chats, {made.messages} messages, {made.documents} documents"
    out.print(f"{done} {made.path}: {held}, {made.bytes / 1e6:.1f} MB, checked")
