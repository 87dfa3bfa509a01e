"""Finds and ranks the passages for a question: the ladder, run on one connection in a reader's thread."""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from service.database import load_queries
from service.kb import near
from service.kb.query import Query, QueryTerm, candidates_for, within_topic
from service.kb.ranking import Candidate, Collection, Ranked, rank
from service.kb.words import Term, exact

Step = Literal["identifier", "terms", "near", "none"]

# Candidates are picked among BUDGET * passages ** BUDGET_GROWTH rows: 1,600 of 10,000, 9,000 of 100,000, 50,000 of
# a million. Against ranking every row the first ten are then the same in 99 of 100 cases, and in 97 at 100,000.
BUDGET: Final = 1.6
BUDGET_GROWTH: Final = 0.75
LEAST_BUDGET: Final = 1_000
CANDIDATES: Final = 64  # passages that are ranked with all terms
_NEAR_WORDS: Final = 3  # words of a question for which near ones are looked up
_NEAR_KEYS: Final = 8


@dataclass(frozen=True, slots=True)
class Found:
    """Documents by their best passage; `keys` are the terms that were searched, `near` those tried instead."""

    step: Step
    ranked: tuple[Ranked, ...]
    keys: frozenset[str]
    near: tuple[str, ...]
    revision: int


@dataclass(frozen=True, slots=True)
class _Counts:
    """Term frequencies at one state of the index. They are counted once: a frequent term costs a millisecond."""

    state: tuple[int, int, int]
    passages_with: dict[str, int]

    def collection(self, frequencies: Mapping[str, int]) -> Collection:
        """What ranking needs to know, for the terms with these frequencies."""
        _, passages, terms = self.state
        return Collection(passages, max(1.0, terms / max(1, passages)), frequencies)


@dataclass(frozen=True, slots=True)
class _Among:
    """What to rank: all passages or those of a topic, for how many documents, with how much effort."""

    collection: Collection
    topic: str | None
    limit: int
    effort: float

    @property
    def budget(self) -> int:
        rows: float = max(LEAST_BUDGET, BUDGET * self.collection.passages**BUDGET_GROWTH)
        return round(self.effort * rows)


class Lookup:
    """Answers questions from the index. Safe to use from several threads."""

    def __init__(self, candidates: int = CANDIDATES) -> None:
        self._candidates = candidates
        self._sql = load_queries("kb_search")
        self._counts = _Counts((0, 0, 0), {})

    def find(
        self, connection: sqlite3.Connection, query: Query, topic: str | None, limit: int, effort: float = 1.0
    ) -> Found:
        """At most `limit` documents. Less `effort` is faster: fewer and rarer terms then pick the candidates."""
        counts = self._current(connection)
        revision = counts.state[0]
        present = self._present(connection, query.keys, counts)
        if present:
            ranked = self._ranked(connection, query, _Among(counts.collection(present), topic, limit, effort))
            if ranked:
                step: Step = "identifier" if ranked[0].exact else "terms"
                return Found(step, tuple(ranked[:limit]), frozenset(present), (), revision)
            return Found("none", (), frozenset(), tuple(present), revision)
        return self._near(connection, query, counts, topic, limit)

    def _near(
        self, connection: sqlite3.Connection, query: Query, counts: _Counts, topic: str | None, limit: int
    ) -> Found:
        """The same with words that are like those of the question, none of which is known."""
        instead: dict[str, int] = {}
        longest = sorted((asked.term for asked in query.terms), key=lambda term: (-len(term.form), term.form))
        for term in longest[:_NEAR_WORDS]:
            instead |= self._alike(connection, term, counts)
        near_keys = tuple(instead)
        if not instead:
            return Found("none", (), frozenset(), self._hints(connection, longest), counts.state[0])
        other = replace(query, terms=tuple(QueryTerm(exact(key), 1) for key in near_keys))
        ranked = self._ranked(connection, other, _Among(counts.collection(instead), topic, limit, 1.0))
        step: Step = "near" if ranked else "none"
        return Found(step, tuple(ranked[:limit]), frozenset(near_keys), near_keys, counts.state[0])

    def _alike(self, connection: sqlite3.Connection, term: Term, counts: _Counts) -> dict[str, int]:
        found = self._present(connection, near.neighbours(term), counts)
        for beginning in near.beginnings(term):
            if found:
                break
            found = self._present(connection, self._beginning_with(connection, beginning), counts)
        commonest = sorted(found, key=lambda key: (-found[key], key))[:_NEAR_KEYS]
        return {key: found[key] for key in commonest}

    def _hints(self, connection: sqlite3.Connection, terms: Iterable[Term]) -> tuple[str, ...]:
        hints: dict[str, None] = {}
        for term in terms:
            if len(term.key) >= near.HINT:
                hints.update(dict.fromkeys(self._beginning_with(connection, term.key[: near.HINT])))
        return tuple(hints)[:_NEAR_KEYS]

    def _beginning_with(self, connection: sqlite3.Connection, beginning: str) -> list[str]:
        bounds = (beginning, beginning + "\U0010ffff", _NEAR_KEYS)
        return [term for (term,) in connection.execute(self._sql["terms_like"], bounds)]

    def _ranked(self, connection: sqlite3.Connection, query: Query, among: _Among) -> list[Ranked]:
        most = max(self._candidates, 4 * among.limit)
        ranked: list[Ranked] = []
        for expression in candidates_for(among.collection.frequencies, among.budget):
            rows = connection.execute(self._sql["candidates"], (within_topic(expression, among.topic), most))
            ranked = rank(query, among.collection, [Candidate(*row) for row in rows])
            if len(ranked) >= among.limit:
                break
        return ranked

    def _current(self, connection: sqlite3.Connection) -> _Counts:
        state = connection.execute(self._sql["totals"]).fetchone()
        counts = self._counts
        if counts.state != state or len(counts.passages_with) > 20_000:
            counts = self._counts = _Counts(state, {})
        return counts

    def _present(self, connection: sqlite3.Connection, keys: Iterable[str], counts: _Counts) -> dict[str, int]:
        """Of the terms those that occur, with the number of passages."""
        known = counts.passages_with
        for key in keys:
            if key not in known:
                row = connection.execute(self._sql["frequency"], (key,)).fetchone()
                known[key] = row[0] if row else 0
        return {key: known[key] for key in keys if known[key]}
