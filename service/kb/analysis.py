"""From text to search terms; the same for what is indexed and what is asked. Pure.

Scripts with spaces give words, see `words`; those without give overlapping pairs or triples of characters.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from service.kb import function_words
from service.kb.words import Term, exact, latin, other

ANALYZER_VERSION: Final = "3"

_CACHED_TOKEN: Final = 40  # a longer token is a run of a script without spaces, seldom met twice

# Thai, Lao, Burmese, Khmer: written without spaces, with marks that belong to the letters.
_SEA: Final = "\u0e00-\u0eff\u1000-\u1049\u104c-\u109f\u1780-\u17d3\u17db-\u17ff"
_INDIC: Final = "\u0900-\u0963\u0966-\u0dff"
_HAN: Final = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HANGUL: Final = "\u1100-\u11ff\uac00-\ud7af"
_HIRAGANA: Final = "\u3041-\u309f"
_KATAKANA: Final = "\u30a0-\u30ff"
_LETTER: Final = rf"[\w{_SEA}{_INDIC}\u0300-\u036f\u3099\u309a]"

TOKEN: Final = re.compile(rf"{_LETTER}+(?:(?:['’.\-]|,(?=\d{{3}}(?!\d))){_LETTER}+)*(?:\+\+|#)?")
_RUN: Final = re.compile(
    rf"(?P<han>[{_HAN}]+)|(?P<hiragana>[{_HIRAGANA}]+)|(?P<katakana>[{_KATAKANA}]+)|(?P<hangul>[{_HANGUL}]+)"
    rf"|(?P<sea>[{_SEA}]+)|(?P<latin>[!-~]+)|(?P<indic>[{_INDIC}]+)"
    rf"|(?P<other>[^\W_\x00-\x7f{_HAN}{_HIRAGANA}{_KATAKANA}{_HANGUL}{_SEA}{_INDIC}]+)"
)

# What NFKD leaves: marks to drop, letters that have no decomposition, spellings of one sign.
_FOLD: Final[dict[int, str | None]] = {
    **dict.fromkeys([*range(0x300, 0x370), *range(0x591, 0x5C8), *range(0x64B, 0x660), 0x670, 0x640], None),
    **dict.fromkeys([0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF], None),
    **{ord(a): b for a, b in zip("ıøØłŁđĐςىة’‘‐‑", "ioOlLdDσيه''--", strict=True)},
    ord("æ"): "ae",
    ord("Æ"): "AE",
    ord("œ"): "oe",
    ord("Œ"): "OE",
    ord("ß"): "ss",
}


@dataclass(frozen=True, slots=True)
class Token:
    """What a token of the text means for the index.

    `keys` are its search terms, first those of `words`, then pieces of runs without spaces; `weak` are terms of
    grammar; `forms` are stems and forms of the words that their keys do not tell.
    """

    words: tuple[Term, ...]
    keys: tuple[str, ...]
    weak: tuple[str, ...]
    forms: tuple[str, ...]

    def terms(self) -> tuple[Term, ...]:
        """Every term that is not of grammar."""
        return (*self.words, *(exact(key) for key in self.keys[len(self.words) :]))


def fold(text: str) -> str:
    """One spelling for what reads alike: compatibility forms and diacritics resolved; case is kept."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKD", text).translate(_FOLD))


def analyse(text: str) -> Iterator[Token]:
    """The tokens of a text, in order. About 0.4 µs a word of English, most of which come from a cache."""
    for token in TOKEN.findall(fold(text)):
        yield _known(token) if len(token) <= _CACHED_TOKEN else _token(token)


@lru_cache(maxsize=1 << 15)
def _known(token: str) -> Token:
    return _token(token)


def _token(token: str) -> Token:
    head, _, tail = token.partition("'")
    if len(tail) <= 2:  # don't, what's
        token = head
    words, pieces, weak = _read(token)
    keys = (*(word.key for word in words), *pieces)
    if token.casefold() in _function_words() and not (token.isupper() and len(token) > 1):
        return Token((), (), keys, ())
    forms = dict.fromkeys(form for word in words for form in _untold(word))
    return Token(tuple(words), keys, tuple(weak), tuple(forms))


@lru_cache(maxsize=1)
def _function_words() -> frozenset[str]:
    return frozenset(fold(word).casefold() for word in function_words.WORDS)


def _untold(term: Term) -> Iterator[str]:
    if term.stem != term.key:
        yield term.stem
    if term.form != term.stem:
        yield term.form


def _read(token: str) -> tuple[list[Term], list[str], list[str]]:
    """The words of a token, the pieces of its runs without spaces, and those pieces that are only grammar."""
    if token.isascii():
        return list(latin(token)), [], []
    words: list[Term] = []
    pieces: list[str] = []
    weak: list[str] = []
    for run in _RUN.finditer(token):
        script = run.lastgroup or ""
        if script == "latin":
            words.extend(latin(run[0]))
        elif script in _PIECES:
            # Pairs of hiragana are mostly endings and particles.
            (weak if script == "hiragana" else pieces).extend(_PIECES[script](run[0]))
        else:
            words.append(other(run[0]))
    return words, pieces, weak


def _han(run: str) -> list[str]:
    """Pairs find words; single characters find what is abbreviated or joined differently."""
    return [*_pairs(run), *run] if len(run) > 1 else [run]


def _katakana(run: str) -> list[str]:
    return [*_pairs(run), run[:_CACHED_TOKEN]] if len(run) > 2 else [run]


def _pairs(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


def _triples(run: str) -> list[str]:
    return [run[i : i + 3] for i in range(len(run) - 2)] or [run]


_PIECES: Final[dict[str, Callable[[str], list[str]]]] = {
    "han": _han,
    "hiragana": _pairs,
    "katakana": _katakana,
    "hangul": _pairs,
    "sea": _triples,
}
