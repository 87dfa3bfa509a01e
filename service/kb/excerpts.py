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


def matches(text: str, keys: AbstractSet[str]) -> list[tuple[int, int, str]]:
    """Where words of `text` match: start, end and one key that matched, in order, none overlapping."""
    found: list[tuple[int, int, str]] = []
    grams = sorted((key for key in keys if not key.isascii()), key=len, reverse=True)
    beginnings = _beginnings(keys)
    for token in _likely(text, beginnings):
        word = token[0]
        if word[0] >= _FIRST_UNSPACED or word[-1] >= _FIRST_UNSPACED:
            found += _inside(word, token.start(), grams)
        elif not word.isascii() or beginnings.search(word):
            hit = _match(word, keys)
            if hit is not None:
                found.append((token.start(), token.end(), hit))
    return found


def spelled(text: str, key: str) -> Iterator[str]:
    """How a term is written in `text`, in lower case, at every place where it stands."""
    for start, end, _ in matches(text, {key}):
        yield text[start:end].casefold()


def _likely(text: str, beginnings: re.Pattern[str]) -> Iterator[re.Match[str]]:
    """The tokens that may match; in a text of ASCII only those around a beginning, which is much faster."""
    if not text.isascii():
        yield from TOKEN.finditer(text)
        return
    done = 0
    for found in beginnings.finditer(text):
        begin = found.start()
        while begin > done and not text[begin - 1].isspace():
            begin -= 1
        for token in TOKEN.finditer(text, begin) if found.start() >= done else ():
            done = token.end()
            if done > found.start():
                yield token
                break


def _match(word: str, keys: AbstractSet[str]) -> str | None:
    return next((key for part in analyse(word) for key in (*part.keys, *part.weak) if key in keys), None)


def _beginnings(keys: AbstractSet[str]) -> re.Pattern[str]:
    """What a word of ASCII letters must hold to match; analysing every word would take ten times longer.

    The last letter may have changed on the way from the word to its key.
    """
    starts = {re.escape(key[: max(2, len(key) - 1)]) for key in keys if key.isascii()}
    return re.compile("|".join(sorted(starts)) or "(?!)", re.IGNORECASE)


def _inside(word: str, offset: int, grams: list[str]) -> list[tuple[int, int, str]]:
    """Matches of pairs and triples within a run; those that touch become one."""
    folded = fold(word)
    if len(folded) != len(word):
        return []
    marked = [""] * len(word)
    for gram in grams:
        at = folded.find(gram)
        while at >= 0:
            marked[at : at + len(gram)] = [marked[i] or gram for i in range(at, at + len(gram))]
            at = folded.find(gram, at + 1)
    found: list[tuple[int, int, str]] = []
    for index, gram in enumerate(marked):
        if not gram:
            continue
        if found and found[-1][1] == offset + index:
            found[-1] = (found[-1][0], offset + index + 1, found[-1][2])
        else:
            found.append((offset + index, offset + index + 1, gram))
    return found


def _window(text: str, found: list[tuple[int, int, str]]) -> int:
    """Where the excerpt begins: a little before the match from which on most different words are in reach."""
    if len(text) <= EXCERPT_CHARS or not found:
        return 0
    start = found[_densest(found)][0]
    start = max(0, min(start - _LEAD, len(text) - EXCERPT_CHARS))
    if start == 0:
        return 0
    space = text.find(" ", start, start + _LEAD)
    return space + 1 if space >= 0 else start


def _densest(found: list[tuple[int, int, str]]) -> int:
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
