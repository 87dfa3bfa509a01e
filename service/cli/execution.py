"""How a command is run: the settings it gets, the loop it runs in, the exit code its end or error becomes."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn

import typer

from service.errors import DatabaseUnusable, DataDirectoryLocked, KbAgentError, SettingsError

if TYPE_CHECKING:
    from service.settings import Settings

_FAILED: Final = 1
_INTERRUPTED: Final = 130
_EXIT_CODES: Final[tuple[tuple[type[KbAgentError], int], ...]] = (
    (SettingsError, 2),
    (DatabaseUnusable, 3),
    (DataDirectoryLocked, 4),
)


def run(
    command: "Callable[[Settings], Awaitable[int]]",
    overrides: Mapping[str, Any] | None = None,
    *,
    quiet: bool = True,
) -> NoReturn:
    """Read the settings, run a command to its end, and exit with its code. `quiet` logs warnings only."""
    from service import settings
    from service.telemetry import configure_logging

    try:
        config = settings.load(**(overrides or {}))
        level = "warning" if quiet and config.log_level == "info" else config.log_level
        configure_logging(level, config.log_format, config.secrets | settings.otel().secrets)
        code = asyncio.run(_awaited(command, config))
    except KbAgentError as error:
        typer.echo(f"kb-agent: {error}", err=True)
        code = next((number for kind, number in _EXIT_CODES if isinstance(error, kind)), _FAILED)
    except KeyboardInterrupt:
        code = _INTERRUPTED
    sys.exit(code)


async def _awaited(command: "Callable[[Settings], Awaitable[int]]", config: "Settings") -> int:
    return await command(config)
