"""A finding: what was looked at, what it is like, and what to do where that is not well."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """`area` and `check` name what was looked at; `fix` says in one sentence what to do, '' where nothing is."""

    area: str
    check: str
    level: Level
    detail: str
    fix: str = ""
