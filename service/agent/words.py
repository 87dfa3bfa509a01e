"""Words as the reader compares them: the stems of the analyzer, weighed, everyday words known (pure)."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from service.kb import function_words, near
from service.kb.analysis import TOKEN, Token, analyse, fold
from service.kb.words import Term

_EVERYDAY: Final = """
first last many much more most year years time day days people person name named call called known know type
kind use used using term main part number group make made new old important different high large small long
short area world way state states country city place great man men woman work system form common general good
best often become became begin began end set two three one following example including considered change
changes take took taken get give given gave find found say said see seen show shown help think thought believe
mean means happen happened cause caused come came go went include included various early late century period
also occur occurred major certain current describe described according point result results start started lead
led order level allow allowed need needed thing something anything
"""
_CJK: Final = re.compile("[\u3005-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_SEA: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
_CJK_PAIR: Final = 0.4  # of a word that is not grammar: as many as the same questions have in English
_SEA_TRIPLE: Final = 0.15
_PARTS_OF_IDENTIFIER: Final = 0.2  # of the word, all parts together
_PARTS_OF_COMPOUND: Final = 0.5
_PREFIX: Final = 5
_SHARED: Final = 0.65
_ALIKE: Final = 0.7
MISTAKEN: Final = 0.9  # likeness of a term with a typing mistake
_JUMBLED: Final = frozenset("".join(sorted(word)) for word in function_words.WORDS if len(word) > 2)


def pattern(*alternatives: str) -> re.Pattern[str]:
    """A pattern that finds any of the alternatives, in capitals or not."""
    return re.compile("|".join(alternatives), re.IGNORECASE)


def terms(text: str) -> list[str]:
    """The stems of the words of `text` in order, without grammar; compounds are there whole and in parts."""
    found: list[str] = []
    for token in analyse(text):
        found += [word.stem for word in token.words]
        found += _pieces(token)
    return found


class Asked(NamedTuple):
    """A term of a question. `share` is how many words it stands for.

    `step` is how many terms on the next word begins; 0 for the parts of a compound, which repeat the whole.
    """

    term: str
    share: float
    step: int


def asked(text: str) -> list[Asked]:
    """The terms of `text` in order, weighed: one word may have several."""
    found: list[Asked] = []
    for token in analyse(text):
        found += (
            _compound(token.words) if _is_compound(token.words) else [_word(word.stem) for word in token.words]
        )
        found += [_word(piece) for piece in _pieces(token)]
    return found


def _is_compound(found: Sequence[Term]) -> bool:
    return len(found) > 1 and all(part.form in found[0].form for part in found[1:])


def _compound(found: Sequence[Term]) -> Iterator[Asked]:
    """The whole of an identifier tells more than its parts; "German-language" may be written in two words."""
    parts = _PARTS_OF_IDENTIFIER if found[0].identifier else _PARTS_OF_COMPOUND
    yield Asked(found[0].stem, 1 - parts, 1)
    yield from (Asked(part.stem, parts / (len(found) - 1), 0) for part in found[1:])


def _pieces(token: Token) -> Sequence[str]:
    """Pairs and triples of characters; single ones say little where there are longer ones."""
    pieces = token.keys[len(token.words) :]
    return [piece for piece in pieces if len(piece) > 1] or pieces


def _word(term: str) -> Asked:
    if not term.isascii() and _CJK.match(term):
        return Asked(term, _CJK_PAIR, 2)
    if not term.isascii() and _SEA.match(term):
        return Asked(term, _SEA_TRIPLE, 6)
    return Asked(term, 1.0, 1)


EVERYDAY_TERMS: Final = frozenset(terms(_EVERYDAY))
"""Terms that are common in any English text, so that they are little evidence."""


def is_function_word(word: str) -> bool:
    """Whether a word, as it stands in a text, carries grammar and not the subject."""
    return word.casefold() in function_words.WORDS or fold(word).casefold() in function_words.WORDS


def words(text: str) -> list[str]:
    """The words of `text` as they stand there."""
    return TOKEN.findall(text)


def measure(found: Iterable[str]) -> float:
    """How many words the terms of a passage stand for, compounds aside."""
    return sum(1.0 if term.isascii() else _word(term).share for term in found)


def head(term: str) -> str:
    """The beginning that terms which are `alike` share."""
    return term[:_PREFIX]


def alike(one: str, other: str) -> float:
    """1 for the same term, 0.7 for two that share most of their beginning ("execut", "execution"), else 0."""
    if one == other:
        return 1.0
    shared = next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    near = shared >= _PREFIX and shared >= _SHARED * max(len(one), len(other))
    return _ALIKE if near and one.isalpha() and other.isalpha() else 0.0


def may_be_mistaken(term: str) -> bool:
    """Whether typing mistakes in a term are looked for: it is of Latin letters, and long enough to tell."""
    return term.isascii() and term.isalpha() and near.SHORTEST <= len(term) <= near.LONGEST


def mistaken(one: str, other: str) -> bool:
    """Whether one typing mistake, not in the first letter, tells the terms apart: "chnage" and "change"."""
    if one[0] != other[0] or abs(len(one) - len(other)) > 1 or not may_be_mistaken(other):
        return False
    return near.mistakes(one, other) == 1


def is_slip(term: str) -> bool:
    """Whether a term has just the letters of a word of grammar: "waht", "hwo"."""
    return "".join(sorted(term)) in _JUMBLED
