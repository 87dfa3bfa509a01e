"""Words one typing mistake away from a word, for questions of which the index knows no word. Pure."""

import string
from collections.abc import Iterator
from typing import Final

from service.kb.words import Term, word

SHORTEST: Final = 4  # a shorter word is one mistake away from too many others
LONG: Final = 6
LONGEST: Final = 24
HINT: Final = 3  # letters that a word of the index shares with one asked to be shown as a hint


def edits(text: str) -> Iterator[str]:
    """What one typing mistake may have made of another word: it is undone at every place, after Norvig (2007).

    In a short word only swapped and missing letters count: one letter replaced there makes another word too often.
    """
    for i in range(len(text) + 1):
        head, tail = text[:i], text[i:]
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        yield from (head + letter + tail for letter in string.ascii_lowercase)
        if tail and len(text) >= LONG:
            yield head + tail[1:]
            yield from (head + letter + tail[1:] for letter in string.ascii_lowercase)


def neighbours(term: Term) -> tuple[str, ...]:
    """Keys of the words one mistake away from a word of Latin letters; none for other words."""
    text = term.form
    if not (text.isascii() and text.isalpha() and SHORTEST <= len(text) <= LONGEST):
        return ()
    return tuple(sorted({word(edit).key for edit in edits(text)} - {term.key}))


def beginnings(term: Term) -> tuple[str, ...]:
    """What longer words that are like this one may begin with: all of it, else all but a letter."""
    key = term.key
    return tuple(beginning for beginning in (key, key[:-1]) if len(beginning) >= SHORTEST)
