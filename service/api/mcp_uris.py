"""Names of documents as MCP resources: kb:///streaming/resume.md?start_line=1&end_line=20 (pure)."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

from service.errors import InvalidInput

TEMPLATE: Final = "kb:///{+name}{?start_line,end_line}"
_MOST_LINES: Final = 8  # digits


@dataclass(frozen=True, slots=True)
class Address:
    """What a resource's address names: a document, or some of its lines."""

    name: str
    start_line: int
    end_line: int | None


def document_uri(name: str, lines: tuple[int, int] | None = None) -> str:
    """The address of a document or of its lines from-to."""
    query = f"?start_line={lines[0]}&end_line={lines[1]}" if lines else ""
    return f"kb:///{quote(name, safe='/')}{query}"


def parse_uri(uri: str) -> Address:
    """Read an address. Raises InvalidInput."""
    parts = urlsplit(uri)
    if parts.scheme != "kb" or parts.netloc or len(parts.path) < 2:
        raise InvalidInput(f"that is no address of a document; they look like {document_uri('guide/ports.md')}")
    query = parse_qs(parts.query)
    end = _line(query, "end_line")
    return Address(unquote(parts.path[1:]), _line(query, "start_line") or 1, end)


def _line(query: dict[str, list[str]], name: str) -> int | None:
    value = query.get(name, [""])[0]
    if not value:
        return None
    if not (value.isascii() and value.isdecimal() and len(value) <= _MOST_LINES and int(value)):
        raise InvalidInput(f"{name} takes a line number, from 1")
    return int(value)
