"""The server: whether one runs and is ready, else whether one could start."""

from collections.abc import AsyncIterator

import httpx2

from service.client import running_server
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
    if not is_loopback(settings.host) and not (settings.admin_key or settings.allow_anonymous):
        yield Finding(
            "server",
            "exposure",
            Level.NOTE,
            f"HOST={settings.host} lets others in, which takes a key",
            "run `kb-agent keys create NAME`, or set ADMIN_KEY",
        )


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
