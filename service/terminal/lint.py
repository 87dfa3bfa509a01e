"""The command `lint`: what authors should mend in a folder, as text for people or JSON for programs."""

import logging
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Final

from rich.text import Text

from service import schema
from service.chats.usage import Usage, read_usage
from service.database import FILE_NAME
from service.errors import StorageError
from service.kb.folder import Folder
from service.kb.lint import Checked, Remark, check
from service.settings import Settings
from service.terminal.invocation import Invocation

_STYLES: Final = {"error": "red", "warning": "yellow", "info": "cyan"}
_ENOUGH_CALLS: Final = 50  # before them, not to be retrieved means nothing


async def lint(call: Invocation, folder: Path | None, *, strict: bool) -> int:
    """Print what to mend; 1 when there are errors, with `strict` also when there are warnings."""
    logging.getLogger("service").setLevel(logging.ERROR)  # the index logs what the report tells
    settings = call.settings
    path = folder or settings.knowledge_dir
    checked = await check(Folder(path, settings.extensions, settings.kb_max_file_bytes))
    remarks = (*checked.remarks, *_never_retrieved(settings, path, checked))
    counts = Counter[str](remark.level for remark in remarks)
    if call.as_json:
        report = {"folder": str(path), "documents": len(checked.documents), "ignored": checked.ignored}
        levels = {level: counts[level] for level in ("error", "warning", "info")}
        found = {"counts": levels, "remarks": [asdict(remark) for remark in remarks]}
        call.out.json(report | found)
    else:
        _show(call, path, checked, remarks, counts)
    return 1 if counts["error"] or (strict and counts["warning"]) else 0


def _never_retrieved(settings: Settings, path: Path, checked: Checked) -> list[Remark]:
    """Documents that no answer has been given; only where there were enough answers over this very folder."""
    if path.resolve() != settings.knowledge_dir.resolve():
        return []
    usage = _usage(settings.data_dir)
    if usage is None or usage.calls < _ENOUGH_CALLS:
        return []
    message = f"none of the last {usage.calls:,} tool calls that found something returned it"
    names = (name for name in checked.documents if name not in usage.documents)
    return [Remark("info", "never_retrieved", name, 1, message) for name in names]


def _usage(data_dir: Path) -> Usage | None:
    """What the data directory tells; None where there is none that can be read."""
    try:
        return schema.peek(data_dir / FILE_NAME, read_usage)
    except StorageError:
        return None


def _show(
    call: Invocation, path: Path, checked: Checked, remarks: tuple[Remark, ...], counts: Counter[str]
) -> None:
    for remark in remarks:
        place = f"{path / remark.file}:{remark.line}: " if remark.file else ""
        level = (remark.level, _STYLES[remark.level])
        call.out.print(Text.assemble(place, level, f": {remark.message} ", (f"({remark.code})", "dim")))
    told = ", ".join(
        f"{counts[level]} {name}{'' if counts[level] == 1 else 's'}"
        for level, name in (("error", "error"), ("warning", "warning"), ("info", "note"))
    )
    call.out.print(f"{len(checked.documents)} documents in {path}: {told}")
    if checked.ignored:
        files = "1 file has" if checked.ignored == 1 else f"{checked.ignored:,} files have"
        call.out.print(f"{files} another ending than those of KB_EXTENSIONS, so not indexed")
