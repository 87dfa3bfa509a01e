"""Finds and ranks the passages for a question: the ladder, run on one connection in a reader's thread."""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Literal

from service.database import load_queries
from service.kb.query import Query, QueryTerm, candidates_for, within_topic
from service.kb.ranking import Candidate, Collection, Ranked, ScorePart, explain, rank
from service.kb.spelling import Spelling

Step = Literal["identifier", "terms", "near", "none"]

# Candidates are picked among BUDGET * passages ** BUDGET_GROWTH rows: 1,600 of 10,000, 9,000 of 100,000, 50,000 of
# a million. Against ranking every row the first ten are then the same in 99 of 100 cases, and in 97 at 100,000.
BUDGET: Final = 1.6
BUDGET_GROWTH: Final = 0.75
LEAST_BUDGET: Final = 1_000
CANDIDATES: Final = 64  # passages that are ranked with all terms


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to find: at most `limit` documents, of one topic perhaps.

    Less `effort` is faster: fewer and rarer terms then pick the candidates. `explain` asks for the parts of the
    scores.
    """

    topic: str | None
    limit: int
    effort: float = 1.0
    explain: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """Documents by their best passage; `keys` are the terms that were searched, `near` words that exist instead.

    `parts` are those of each score, where they were asked for.
    """

    step: Step
    ranked: tuple[Ranked, ...]
    keys: frozenset[str]
    near: tuple[str, ...]
    revision: int
    parts: tuple[tuple[ScorePart, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class _Counts:
    """Term frequencies at one state of the index. They are counted once: a frequent term costs a millisecond."""

    state: tuple[int, int, int]
    passages_with: dict[str, int]

    def collection(self, frequencies: Mapping[str, int]) -> Collection:
        """What ranking needs to know, for the terms with these frequencies."""
        _, passages, terms = self.state
        return Collection(passages, max(1.0, terms / max(1, passages)), frequencies)


class Lookup:
    """Answers questions from the index. Safe to use from several threads."""

    def __init__(self, candidates: int = CANDIDATES) -> None:
        self._candidates = candidates
        self._sql = load_queries("kb_search")
        self._counts = _Counts((0, 0, 0), {})

    def find(self, connection: sqlite3.Connection, query: Query, wanted: Wanted) -> Found:
        """The documents for a question."""
        counts = self._current(connection)
        present = self._present(connection, query.keys, counts)
        if not present:
            return self._near(connection, query, counts, wanted)
        found = self._found(connection, query, counts.collection(present), wanted)
        if found:
            return replace(
                found, step="identifier" if found.ranked[0].exact else "terms", revision=counts.state[0]
            )
        words = (asked.term.form for asked in query.terms if asked.term.key in present)
        return Found("none", (), frozenset(), tuple(dict.fromkeys(words)), counts.state[0])

    def _near(self, connection: sqlite3.Connection, query: Query, counts: _Counts, wanted: Wanted) -> Found:
        """The same with words that are like those of the question, none of which is known."""
        spelling = Spelling(connection, partial(self._present, connection, counts=counts))
        guess = spelling.guess(asked.term for asked in query.terms)
        if not guess.instead:
            return Found("none", (), frozenset(), guess.hints, counts.state[0])
        other = replace(query, terms=tuple(QueryTerm(like.word, 1) for like in guess.instead))
        collection = counts.collection({like.word.key: like.passages for like in guess.instead})
        found = self._found(connection, other, collection, wanted) or Found("none", (), frozenset(), (), 0)
        near = tuple(dict.fromkeys(like.word.form for like in guess.instead))
        return replace(found, near=near, revision=counts.state[0])

    def _found(
        self, connection: sqlite3.Connection, query: Query, collection: Collection, wanted: Wanted
    ) -> Found | None:
        ranked = self._ranked(connection, query, collection, wanted)[: wanted.limit]
        if not ranked:
            return None
        parts = tuple(explain(query, collection, one.candidate) for one in ranked) if wanted.explain else ()
        return Found("near", tuple(ranked), frozenset(collection.frequencies), (), 0, parts)

    def _ranked(
        self, connection: sqlite3.Connection, query: Query, collection: Collection, wanted: Wanted
    ) -> list[Ranked]:
        most = max(self._candidates, 4 * wanted.limit)
        ranked: list[Ranked] = []
        for expression in candidates_for(collection.frequencies, _budget(collection, wanted)):
            rows = connection.execute(self._sql["candidates"], (within_topic(expression, wanted.topic), most))
            ranked = rank(query, collection, [Candidate(*row) for row in rows])
            if len(ranked) >= wanted.limit:
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


def _budget(collection: Collection, wanted: Wanted) -> int:
    rows: float = max(LEAST_BUDGET, BUDGET * collection.passages**BUDGET_GROWTH)
    return round(wanted.effort * rows)
