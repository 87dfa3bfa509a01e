"""What a passage is found by: the terms of its text, of its heading and title, and of what names the document.

Weights are repetitions, so that the full-text index and the ranking see the same numbers. Pure.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from posixpath import splitext
from typing import Final, NamedTuple

from service.kb.analysis import fold, tokens
from service.kb.documents import Document
from service.kb.passages import Passage

TITLE_WEIGHT: Final = 2  # of title and headings against the text, which has the heading's own lines once more
_CACHED: Final = 40  # longer pieces are seldom met twice
_BETWEEN: Final = {code: " " for code in range(128) if not re.match(r"[\w'.\-,+#]", chr(code))}
_NAME: Final = re.compile(r"[^\w.\-]+")


@dataclass(frozen=True, slots=True)
class Posting:
    """One passage for the index.

    `terms` are its keys with a space between: first those of content, repeated by weight, then those of grammar,
    not repeated. `forms` are stems and forms that their keys do not tell, with a space before and after each.
    `length` is the number of content keys.
    """

    terms: str
    forms: str
    length: int


class _Piece(NamedTuple):
    """The keys of a piece of text, those of grammar, and the forms, each with a space between."""

    keys: str
    weak: str
    forms: str


class _Found(NamedTuple):
    """The keys of some text with a space between; those of grammar, and the forms, once each."""

    keys: str
    weak: dict[str, None]
    forms: dict[str, None]


def postings(document: Document) -> tuple[Posting, ...]:
    """The postings of a document's passages, in order."""
    folders, _, name = document.name.rpartition("/")
    parts = (part for part in (*folders.split("/"), splitext(name)[0]) if not part.isdigit())
    title = _found(document.title)
    about = _found(" . ".join((*parts, *document.tags, *document.aliases, document.description)))
    names = dict.fromkeys((name_key(name), topic_key(document.topic)))
    shared = _together(_Found("", names, {}), *[title] * TITLE_WEIGHT, about)
    return tuple(_posting(document, passage, shared) for passage in document.passages)


def name_key(name: str) -> str:
    """The term by which a file is found by its name without folders."""
    return "/" + _NAME.sub("_", fold(name).casefold())


def topic_key(topic: str) -> str:
    """The term by which a search is kept to one topic."""
    return ":" + hashlib.sha256(topic.encode()).hexdigest()[:12]


def _posting(document: Document, passage: Passage, shared: _Found) -> Posting:
    heading = _found(passage.heading.removeprefix(document.title))
    keys, weak, forms = _together(_found(passage.text), *[heading] * TITLE_WEIGHT, shared)
    terms = " ".join(filter(None, (keys, *weak)))
    return Posting(terms, f" {' '.join(forms)} ", keys.count(" ") + 1 if keys else 0)


def _together(*found: _Found) -> _Found:
    weak: dict[str, None] = {}
    forms: dict[str, None] = {}
    for one in found:
        weak |= one.weak
        forms |= one.forms
    return _Found(" ".join(filter(None, (one.keys for one in found))), weak, forms)


def _found(text: str) -> _Found:
    """What is found in a text. No token reaches over a space, and most pieces between two were met before."""
    folded = fold(text)
    if folded.isascii():
        folded = folded.translate(_BETWEEN).replace(", ", " ").replace(". ", " ")
    pieces = folded.split()
    if not pieces:
        return _Found("", {}, {})
    read = _piece if max(map(len, pieces)) <= _CACHED else _read_any
    keys, weak, forms = zip(*map(read, pieces), strict=True)
    return _Found(" ".join(filter(None, keys)), _once(weak), _once(forms))


def _once(entries: Iterable[str]) -> dict[str, None]:
    found = dict.fromkeys(entries)
    found.pop("", None)
    return found


@lru_cache(maxsize=1 << 15)
def _piece(piece: str) -> _Piece:
    return _read(piece)


def _read_any(piece: str) -> _Piece:
    return _piece(piece) if len(piece) <= _CACHED else _read(piece)


def _read(piece: str) -> _Piece:
    keys: list[str] = []
    weak: list[str] = []
    forms: list[str] = []
    for token in tokens(piece):
        keys += token.keys
        weak += token.weak
        forms += token.forms
    return _Piece(" ".join(keys), " ".join(weak), " ".join(forms))
