"""The knowledge folder: whether it is there, what of it counts, and how its changes can be noticed."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import watchfiles

from service.doctor.findings import Finding, Level
from service.doctor.machine import REMOTE, file_system
from service.kb.file_events import Watch
from service.kb.folder import Folder, Scan, scan

_LIMITS: Final = Path("/proc/sys/fs/inotify")


def examine(folder: Folder, watch: Watch) -> Iterator[Finding]:
    """Scan the folder as the service would, and try to watch it."""
    path = folder.path.absolute()
    seen = scan(folder)
    if seen.state == "missing":
        yield Finding(
            "knowledge", "folder", Level.BROKEN, f"{path} is no folder", "make it, or set KNOWLEDGE_DIR to another"
        )
        return
    if seen.state == "unreadable":
        fix = f"let this user read it: chmod -R u+rX {path}"
        yield Finding("knowledge", "folder", Level.BROKEN, f"{path} cannot be read", fix)
        return
    yield _files(path, seen)
    yield from _skipped(seen)
    yield _watching(path, watch)


def _files(path: Path, seen: Scan) -> Finding:
    detail = f"{path}: {len(seen.files)} files count, {seen.ignored} have other endings"
    if seen.files:
        return Finding("knowledge", "folder", Level.OK, detail)
    fix = "put text files into it, or add their ending to KB_EXTENSIONS"
    return Finding("knowledge", "folder", Level.WARNING, detail, fix)


def _skipped(seen: Scan) -> Iterator[Finding]:
    if not seen.skipped:
        return
    reasons = Counter(skipped.reason for skipped in seen.skipped)
    first = "; ".join(f"{skipped.name}: {skipped.detail}" for skipped in seen.skipped[:3])
    told = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    fix = "mend or remove them; `kb-agent lint` names each"
    yield Finding("knowledge", "skipped", Level.WARNING, f"{told} ({first})", fix)


def _watching(path: Path, watch: Watch) -> Finding:
    if watch in {"poll", "off"}:
        return Finding("knowledge", "watching", Level.OK, f"by looking again and again, for KB_WATCH={watch}")
    kind = file_system(path)
    if kind in REMOTE:
        fix = "set KB_WATCH=poll"
        detail = f"{kind} raises no events for what other machines change"
        return Finding("knowledge", "watching", Level.WARNING, detail, fix)
    try:
        next(watchfiles.watch(path, rust_timeout=1, yield_on_timeout=True, raise_interrupt=False))
    except (OSError, StopIteration) as error:
        limits = ", ".join(f"{name} {value}" for name, value in _limits())
        return Finding(
            "knowledge",
            "watching",
            Level.WARNING,
            f"file events cannot be had ({error}; {limits or 'no inotify'})",
            "raise fs.inotify.max_user_watches and max_user_instances by sysctl, or set KB_WATCH=poll",
        )
    return Finding("knowledge", "watching", Level.OK, "by file events")


def _limits() -> Iterator[tuple[str, str]]:
    for name in ("max_user_watches", "max_user_instances"):
        if (_LIMITS / name).exists():
            yield name, (_LIMITS / name).read_text("ascii").strip()
