"""Cuts the common endings off words, so that the forms of a word become one term. Pure."""

import re
from typing import Final

_VOWEL: Final = re.compile("[aeiouy]")
_DOUBLED: Final = frozenset("bdfgmnprt")
_ARABIC_ARTICLES: Final = ("وال", "بال", "كال", "فال", "لل", "ال")
_ARABIC_ENDINGS: Final = ("ها", "ان", "ات", "ون", "ين", "يه", "ه", "ي")


def english(word: str) -> str:
    """A lower-case word without plural, -ed, -ing, -ly, final e, and with i for a final y.

    Lighter than Porter's stemmer: derived words (-ation, -ment, -al) stay apart here and meet by their first
    letters, see `words.KEY_LETTERS`. Words of other languages pass almost unchanged.
    """
    if len(word) < 4:
        return word
    word = _adverb(_inflection(_plural(word)))
    if len(word) < 4:
        return word
    if word.endswith("e"):
        return word[:-1]
    return word[:-1] + "i" if word.endswith("y") else word


def arabic(word: str) -> str:
    """A word without its article and its commonest endings, after the light stemmer of Larkey et al. (2002)."""
    for article in _ARABIC_ARTICLES:
        if word.startswith(article) and len(word) - len(article) >= 3:
            word = word[len(article) :]
            break
    for ending in _ARABIC_ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _plural(word: str) -> str:
    if not word.endswith("s"):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y" if len(word) > 4 else word[:-1]
    if word.endswith("sses"):
        return word[:-2]
    return word if word.endswith(("ss", "us", "sis", "xis")) else word[:-1]


def _inflection(word: str) -> str:
    if word.endswith("ied"):
        return word[:-3] + "y" if len(word) > 4 else word[:-1]
    for ending in ("ing", "ed"):
        stem = word.removesuffix(ending)
        if len(stem) == 2 and stem[0] in "aeiou" and stem[1] not in "aeiou":  # using, aged, icing
            return stem + "e"
        if stem != word and len(stem) >= 3 and _VOWEL.search(stem) and not word.endswith("eed"):
            doubled = len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] in _DOUBLED
            return stem[:-1] if doubled else stem
    return word


def _adverb(word: str) -> str:
    return word[:-2] if word.endswith("ly") and len(word) > 5 else word
