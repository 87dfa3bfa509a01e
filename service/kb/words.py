"""A word as a term: of Latin letters, a number, a compound written like code, a word of another alphabet. Pure.

A word becomes a term on three levels: `key`, its first letters, is what the index is searched by; `stem` and
`form` say how near the word in a passage is to the word asked, and ranking adds to the score for either.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from service.kb import stemming

KEY_LETTERS: Final = 7  # of a Latin stem: 6 to 8 serve English, German and Spanish about alike
OTHER_KEY_LETTERS: Final = 6  # of a word in another alphabet; measured best on Russian, 5 to 7 differ little
MAX_TERM: Final = 32
SHORT_CODE: Final = 8  # E0425, sha256: digits of a code so short mean nothing by themselves

PLAIN: Final = re.compile("[A-Za-z][a-z]*|[A-Z]+s?")
_PART: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SEPARATOR: Final = re.compile(r"[._\-+#]+")
_DATE: Final = re.compile(
    r"(?P<y>\d{4})[-_](?P<m>0?[1-9]|1[0-2])[-_](?P<d>0?[1-9]|[12]\d|3[01])(?:T\d\d)?"
    r"|(?P<D>0?[1-9]|[12]\d|3[01])\.(?P<M>0?[1-9]|1[0-2])\.(?P<Y>\d{4})"
)
_MEASURE: Final = re.compile(r"(\d+(?:\.\d+)?)((?!(?:s|st|nd|rd|th)\b)[A-Za-z]{1,4})", re.IGNORECASE)
_ARABIC: Final = re.compile("[\u0600-\u06ff]")


class Term(NamedTuple):
    """A word on its three levels; `identifier` marks one written like code: max_surge, v1.29.3, E0425."""

    key: str
    stem: str
    form: str
    identifier: bool = False


def latin(token: str) -> Iterator[Term]:
    """A token of ASCII: a word, a number, or a compound that is kept whole and in parts."""
    token = token.strip("'.-_,")
    if PLAIN.fullmatch(token):
        yield word(token.lower())
    elif token.isdigit():
        yield exact(token)
    elif "'" in token:
        for piece in token.split("'"):
            yield from latin(piece)
    elif token:
        yield from _compound(token.replace(",", ""))


def _compound(token: str) -> Iterator[Term]:
    segments = [segment for segment in _SEPARATOR.split(token) if segment]
    if date := _DATE.fullmatch(token):
        yield from _date(*(date.group("y", "m", "d") if date["y"] else date.group("Y", "M", "D")))
    elif measure := _MEASURE.fullmatch(token):
        yield from _measure(measure[1], measure[2])
    elif token.endswith(("+", "#")):
        yield exact(token.lower(), identifier=True)
    elif all(segment.isdigit() for segment in _numeric(segments)):
        yield from _numbers(token, segments)
    elif len(segments) > 1 and all(len(segment) == 1 for segment in segments):
        yield word("".join(segments).lower())
    else:
        yield from _whole_and_parts(token, segments)


def _numeric(segments: list[str]) -> list[str]:
    """A version may begin with v."""
    first = segments[0]
    return [first[1:], *segments[1:]] if first[0] in "vV" and first[1:] and len(segments) > 1 else segments


def _numbers(token: str, segments: list[str]) -> Iterator[Term]:
    """Versions, addresses, decimals whole and by their first two numbers; ranges in parts."""
    numbers = _numeric(segments)
    if "-" in token or "_" in token:
        yield from (exact(number) for number in numbers)
        return
    yield exact(".".join(numbers), identifier=len(numbers) > 2 or numbers != segments)
    if len(numbers) > 2:
        yield exact(".".join(numbers[:2]))


def _date(year: str, month: str, day: str) -> Iterator[Term]:
    """A day whichever way it is written, and its numbers as they are said."""
    yield exact(f"{year}{month:0>2}{day:0>2}")
    yield from (exact(number.lstrip("0")) for number in (year, month, day))


def _measure(number: str, unit: str) -> Iterator[Term]:
    """A number with its unit, as it may be written with a space between."""
    yield exact(number + unit.lower())
    yield exact(number)
    if len(unit) > 1:
        yield from latin(unit)


def _whole_and_parts(token: str, segments: list[str]) -> Iterator[Term]:
    parts = [part for segment in segments for part in _PART.findall(segment)]
    whole = "".join(segments).lower()
    short = len(segments) == 1 and len(whole) <= SHORT_CODE and not whole.isalpha()
    words = [word(part.lower()) for part in parts if part.isalpha() and len(part) > (2 if short else 1)]
    numbers = [exact(part) for part in parts if part.isdigit() and not short]
    yield _whole(whole, words, identifier=_is_code(token, segments))
    for inner in token.split(".") if "." in token else ():
        if "".join(segments) != (joined := _SEPARATOR.sub("", inner)) != inner:
            yield _whole(joined.lower(), words, identifier="_" in inner)
    if len(parts) > 1:
        yield from words
        yield from numbers


def _whole(text: str, parts: Sequence[Term], *, identifier: bool) -> Term:
    """A compound without its separators, as somebody writes it who knows it as one word."""
    if not text.isalpha():
        return exact(text, identifier=identifier)
    term = word(text)
    key = term.stem if any(part.key == term.key for part in parts) else term.key
    return Term(key, term.stem, term.form, identifier)


def _is_code(token: str, segments: Sequence[str]) -> bool:
    """Written as in code: joined by _ or a dot, a letter and digits, or humps, but not two capitalised words."""
    if "_" in token or "." in token:
        return True
    if len(segments) > 1 or not token[0].isalpha():
        return False
    return not token.isalpha() or token[0].islower() or len(_PART.findall(token)) > 2


def word(text: str) -> Term:
    """A word of lower-case Latin letters."""
    stem = stemming.english(text)
    return Term(stem[:KEY_LETTERS], stem[:MAX_TERM], text[:MAX_TERM])


def exact(text: str, *, identifier: bool = False) -> Term:
    """A term that is only ever like itself."""
    text = text[:MAX_TERM]
    return Term(text, text, text, identifier)


def other(text: str) -> Term:
    """A word of an alphabet that is not Latin: its first letters serve as its stem."""
    form = text.casefold()
    stem = stemming.arabic(form) if _ARABIC.match(form) else form
    return Term(stem[:OTHER_KEY_LETTERS], stem[:OTHER_KEY_LETTERS], form[:MAX_TERM])
