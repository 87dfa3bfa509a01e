"""Cuts the telling part out of a passage and finds the words in it that match. Pure.

Done here and not by FTS5: its snippet() and highlight() are quadratic in matches and cannot be interrupted.
"""

import re
from collections import Counter
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Final

from service.kb.analysis import TOKEN, analyse, fold

EXCERPT_CHARS: Final = 320
_FIRST_UNSPACED: Final = "\u0e00"  # from Thai on scripts write without spaces; their terms are pieces of a run
_LEAD: Final = 60  # characters shown before the first match of the best window

Span = tuple[int, int]
Match = tuple[int, int, str]
"""Start, end, and a key that matched there."""


def excerpt(text: str, keys: AbstractSet[str]) -> tuple[str, tuple[Span, ...]]:
    """The piece of `text` with the most different matching words, verbatim, and the matches as offsets into it."""
    found = matches(text, keys)
    start = _window(text, found)
    end = min(len(text), start + EXCERPT_CHARS)
    if end < len(text):
        space = text.rfind(" ", start + EXCERPT_CHARS // 2, end)
        end = space if space > 0 else end
    inside = tuple((a - start, b - start) for a, b, _ in found if a >= start and b <= end)
    return text[start:end], inside


def matches(text: str, keys: AbstractSet[str]) -> list[Match]:
    """Where `text` matches: start, end and one key that matched, in order, none overlapping another."""
    plain = fold(text)
    if len(plain) != len(text):  # some letter folds to several: offsets would not fit
        plain = text
    words = {key for key in keys if key[0] < _FIRST_UNSPACED}
    found: list[Match] = []
    for start, end, key in sorted((*_words(plain, words), *_pieces(plain, keys - words))):
        if found and start <= found[-1][1] and (start < found[-1][1] or key not in words):
            first, last, known = found[-1]
            found[-1] = (first, max(last, end), known)
        else:
            found.append((start, end, key))
    return found


def _words(text: str, keys: AbstractSet[str]) -> Iterator[Match]:
    """Words that have one of the keys. Only those that hold a beginning of a key are analysed."""
    done = 0
    for found in _beginnings(keys).finditer(text):
        if found.start() < done:
            continue
        begin = found.start()
        while begin > done and not text[begin - 1].isspace():
            begin -= 1
        token = next((t for t in TOKEN.finditer(text, begin) if t.end() > found.start()), None)
        if token is None:
            return
        done = token.end()
        key = next((key for part in analyse(token[0]) for key in (*part.keys, *part.weak) if key in keys), None)
        if key is not None:
            yield token.start(), token.end(), key


def _beginnings(keys: AbstractSet[str]) -> re.Pattern[str]:
    """What a word must hold to match. The last letter may have changed on the way from the word to its key."""
    starts = {re.escape(key[: max(2, len(key) - 1)]) for key in keys}
    return re.compile("|".join(sorted(starts)) or "(?!)", re.IGNORECASE)


def _pieces(text: str, keys: AbstractSet[str]) -> Iterator[Match]:
    """Pairs and triples of characters, wherever they stand."""
    if not keys:
        return
    longest_first = sorted(map(re.escape, keys), key=len, reverse=True)
    for found in re.finditer(f"(?=({'|'.join(longest_first)}))", text):
        yield found.start(1), found.end(1), found[1]


def _window(text: str, found: list[Match]) -> int:
    """Where the excerpt begins: a little before the match from which on most different words are in reach."""
    if len(text) <= EXCERPT_CHARS or not found:
        return 0
    start = found[_densest(found)][0]
    start = max(0, min(start - _LEAD, len(text) - EXCERPT_CHARS))
    if start == 0:
        return 0
    space = text.find(" ", start, start + _LEAD)
    return space + 1 if space >= 0 else start


def _densest(found: list[Match]) -> int:
    """Index of the match after which most different words follow within an excerpt's length."""
    inside: Counter[str] = Counter()
    best, answer, following = 0, 0, 0
    for index, (first, _, key) in enumerate(found):
        while following < len(found) and found[following][1] <= first - _LEAD + EXCERPT_CHARS:
            inside[found[following][2]] += 1
            following += 1
        if len(inside) > best:
            best, answer = len(inside), index
        inside[key] -= 1
        if inside[key] <= 0:
            del inside[key]
    return answer
