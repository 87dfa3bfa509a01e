"""Finds words of the index that are like a word it does not know, on one connection in a reader's thread."""

import re
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from service.database import load_queries
from service.kb import near
from service.kb.query import any_of
from service.kb.words import Term, word

_WORDS: Final = 3  # words of a question for which others are looked up, the longest
_CHOICES: Final = 3  # words that may stand for one
_HINTS: Final = 5
_BEGIN_ALIKE: Final = 200  # terms of the index that are compared for a hint
_LONGER: Final = 30  # that are looked at where a word may be the beginning of another

Frequencies = Callable[[Iterable[str]], Mapping[str, int]]
_Choose = Callable[[Term, Collection[str]], str | None]


@dataclass(frozen=True, slots=True)
class Like:
    """A word of the index that is like one of a question, and in how many passages its key occurs."""

    word: Term
    passages: int


@dataclass(frozen=True, slots=True)
class Guess:
    """What to search for instead; where that is nothing, words that may have been meant."""

    instead: tuple[Like, ...]
    hints: tuple[str, ...]


class Spelling:
    """Looks words up. `frequencies` tells which of some keys occur, and in how many passages."""

    def __init__(self, connection: sqlite3.Connection, frequencies: Frequencies) -> None:
        self._connection = connection
        self._frequencies = frequencies
        self._sql = load_queries("kb_search")

    def guess(self, terms: Iterable[Term]) -> Guess:
        """What may have been meant by the words of a question, none of which is known.

        Only hints where that can be told of less than half of them: one word that happens to be like another
        answers no question.
        """
        asked = _longest(terms)
        meant = [self._meant(term) for term in asked]
        likes = tuple(like for choices in meant for like in choices)
        if likes and 2 * sum(map(bool, meant)) >= len(asked):
            return Guess(likes, ())
        others = (self._hints(term) for term, choices in zip(asked, meant, strict=True) if not choices)
        hints = (like.word.form for like in (*likes, *chain.from_iterable(others)))
        return Guess((), tuple(dict.fromkeys(hints))[:_HINTS])

    def _hints(self, term: Term) -> list[Like]:
        if not near.usable(term):
            return []
        keys = self._beginning_with(term.form[: near.HINT], _BEGIN_ALIKE)
        close = [key for key in keys if near.mistakes(term.key, key) <= near.HINT_MISTAKES]
        return self._chosen(term, self._frequencies(close), near.alike)

    def _meant(self, term: Term) -> list[Like]:
        if not near.usable(term):
            return []
        mistaken = self._chosen(term, self._frequencies(near.neighbours(term)), near.mistaken)
        if mistaken:
            return mistaken
        longer = self._beginning_with(term.key, _LONGER)
        return self._chosen(term, self._frequencies(longer), near.begun)

    def _chosen(self, term: Term, keys: Mapping[str, int], choose: _Choose) -> list[Like]:
        """The most frequent of the words with these keys that are like the term."""
        chosen: list[Like] = []
        for key in sorted(keys, key=lambda key: (-keys[key], key)):
            text = choose(term, self._words(key))
            if text is not None:
                chosen.append(Like(word(text), keys[key]))
            if len(chosen) == _CHOICES:
                break
        return chosen

    def _words(self, key: str) -> list[str]:
        """How words with this key are written in some passages; one that its key tells whole has no other form."""
        written = re.compile(f" ({re.escape(key[:-1])}[a-z]*)(?= )")
        found: set[str] = set()
        for (forms,) in self._connection.execute(self._sql["forms_with"], (any_of([key]),)):
            found.update([text for text in written.findall(forms) if word(text).key == key] or [key])
        return sorted(found)

    def _beginning_with(self, beginning: str, most: int) -> list[str]:
        bounds = (beginning, beginning + "\U0010ffff", most)
        return [term for (term,) in self._connection.execute(self._sql["terms_like"], bounds)]


def _longest(terms: Iterable[Term]) -> list[Term]:
    return sorted(set(terms), key=lambda term: (-len(term.form), term.form))[:_WORDS]
