"""What a passage is found by: the terms of its text, of its heading and title, and of what names the document.

Weights are repetitions, so that the full-text index and the ranking see the same numbers. Pure.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from service.kb.analysis import Token, analyse, fold
from service.kb.documents import Document
from service.kb.passages import Passage

TITLE_WEIGHT: Final = 2  # of title and headings against the text, which has the heading's own lines once more
_NAME: Final = re.compile(r"[^\w.\-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Posting:
    """One passage for the index.

    `terms` are its keys with a space between: first those of content, repeated by weight, then those of grammar,
    once each. `forms` are stems and forms that their keys do not tell, with a space before and after each.
    `length` is the number of content keys.
    """

    terms: str
    forms: str
    length: int


@dataclass(frozen=True, slots=True)
class _Found:
    """The keys of some text, those of grammar, and the forms."""

    keys: list[str]
    weak: list[str]
    forms: list[str]


def postings(document: Document) -> tuple[Posting, ...]:
    """The postings of a document's passages, in order."""
    path = PurePosixPath(document.name)
    parts = (part for part in path.with_suffix("").parts if not part.isdigit())
    about = " . ".join((*parts, *document.tags, *document.aliases, document.description))
    shared = _found([*analyse(document.title)] * TITLE_WEIGHT, analyse(about))
    shared.weak[:0] = [name_key(path.name), topic_key(document.topic)]
    return tuple(_posting(document, passage, shared) for passage in document.passages)


def name_key(name: str) -> str:
    """The term by which a file is found by its name without folders."""
    return "/" + _NAME.sub("_", fold(name).casefold())


def topic_key(topic: str) -> str:
    """The term by which a search is kept to one topic."""
    return ":" + hashlib.sha256(topic.encode()).hexdigest()[:12]


def _posting(document: Document, passage: Passage, shared: _Found) -> Posting:
    heading = analyse(passage.heading.removeprefix(document.title))
    own = _found(analyse(passage.text), [*heading] * TITLE_WEIGHT)
    keys = own.keys + shared.keys
    weak = dict.fromkeys(own.weak + shared.weak)
    forms = dict.fromkeys(own.forms + shared.forms)
    return Posting(" ".join((*keys, *weak)), f" {' '.join(forms)} ", len(keys))


def _found(*texts: Iterable[Token]) -> _Found:
    found = _Found([], [], [])
    for tokens in texts:
        for token in tokens:
            found.keys.extend(token.keys)
            if token.weak:
                found.weak.extend(token.weak)
            if token.forms:
                found.forms.extend(token.forms)
    return found
