"""How a command is run: the settings it gets, the loop it runs in, the exit code its end or error becomes."""

import asyncio
import errno
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import typer

from service.errors import DatabaseUnusable, DataDirectoryLocked, KbAgentError, SettingsError

if TYPE_CHECKING:
    from service.settings import Settings
    from service.terminal.invocation import Invocation

_FAILED: Final = 1
_INTERRUPTED: Final = 130
_EXIT_CODES: Final[tuple[tuple[type[KbAgentError], int], ...]] = (
    (SettingsError, 2),
    (DatabaseUnusable, 3),
    (DataDirectoryLocked, 4),
)
EXIT_CODES_TOLD: Final = (
    "Exit codes: 0 done; 1 it failed, or nothing was found; 2 a wrong setting or option; 3 the database cannot be "
    "used; 4 another process uses the data directory; 130 stopped by Ctrl+C."
)


KEY_FILE: Final[ContextVar[Path | None]] = ContextVar("key_file", default=None)
"""The file that `kb-agent --key-file` named."""


def run(command: "Callable[[Settings], int]", given: Mapping[str, Any] = {}, *, quiet: bool = True) -> NoReturn:
    """Run a command with the settings, those `given` before the environment's. `quiet` logs warnings only."""
    from service import settings
    from service.telemetry import configure_logging

    def settled() -> int:
        config = settings.load(**_shown_key(), **given)
        level = "warning" if quiet and config.log_level == "info" else config.log_level
        configure_logging(level, config.log_format, config.secrets | settings.otel().secrets)
        return command(config)

    finish(settled)


def call(
    command: "Callable[[Invocation], Coroutine[Any, Any, int]]",
    server: str | None = None,
    *,
    as_json: bool = False,
) -> NoReturn:
    """Run a command that prints and, mostly, talks to the service."""
    call_plain(lambda invocation: asyncio.run(command(invocation)), server, as_json=as_json)


def call_plain(
    command: "Callable[[Invocation], int]", server: str | None = None, *, as_json: bool = False
) -> NoReturn:
    """Run such a command that makes a loop of its own."""
    from service.terminal.invocation import Invocation

    run(lambda config: command(Invocation(config, server, as_json)))


def finish(work: Callable[[], int]) -> NoReturn:
    """Exit with the code that `work` gives or that its error stands for."""
    try:
        code = work()
    except KbAgentError as error:
        typer.echo(f"kb-agent: {error}", err=True)
        code = next((number for kind, number in _EXIT_CODES if isinstance(error, kind)), _FAILED)
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        typer.echo("kb-agent: there is no space left where the output goes", err=True)
        code = _FAILED
    sys.exit(code)


def _shown_key() -> dict[str, str]:
    path = KEY_FILE.get()
    return {} if path is None else {"api_key": path.read_text("utf-8", "replace").strip()}
