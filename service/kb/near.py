"""Words like a word: those a typing mistake away, longer ones that begin with it, those to be hinted at. Pure."""

import string
from collections.abc import Collection, Iterator
from typing import Final

from service.kb.function_words import WORDS
from service.kb.words import Term, word

SHORTEST: Final = 5  # a shorter word is one mistake away from too many others
LONGEST: Final = 24
HINT_SHORTEST: Final = 8
HINT_MISTAKES: Final = 2  # of a word that is not searched for, only shown
HINT: Final = 3  # letters that it shares with the word asked


def usable(term: Term) -> bool:
    """Whether mistakes in the word are looked for: it is of Latin letters, and long enough to tell."""
    return term.form.isascii() and term.form.isalpha() and SHORTEST <= len(term.form) <= LONGEST


def neighbours(term: Term) -> tuple[str, ...]:
    """Keys of the words that may be one mistake away from a word; words of grammar are not meant."""
    return tuple(sorted({word(edit).key for edit in edits(term.form) if edit not in WORDS} - {term.key}))


def edits(text: str) -> Iterator[str]:
    """What one typing mistake may have made of another word, undone at every place after Norvig (2007).

    The first letter stays: people seldom get it wrong, and words with another one are other words.
    """
    for i in range(1, len(text) + 1):
        head, tail = text[:i], text[i:]
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        yield from (head + letter + tail for letter in string.ascii_lowercase)
        if tail:
            yield head + tail[1:]
            yield from (head + letter + tail[1:] for letter in string.ascii_lowercase)


def mistaken(term: Term, found: Collection[str]) -> str | None:
    """Which of some words was meant, if `term` is it with one mistake; endings may differ."""
    return _nearest(term, found, 1, SHORTEST)


def alike(term: Term, found: Collection[str]) -> str | None:
    """Which of some words may be hinted at in place of `term`."""
    return _nearest(term, found, HINT_MISTAKES, HINT_SHORTEST)


def begun(term: Term, found: Collection[str]) -> str | None:
    """Which of some words may have been meant by its beginning."""
    longer = (text for text in found if text.startswith(term.form))
    return min(longer, key=lambda text: (len(text), text), default=None)


def mistakes(one: str, other: str) -> int:
    """Letters missing, too many, changed or swapped with the next one: optimal string alignment."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, there in enumerate(other, 1):
            cost = min(row[-1] + 1, last[j] + 1, last[j - 1] + (letter != there))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == there:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]


def _nearest(term: Term, found: Collection[str], most: int, shortest: int) -> str | None:
    """The word with the least mistakes; of two alike rather one that is no mere stem of another."""
    stems = {stem for text in found if (stem := word(text).stem) != text}
    ranked = [(_apart(term, text, shortest), mistakes(term.form, text), text in stems, text) for text in found]
    apart, _, _, text = min(ranked, default=(most + 1, 0, False, ""))
    return text if apart <= most else None


def _apart(term: Term, text: str, shortest: int) -> int:
    """The least mistakes between two words or their stems."""
    ours = {form for form in (term.form, term.stem) if len(form) >= shortest}
    theirs = {form for form in (text, word(text).stem) if len(form) >= shortest and form[0] == term.form[0]}
    close = [(a, b) for a in ours for b in theirs if abs(len(a) - len(b)) <= HINT_MISTAKES]
    return min((mistakes(a, b) for a, b in close), default=LONGEST)
