"""Ranks candidate passages by BM25 over all terms of the question, nearer forms of a word counting more. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from service.kb.query import Query

K1: Final = 1.2  # Robertson and Zaragoza (2009): 1.2 to 2 for repetition, 0.75 for length
B: Final = 0.75
STEM_BONUS: Final = 0.3  # the word's stem is the same, not only its first letters
FORM_BONUS: Final = 0.1  # the word is written the same
IDENTIFIER_BONUS: Final = 0.5  # an identifier or a file name stands there as a whole


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage as the index stores it for ranking; see `postings.Posting`."""

    passage_id: int
    document_id: int
    length: int
    terms: str
    forms: str


@dataclass(frozen=True, slots=True)
class Collection:
    """What BM25 needs to know of the whole: passages, their average length, passages for each key asked."""

    passages: int
    average_length: float
    frequencies: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A document's best passage; `exact` when an identifier or file name of the question stands in it.

    `order` breaks ties by content: the same files give the same answers in whatever order they were indexed.
    """

    passage_id: int
    document_id: int
    score: float
    exact: bool
    order: str


@dataclass(frozen=True, slots=True)
class _Weighted:
    """A term of the question; `stem` and `form` as `forms` would hold them, None where they tell nothing more."""

    weight: float
    stem: str | None
    form: str | None
    identifier: bool


_Wanted = Mapping[str, Sequence[_Weighted]]  # by key: words that differ may share one


def rank(query: Query, collection: Collection, candidates: Iterable[Candidate]) -> list[Ranked]:
    """Documents by their best passage, best first."""
    wanted = _weighted(query, collection)
    best: dict[int, Ranked] = {}
    for candidate in candidates:
        ranked = _score(wanted, candidate, collection.average_length)
        known = best.get(candidate.document_id)
        if known is None or _place(ranked) < _place(known):
            best[candidate.document_id] = ranked
    return sorted(best.values(), key=_place)


def _place(ranked: Ranked) -> tuple[float, str, int]:
    return -ranked.score, ranked.order, ranked.passage_id


def _weighted(query: Query, collection: Collection) -> _Wanted:
    wanted: dict[str, list[_Weighted]] = {}
    for name in query.names:
        if name in collection.frequencies:
            wanted[name] = [_Weighted(_idf(name, collection), None, None, identifier=True)]
    for asked in query.terms:
        term = asked.term
        if term.key in collection.frequencies:
            stem = f" {term.stem} " if term.stem != term.key else None
            form = f" {term.form} " if term.form != term.stem else None
            weight = asked.count * _idf(term.key, collection)
            wanted.setdefault(term.key, []).append(_Weighted(weight, stem, form, term.identifier))
    return wanted


def _idf(key: str, collection: Collection) -> float:
    found = min(collection.frequencies[key], collection.passages)
    return math.log1p((collection.passages - found + 0.5) / (found + 0.5))


def _score(wanted: _Wanted, candidate: Candidate, average_length: float) -> Ranked:
    damping = K1 * (1 - B + B * candidate.length / average_length)
    score, exact = 0.0, False
    found = [key for key in candidate.terms.split() if key in wanted]
    for key in dict.fromkeys(found):
        count = found.count(key)
        saturated = count * (K1 + 1) / (count + damping)
        for term in wanted[key]:
            same_stem = term.stem is None or term.stem in candidate.forms
            same_form = same_stem and (term.form is None or term.form in candidate.forms)
            bonus = STEM_BONUS * same_stem + FORM_BONUS * same_form
            if term.identifier and same_stem:
                bonus += IDENTIFIER_BONUS
                exact = True
            score += term.weight * saturated * (1 + bonus)
    return Ranked(candidate.passage_id, candidate.document_id, score, exact, candidate.terms)
