"""What an event carries, as one line of JSON however its reader splits text into lines."""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import to_json

_LINE_ENDS: Final = re.compile("[\x85\u2028\u2029]")


def encode(data: Mapping[str, Any]) -> bytes:
    """Encode event data as one line of JSON."""
    return _line(data).encode()


def encode_delta(turn_id: str, offset: int, text: str) -> bytes:
    """Encode the data of an `answer.delta`; there are more of them than of all other events."""
    return f'{{"message_id":"{turn_id}","offset":{offset},"text":{_line(text)}}}'.encode()


def _line(value: object) -> str:
    """JSON without the characters that clients who split text as Python does take for the end of a line."""
    text = to_json(value).decode()
    return text if text.isascii() else _LINE_ENDS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
