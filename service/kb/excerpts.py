"""Cuts the telling part out of a passage and finds the words in it that match. Pure.

Done here and not by FTS5: its snippet() and highlight() are quadratic in matches and cannot be interrupted.
"""

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Final

from service.kb.analysis import TOKEN, analyse, fold

EXCERPT_CHARS: Final = 320
_FIRST_UNSPACED: Final = "\u0e00"  # from Thai on scripts write without spaces; their terms are pieces of a run
_LEAD: Final = 60  # characters shown before the first match of the best window

Span = tuple[int, int]
Match = tuple[int, int, str]
"""Start, end, and a key that matched there."""


class Excerpts:
    """Cuts excerpts for the words with these keys; what it learns of a word serves the next text."""

    def __init__(self, keys: AbstractSet[str]) -> None:
        self._words = {key for key in keys if key[0] < _FIRST_UNSPACED}
        # The last letter may have changed on the way from the word to its key.
        self._beginnings = {key[: max(2, len(key) - 1)].lower() for key in self._words}
        longest_first = sorted(map(re.escape, keys - self._words), key=len, reverse=True)
        self._pieces = re.compile(f"(?=({'|'.join(longest_first)}))") if longest_first else None
        self._met: dict[str, str | None] = {}

    def cut(self, text: str) -> tuple[str, tuple[Span, ...]]:
        """The piece of `text` with the most different matching words, verbatim, and its matches as offsets."""
        found = self.matches(text)
        start = _window(text, found)
        end = min(len(text), start + EXCERPT_CHARS)
        if end < len(text):
            space = text.rfind(" ", start + EXCERPT_CHARS // 2, end)
            end = space if space > 0 else end
        inside = tuple((a - start, b - start) for a, b, _ in found if a >= start and b <= end)
        return text[start:end], inside

    def matches(self, text: str) -> list[Match]:
        """Where `text` matches: start, end and one key that matched, in order, none overlapping another."""
        plain = fold(text)
        if len(plain) != len(text):  # some letter folds to several: offsets would not fit
            plain = text
        found: list[Match] = []
        for start, end, key in sorted((*self._found_words(plain), *self._found_pieces(plain))):
            if found and start <= found[-1][1] and (start < found[-1][1] or key not in self._words):
                first, last, known = found[-1]
                found[-1] = (first, max(last, end), known)
            else:
                found.append((start, end, key))
        return found

    def _found_words(self, text: str) -> Iterator[Match]:
        """Words that have one of the keys. Only those that hold a beginning of a key are analysed."""
        done = 0
        for place in _places(text, self._beginnings):
            if place < done:
                continue
            begin = max(done, text.rfind(" ", done, place), text.rfind("\n", done, place))
            token = TOKEN.search(text, begin)
            while token is not None and token.end() <= place:
                token = TOKEN.search(text, token.end())
            if token is None:
                return
            done = token.end()
            key = self._key(token[0])
            if key is not None:
                yield token.start(), done, key

    def _key(self, token: str) -> str | None:
        """One of the keys that the token has."""
        if token not in self._met:
            held = (key for part in analyse(token) for key in (*part.keys, *part.weak))
            self._met[token] = next((key for key in held if key in self._words), None)
        return self._met[token]

    def _found_pieces(self, text: str) -> Iterator[Match]:
        """Pairs and triples of characters, wherever they stand."""
        if self._pieces is not None:
            for found in self._pieces.finditer(text):
                yield found.start(1), found.end(1), found[1]


def _places(text: str, beginnings: Iterable[str]) -> list[int]:
    """Where the text holds one of these, whatever its case, in order."""
    lower = text.lower()
    if len(lower) != len(text):
        lower = text
    places: set[int] = set()
    for beginning in beginnings:
        place = lower.find(beginning)
        while place >= 0:
            places.add(place)
            place = lower.find(beginning, place + 1)
    return sorted(places)


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
    inside: dict[str, int] = {}
    best, answer, following = 0, 0, 0
    for index, (first, _, key) in enumerate(found):
        while following < len(found) and found[following][1] <= first - _LEAD + EXCERPT_CHARS:
            later = found[following][2]
            inside[later] = inside.get(later, 0) + 1
            following += 1
        if len(inside) > best:
            best, answer = len(inside), index
        left = inside.pop(key, 0) - 1
        if left > 0:
            inside[key] = left
    return answer
