"""Gaps: questions that could not be answered, grouped by their terms; gone with the chats they were asked in."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from service.chats.records import timestamp
from service.chats.store import NEWEST, Page, page_of
from service.database import Database, Transaction, load_queries

GapState = Literal["open", "resolved", "all"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a turn found for its question: `answered_by` names a document, None where the base has no answer.

    `gap_id` is made of the question's `terms`, `query` is what it asks, `near_terms` are terms that exist instead,
    `seen` are revisions of documents it was given, `revision` is the index's.
    """

    gap_id: str
    query: str
    terms: tuple[str, ...]
    near_terms: tuple[str, ...]
    seen: tuple[str, ...]
    revision: int
    answered_by: str | None


@dataclass(frozen=True, slots=True)
class Gap:
    """Questions with the same terms that had no answer; `question` is the newest. `seq` is its place in a list."""

    seq: int
    id: str
    question: str
    terms: tuple[str, ...]
    near_terms: tuple[str, ...]
    count: int
    first_seen: str
    last_seen: str
    resolved_at: str | None
    resolved_by: str | None

    @property
    def state(self) -> str:
        """Whether it is open or resolved."""
        return "open" if self.resolved_at is None else "resolved"


@dataclass(frozen=True, slots=True)
class OpenGap:
    """A gap to look at again: what its newest question asks, and the revisions that did not answer it."""

    id: str
    query: str
    seen: frozenset[str]


class GapStore:
    """Lists gaps and notes which of them are resolved."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def page(
        self, owner: str | None, limit: int, before: int = NEWEST, state: GapState = "open"
    ) -> Page[Gap]:
        """List the gaps of an owner's questions, of everyone's for None, the largest first, from a key on."""
        row = {"owner": owner, "limit": limit + 1, "before": before, "state": state}
        found = await self._db.read(lambda c: [_gap(*r) for r in c.execute(_sql()["page"], row)])
        return page_of(found, limit)

    async def count_open(self) -> int:
        """How many gaps are open."""
        return await self._db.read(lambda c: int(c.execute(_sql()["count_open"]).fetchone()[0]))

    async def unchecked(self, revision: int, limit: int) -> tuple[OpenGap, ...]:
        """Open gaps that were not looked at since the index has had `revision`, the newest first."""

        def work(connection: sqlite3.Connection) -> tuple[OpenGap, ...]:
            rows = connection.execute(_sql()["unchecked"], {"revision": revision, "limit": limit})
            return tuple(OpenGap(gap_id, query, frozenset(json.loads(seen))) for gap_id, query, seen, _ in rows)

        return await self._db.read(work)

    async def note_checked(self, gap_id: str, revision: int, document: str | None) -> None:
        """Note that a document answers the gap at this revision of the index, or that still none does."""
        row = {"id": gap_id, "revision": revision, "document": document, "now": timestamp()}
        name = "note_checked" if document is None else "resolve"
        await self._db.write(lambda tx: tx.execute(_sql()[name], row))


def note(tx: Transaction, question_id: str, finding: Finding) -> None:
    """Note what a turn found for its question, in the transaction that ends the turn."""
    row = {
        "question_id": question_id,
        "id": finding.gap_id,
        "query": finding.query,
        "terms": _json(finding.terms),
        "near_terms": _json(finding.near_terms),
        "seen": _json(finding.seen),
        "revision": finding.revision,
        "document": finding.answered_by,
        "now": timestamp(),
    }
    tx.execute(_sql()["forget_question"], row)
    if finding.answered_by is not None:
        tx.execute(_sql()["resolve"], row)
        return
    tx.execute(_sql()["open_gap"], row)
    tx.execute(_sql()["insert_question"], row)


def _gap(seq: int, gap_id: str, question: str, terms: str, near_terms: str, *rest: Any) -> Gap:
    return Gap(seq, gap_id, question, tuple(json.loads(terms)), tuple(json.loads(near_terms)), *rest)


def _json(texts: Sequence[str]) -> str:
    return json.dumps(texts, ensure_ascii=False)


@cache
def _sql() -> Mapping[str, str]:
    return load_queries("gaps")
