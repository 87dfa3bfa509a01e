"""The verbatim stretch of a passage that best supports a claim (pure)."""

import re
from typing import Final

from service.agent.sentences import split

_SHORTEST: Final = 6  # characters; less is found by chance
_WORD: Final = re.compile(r"\w+")
_DECORATION: Final = re.compile(r"^(?:[\s>*_#\"“”'-]|\d+[.)]\s)+|[\s*_\"“”']+$")
_FENCE_LINE: Final = re.compile(r"^\s*(?:`{3,}|~{3,}).*$", re.MULTILINE)


def find_quote(claim: str, passage: str) -> tuple[int, int]:
    """Give the offsets of the quote: the claim where it stands in `passage`, else its most similar sentence.

    Similarity is the share of common words (Dice). A passage without a sentence is quoted whole.
    """
    statements = [claim[s.start : s.end] for s in split(claim)][-3:]
    for statement in (_plain(claim), *(_plain(statement) for statement in reversed(statements))):
        at = passage.find(statement) if len(statement) >= _SHORTEST else -1
        if at >= 0:
            return at, at + len(statement)
    sentences = split(passage)
    if not sentences:
        return 0, len(passage)
    wanted = _words(statements[-1] if statements else claim) or _words(claim)
    best = max(sentences, key=lambda s: _likeness(wanted, _words(passage[s.start : s.end])))
    return best.start, best.end


def _plain(statement: str) -> str:
    return _DECORATION.sub("", _FENCE_LINE.sub("", statement).strip())


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other)) if one or other else 0.0
