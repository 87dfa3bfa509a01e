"""JSON as model servers send it: a value of the wrong type counts as none (pure)."""

import json
import re
from typing import Any

# Above it a count of tokens is a server's mistake.
_MAX_TOKENS = 100_000_000
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def whole_characters(text: str) -> str:
    """JSON text without halves of surrogate pairs, which cannot be stored or sent; what is no JSON stays."""
    if not _SURROGATE.search(text):
        return text
    try:
        plain = json.dumps(json.loads(text), ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def as_mapping(value: object) -> dict[str, Any]:
    """An object; anything else is an empty one."""
    return value if isinstance(value, dict) else {}


def as_index(value: object) -> int | None:
    """An index, which some servers write as text or with a decimal point."""
    try:
        return int(value) if isinstance(value, (int, float, str)) else None
    except (ValueError, OverflowError):
        return None


def as_text(value: object) -> str:
    """A text; anything else is an empty one."""
    return value if isinstance(value, str) else ""


def as_count(value: object) -> int:
    """A count of tokens; what cannot be one is 0, as if it was not told."""
    return value if isinstance(value, int) and 0 <= value <= _MAX_TOKENS else 0
