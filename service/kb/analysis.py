"""From text to search terms; the same for what is indexed and what is asked. Pure.

Scripts with spaces give words, see `words`; those without give overlapping pairs or triples of characters.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import add
from typing import Final, NamedTuple

from service.kb import function_words
from service.kb.words import PLAIN, Term, exact, latin, other, word

ANALYZER_VERSION: Final = "4"

_CACHED_TOKEN: Final = 40  # a longer token is a run of a script without spaces, seldom met twice
_LONGEST_KATAKANA: Final = 40  # letters of a word that is kept whole

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
_MARKS: Final = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0640\u00ad\u200b-\u200d\u2060\ufeff]+")
_SPELLED: Final = dict(zip("ıøØłŁđĐςىة’‘‐‑", "ioOlLdDσيه''--", strict=True)) | {
    "æ": "ae",
    "Æ": "AE",
    "œ": "oe",
    "Œ": "OE",
    "ß": "ss",
}
_SPELLINGS: Final = re.compile(f"[{''.join(_SPELLED)}]")


class Token(NamedTuple):
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
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFC", _SPELLINGS.sub(_spell, bare))


def analyse(text: str) -> list[Token]:
    """The tokens of a text, in order. About 0.4 µs a word of English, most of which come from a cache."""
    found = TOKEN.findall(fold(text))
    return [_known(token) if len(token) <= _CACHED_TOKEN else _token(token) for token in found]


def tokens(folded: str) -> list[Token]:
    """The same for a text that is folded and seldom met."""
    return [_token(token) for token in TOKEN.findall(folded)]


def _spell(found: re.Match[str]) -> str:
    return _SPELLED[found[0]]


@lru_cache(maxsize=1 << 15)
def _known(token: str) -> Token:
    return _token(token)


def _token(token: str) -> Token:
    head, _, tail = token.partition("'")
    if len(tail) <= 2:  # don't, what's
        token = head
    if PLAIN.fullmatch(token):
        return _plain(token)
    words, pieces, weak = _read(token)
    keys = (*[word.key for word in words], *pieces)
    if token.casefold() in _function_words() and not (token.isupper() and len(token) > 1):
        return Token((), (), keys, ())
    return Token(tuple(words), keys, tuple(weak), _untold(words))


def _plain(token: str) -> Token:
    """What most tokens are: one word of Latin letters."""
    lower = token.lower()
    term = word(lower)
    if lower in _function_words() and not (token.isupper() and len(token) > 1):
        return Token((), (), (term.key,), ())
    return Token((term,), (term.key,), (), _untold((term,)))


@lru_cache(maxsize=1)
def _function_words() -> frozenset[str]:
    return frozenset(fold(word).casefold() for word in function_words.WORDS)


def _untold(words: Sequence[Term]) -> tuple[str, ...]:
    forms: dict[str, None] = {}
    for key, stem, form, _ in words:
        if stem != key:
            forms[stem] = None
        if form != stem:
            forms[form] = None
    return tuple(forms)


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
    return [*_pairs(run), run[:_LONGEST_KATAKANA]] if len(run) > 2 else [run]


def _pairs(run: str) -> list[str]:
    return list(map(add, run, run[1:])) or [run]


def _triples(run: str) -> list[str]:
    return list(map(add, map(add, run, run[1:]), run[2:])) or [run]


_PIECES: Final[dict[str, Callable[[str], list[str]]]] = {
    "han": _han,
    "hiragana": _pairs,
    "katakana": _katakana,
    "hangul": _pairs,
    "sea": _triples,
}
