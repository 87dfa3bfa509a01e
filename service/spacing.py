"""Blanks around each character of the scripts that have none between words, for the search over chats (pure)."""

import re
from typing import Final

# Thai, Lao, Burmese, Khmer, Chinese, Japanese, Korean. FTS5 deletes what it was given only when given the same
# again, so that other ranges need a migration that makes the index anew.
_CHARACTER: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
    "\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff]"
)


def spaced(text: str | None) -> str | None:
    """Part these characters, so that FTS5 has each for a word, and a word of several for a phrase of them."""
    return text if text is None or text.isascii() else _CHARACTER.sub(r" \g<0> ", text)
