"""Everything that is looked at, in order."""

import asyncio
from collections.abc import AsyncIterator, Iterator

from service import settings as variables
from service.database import FILE_NAME
from service.doctor import endpoint, knowledge, machine, serving, storage
from service.doctor.findings import Finding, Level
from service.errors import SettingsError
from service.kb.folder import Folder
from service.settings import Settings


def wrong_settings(error: SettingsError) -> Iterator[Finding]:
    """One finding for each setting that has a value it cannot take."""
    for problem in error.problems:
        name, _, rest = problem.partition(": ")
        detail, _, takes = rest.partition("; ")
        yield Finding("settings", name, Level.BROKEN, detail, takes)


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Look at everything. Settings are those that were read without a mistake."""
    yield Finding("settings", "settings", Level.OK, f"{len(settings.model_fields_set)} given, all of use")
    for name, meant in variables.strangers():
        fix = f"did you mean {meant}? Else remove it" if meant else "remove it"
        yield Finding("settings", name, Level.WARNING, "is no setting, so it does nothing", fix)
    folder = Folder(settings.knowledge_dir, settings.extensions, settings.kb_max_file_bytes)
    for looks in (
        lambda: list(machine.examine(settings.data_dir / FILE_NAME)),
        lambda: list(storage.examine(settings.data_dir)),
        lambda: list(knowledge.examine(folder, settings.kb_watch)),
    ):
        for finding in await asyncio.to_thread(looks):
            yield finding
    async for finding in serving.examine(settings):
        yield finding
    async for finding in endpoint.examine(settings):
        yield finding
