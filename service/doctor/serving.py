"""The server: whether one runs and is ready, else whether one could start."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2

from service.access.store import count_keys
from service.client import running_server
from service.database import FILE_NAME
from service.doctor.findings import Finding, Level
from service.errors import SettingsError
from service.server import is_loopback, listen
from service.settings import Settings

_SECONDS = 10.0


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Ask the server that runs how it is; without one try to take the port."""
    running = await running_server(settings, None)
    if running is not None:
        yield await _ready(running.address)
        return
    yield _port(settings.host, settings.port)
    if not is_loopback(settings.host) and not settings.allow_anonymous:
        yield _exposure(settings)


def _exposure(settings: Settings) -> Finding:
    """Whether anybody can get in at an address that others reach."""
    kept, count = _keys(settings.data_dir / FILE_NAME)
    who = f"HOST={settings.host} lets others in, which takes a key"
    if settings.admin_key or count:
        given = ("ADMIN_KEY is set" if settings.admin_key else "", f"the database keeps {count}" if count else "")
        return Finding("server", "exposure", Level.OK, f"{who}: {', '.join(filter(None, given))}")
    ended = "; those that the database keeps have expired or were revoked" if kept else ""
    return Finding(
        "server", "exposure", Level.NOTE, who + ended, "run `kb-agent keys create NAME`, or set ADMIN_KEY"
    )


def _keys(database: Path) -> tuple[int, int]:
    """See `count_keys`; none where the database cannot be read."""
    if not database.exists():
        return 0, 0
    with contextlib.suppress(sqlite3.DatabaseError):  # another check tells what is wrong with it
        address = f"{database.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=5)) as connection:
            return count_keys(connection)
    return 0, 0


async def _ready(address: str) -> Finding:
    try:
        async with httpx2.AsyncClient(base_url=address, timeout=_SECONDS) as http:
            response = await http.get("/readyz")
            checks = response.json().get("checks", {})
    except (httpx2.HTTPError, ValueError) as error:
        fix = "look at its log, and start it anew"
        return Finding("server", "running", Level.BROKEN, f"{address} does not tell how it is ({error})", fix)
    if response.status_code == httpx2.codes.OK:
        return Finding("server", "running", Level.OK, f"{address} is ready")
    failing = ", ".join(name for name, well in checks.items() if well is not True) or "it does not say why"
    fix = f"look at its log and at {address}/readyz"
    return Finding("server", "running", Level.BROKEN, f"{address} is not ready: {failing}", fix)


def _port(host: str, port: int) -> Finding:
    try:
        listen(host, port).close()
    except SettingsError as error:
        detail, _, fix = error.problems[0].removeprefix("PORT: ").partition("; ")
        return Finding("server", "port", Level.BROKEN, detail, fix)
    return Finding("server", "port", Level.OK, f"none runs, and {host}:{port} is free")
