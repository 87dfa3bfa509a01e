"""Tool results as the model gets them: JSON that says where data begins and ends, which no document can forge.

Quotes and lines of a document are escaped by JSON. Servers read some texts as the end of a message or as a call
before any JSON is read, so those are escaped as well: the content stays the same, the model's server sees none.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

_BEGIN: Final = "data_begin"
_END: Final = "data_end"
_CONTROL: Final = re.compile(
    r"<(?=[|｜]|/?(?:s|think|tool_call|tool_response|tool_calls|function_call|start_of_turn|end_of_turn|bos|eos)\b)"
    r"|\[(?=/?(?:INST|TOOL_CALLS|AVAILABLE_TOOLS|TOOL_RESULTS|SYSTEM_PROMPT)\])"
)


def enclose(body: Mapping[str, Any], nonce: str) -> str:
    """Write a result between two marks that carry `nonce`; marks it has already are replaced."""
    inner = {key: value for key, value in body.items() if key not in (_BEGIN, _END)}
    text = json.dumps({_BEGIN: nonce, **inner, _END: nonce}, ensure_ascii=False)
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def enclose_again(body: Mapping[str, Any]) -> str:
    """Write a result that was read back, with the marks it had."""
    return enclose(body, str(body.get(_BEGIN, "")))
