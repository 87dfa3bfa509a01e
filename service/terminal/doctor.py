"""What `kb-agent doctor` prints: each finding as it is made, and what to do where something is not well."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Final

from rich.text import Text

from service import settings
from service.doctor.examination import examine, wrong_settings
from service.doctor.findings import Finding, Level
from service.errors import SettingsError
from service.terminal.screen import Screen

_STYLES: Final = {Level.OK: "green", Level.NOTE: "cyan", Level.WARNING: "yellow", Level.BROKEN: "bold red"}


def doctor(*, as_json: bool) -> int:
    """Look at everything and print it; 1 when something is broken."""
    logging.disable()  # what would be logged is found and told here
    out = Screen()
    found = asyncio.run(_examined(out, as_json=as_json))
    counts = Counter(finding.level for finding in found)
    if as_json:
        out.json({"ok": not counts[Level.BROKEN], "findings": [asdict(finding) for finding in found]})
    else:
        broken, warnings = counts[Level.BROKEN], counts[Level.WARNING]
        out.print(f"\n{broken} broken, {warnings} to look at, {len(found) - broken - warnings} well.")
    return 1 if counts[Level.BROKEN] else 0


async def _examined(out: Screen, *, as_json: bool) -> list[Finding]:
    found: list[Finding] = []
    try:
        config = settings.load()
    except SettingsError as error:
        for finding in wrong_settings(error):
            _note(found, finding, None if as_json else out)
        return found
    async for finding in examine(config):
        _note(found, _masked(finding, config.secrets), None if as_json else out)
    return found


def _note(found: list[Finding], finding: Finding, out: Screen | None) -> None:
    found.append(finding)
    if out is None:
        return
    level = (f"{finding.level:8}", _STYLES[finding.level])
    out.print(Text.assemble(level, (f"{finding.area} · {finding.check}  ", "bold"), finding.detail))
    if finding.fix:
        out.print(Text(f"         → {finding.fix}"))


def _masked(finding: Finding, secrets: Iterable[str]) -> Finding:
    detail, fix = finding.detail, finding.fix
    for secret in secrets:
        detail, fix = detail.replace(secret, "***"), fix.replace(secret, "***")
    return replace(finding, detail=detail, fix=fix)
