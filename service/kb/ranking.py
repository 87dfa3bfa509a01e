"""Ranks candidate passages by BM25 over all terms of the question, nearer forms of a word counting more. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, NamedTuple

from service.kb.query import Query

K1: Final = 1.2  # Robertson and Zaragoza (2009): 1.2 to 2 for repetition, 0.75 for length
B: Final = 0.75
STEM_BONUS: Final = 0.3  # the word's stem is the same, not only its first letters
FORM_BONUS: Final = 0.1  # the word is written the same
IDENTIFIER_BONUS: Final = 0.5  # an identifier or a file name stands there as a whole


class Candidate(NamedTuple):
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
    """A document's best passage; `exact` when an identifier or file name of the question stands in it."""

    candidate: Candidate
    score: float
    exact: bool

    @property
    def place(self) -> tuple[float, str, int]:
        """Where it stands: ties are broken by content, so that the order of indexing does not matter."""
        return -self.score, self.candidate.terms, self.candidate.passage_id


@dataclass(frozen=True, slots=True)
class ScorePart:
    """What one word of the question adds to the score of a passage: weight * saturation * (1 + bonuses).

    `weight` is how rare the word is (idf), times how often it was asked; `occurrences` are those in the passage,
    those in its title and headings counted twice; `saturation` is what they are worth in a passage of this length.
    The bonuses are for the same stem, the same form, and an identifier that stands there as a whole.
    """

    word: str
    passages: int
    weight: float
    occurrences: int
    saturation: float
    stem_bonus: float
    form_bonus: float
    identifier_bonus: float
    score: float


@dataclass(frozen=True, slots=True)
class _Weighted:
    """A term of the question; `stem` and `form` as `forms` would hold them, None where they tell nothing more."""

    word: str
    weight: float
    stem: str | None
    form: str | None
    identifier: bool

    def bonuses(self, forms: str) -> tuple[float, float, float]:
        """For the same stem, the same form, and being there as a whole, in a passage with these forms."""
        if self.stem is not None and self.stem not in forms:
            return 0.0, 0.0, 0.0
        same_form = self.form is None or self.form in forms
        return STEM_BONUS, FORM_BONUS * same_form, IDENTIFIER_BONUS * self.identifier


_Wanted = Mapping[str, Sequence[_Weighted]]  # by key: words that differ may share one


def rank(query: Query, collection: Collection, candidates: Iterable[Candidate]) -> list[Ranked]:
    """Documents by their best passage, best first."""
    wanted = _weighted(query, collection)
    best: dict[int, Ranked] = {}
    for candidate in candidates:
        ranked = _score(wanted, candidate, collection.average_length)
        known = best.get(candidate.document_id)
        if known is None or ranked.place < known.place:
            best[candidate.document_id] = ranked
    return sorted(best.values(), key=attrgetter("place"))


def explain(query: Query, collection: Collection, candidate: Candidate) -> tuple[ScorePart, ...]:
    """The parts of a candidate's score, which they sum to, the largest first."""
    parts = []
    for key, terms in _weighted(query, collection).items():
        count = _count(key, candidate.terms)
        saturation = _saturation(count, candidate, collection.average_length)
        for term in terms if count else ():
            bonuses = term.bonuses(candidate.forms)
            score = term.weight * saturation * (1 + sum(bonuses))
            passages = collection.frequencies[key]
            parts.append(ScorePart(term.word, passages, term.weight, count, saturation, *bonuses, score))
    return tuple(sorted(parts, key=attrgetter("score"), reverse=True))


def _weighted(query: Query, collection: Collection) -> _Wanted:
    wanted: dict[str, list[_Weighted]] = {}
    for name in query.names:
        if name in collection.frequencies:
            wanted[name] = [_Weighted(name[1:], _idf(name, collection), None, None, identifier=True)]
    for asked in query.terms:
        term = asked.term
        if term.key in collection.frequencies:
            stem = f" {term.stem} " if term.stem != term.key else None
            form = f" {term.form} " if term.form != term.stem else None
            weight = asked.count * _idf(term.key, collection)
            wanted.setdefault(term.key, []).append(_Weighted(term.form, weight, stem, form, term.identifier))
    return wanted


def _idf(key: str, collection: Collection) -> float:
    found = min(collection.frequencies[key], collection.passages)
    return math.log1p((collection.passages - found + 0.5) / (found + 0.5))


def _saturation(count: int, candidate: Candidate, average_length: float) -> float:
    return count * (K1 + 1) / (count + K1 * (1 - B + B * candidate.length / average_length))


def _count(key: str, terms: str) -> int:
    """How often a term is among others, each with a space on either side: so much faster than in a list."""
    spaced = f" {terms} "
    if f" {key} {key} " in spaced:  # neighbours share a space, and only one of two would be counted
        spaced = spaced.replace(" ", "  ")
    return spaced.count(f" {key} ")


def _score(wanted: _Wanted, candidate: Candidate, average_length: float) -> Ranked:
    score, exact = 0.0, False
    for key, terms in wanted.items():
        count = _count(key, candidate.terms)
        if not count:
            continue
        saturation = _saturation(count, candidate, average_length)
        for term in terms:
            bonuses = term.bonuses(candidate.forms)
            exact = exact or bonuses[2] > 0
            score += term.weight * saturation * (1 + sum(bonuses))
    return Ranked(candidate, score, exact)
