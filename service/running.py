"""The note that a running server leaves in its data directory: where it listens, and a key for this machine.

Who may read the data directory may do everything anyway, so the command line needs no key beside it. The key is
drawn anew at each start and opens nothing else.
"""

import contextlib
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LOG: Final = logging.getLogger(__name__)
_FILE: Final = "server.json"


@dataclass(frozen=True, slots=True)
class Running:
    """A server's address and its local key."""

    address: str
    key: str


def leave_note(data_dir: Path, running: Running) -> None:
    """Say where the server listens, to its user alone. Where that fails, as on a full disk, the log tells."""
    remove_note(data_dir)
    try:
        descriptor = os.open(data_dir / _FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as note:
            json.dump({"address": running.address, "key": running.key}, note)
    except OSError as error:
        _LOG.warning("commands have to be told where this server is", extra={"reason": error.strerror})


def read_note(data_dir: Path) -> Running | None:
    """Read the note; None when no server left one here. It may be of one that was killed since."""
    try:
        note = json.loads((data_dir / _FILE).read_text("utf-8"))
        return Running(str(note["address"]), str(note["key"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remove_note(data_dir: Path) -> None:
    """Take the note away."""
    with contextlib.suppress(OSError):  # it is not there, or has to stay: who follows it finds nobody
        (data_dir / _FILE).unlink()
