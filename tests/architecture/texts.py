"""What no file of the project may hold: addresses of package registries, paths of one machine, open ends."""

import re
from collections.abc import Iterator
from typing import Final

_REGISTRY: Final = re.compile(
    r"https?://[^\s\"'<>)]*(pypi\.org/simple|pythonhosted\.org|registry\.npmjs\.org|registry\.yarnpkg\.com|/simple/?(?=[\s\"'<>)]|$))"
    r"|(extra-|default-)?index-url\s*[= ]\s*[\"']?\w+://|^\s*find-links\b|--find[-]links",
    re.MULTILINE,
)
_MACHINE: Final = re.compile(r"(?<![\w.~/-])/(work|root|home|Users)/[\w.-]+|(?<![\w.~/-])/opt/(pypi|wheels)\b")
_SECRET_IN_URL: Final = re.compile(r"://[^\s/:@\"'<>${}]+:[^\s/:@\"'<>${}]+@")
_OPEN: Final = re.compile(r"\b(T[O]DO|FIX[M]E|XX[X])\b")
_WITH_ADDRESSES: Final = "uv.lock"  # the lock file names where each package comes from
_CODE: Final = (".py", ".sql", ".sh", ".js", ".css", ".html", ".toml", ".yaml", ".yml")


def no_registry(path: str, text: str) -> Iterator[str]:
    """Where packages come from is the machine's matter: UV_* and PIP_* tell."""
    if path != _WITH_ADDRESSES:
        yield from _found(_REGISTRY, path, text, "names a package registry")
        yield from _found(_SECRET_IN_URL, path, text, "has a password in an address")


def no_machine_path(path: str, text: str) -> Iterator[str]:
    """Nobody else has that folder."""
    yield from _found(_MACHINE, path, text, "names a path of one machine")


def no_open_end(path: str, text: str) -> Iterator[str]:
    """What is left to do is no part of the code."""
    if path.endswith(_CODE):
        yield from _found(_OPEN, path, text, "leaves something open")


def _found(pattern: re.Pattern[str], path: str, text: str, complaint: str) -> Iterator[str]:
    for match in pattern.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield f"{path}:{line}: {complaint}: {match[0].strip()}"
