"""What the tools and the API ask of the knowledge base: it is read from the index, never from the disk."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from service.database import Database, load_queries
from service.errors import ReadDeadlineExceeded
from service.kb import rows
from service.kb.excerpts import Excerpts, Span
from service.kb.lookup import Found, Lookup, Step, Wanted
from service.kb.query import parse
from service.kb.ranking import ScorePart
from service.kb.reading import DocumentInfo, DocumentText, LineRange, Reading, TopicInfo
from service.telemetry import tracing

__all__ = ["DocumentInfo", "DocumentText", "Hit", "KnowledgeBase", "ScorePart", "SearchResult", "TopicInfo"]

ObserveSearch = Callable[[str, float], None]

_FIRST_SHARE: Final = 0.6  # of the time a search has; the rest is for a second, cheaper try
_SECOND_EFFORT: Final = 0.1


@dataclass(frozen=True, slots=True)
class Hit:
    """A document's best passage: lines `start_line` to `end_line` (from 1, inclusive), `text` verbatim.

    `excerpt` is the telling part of the text, `highlights` are offsets of matching words into it. A higher `score`
    is better and compares within one result only; `score_parts` are what it adds up from, where asked for.
    `revision` is the SHA-256 of the file.
    """

    document: str
    title: str
    topic: str
    heading: str
    start_line: int
    end_line: int
    text: str
    excerpt: str
    highlights: tuple[Span, ...]
    score: float
    revision: str
    score_parts: tuple[ScorePart, ...] | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, best first, and the step of the ladder that found them.

    `near_terms` are words of the index that are like those asked, where these are unknown. `revision` is the index
    revision.
    """

    query: str
    hits: tuple[Hit, ...]
    step: Step
    near_terms: tuple[str, ...]
    revision: int
    took_ms: float


class KnowledgeBase:
    """Reads the index. `search_timeout` is how many seconds a search may take in the database."""

    def __init__(self, db: Database, *, search_timeout: float, observe: ObserveSearch | None = None) -> None:
        self._db = db
        self._timeout = search_timeout
        self._observe = observe
        self._sql = load_queries("kb_search")
        self._lookup = Lookup()
        self._reading = Reading()

    async def search(
        self, query: str, *, topic: str | None = None, limit: int = 8, explain: bool = False, cut: bool = True
    ) -> SearchResult:
        """The best passage of each of at most `limit` documents. Any text is a query.

        `explain` asks for the parts of each score. Without `cut` there are no excerpts, nor their highlights: they
        are an eighth of the time.

        Raises StorageError when the database fails or takes too long: that is never told as no hits.
        """
        started = time.perf_counter()
        wanted = Wanted(topic, limit, explain=explain)
        with tracing.search() as span:
            try:
                most = self._timeout * _FIRST_SHARE
                found = await self._db.read(partial(self._search, query, wanted, cut), deadline=most)
            except ReadDeadlineExceeded:
                rest = self._timeout * (1 - _FIRST_SHARE)
                cheaper = replace(wanted, effort=_SECOND_EFFORT)
                found = await self._db.read(partial(self._search, query, cheaper, cut), deadline=rest)
            span.set_attributes({"kb_agent.search.step": found.step, "kb_agent.search.hits": len(found.hits)})
        seconds = time.perf_counter() - started
        if self._observe is not None:
            self._observe(found.step, seconds)
        return replace(found, took_ms=round(seconds * 1000, 3))

    async def topics(self) -> tuple[TopicInfo, ...]:
        """Every topic, by name."""
        return await self._db.read(self._reading.topics)

    async def documents(
        self, *, topic: str | None = None, after: str | None = None, limit: int = 100
    ) -> tuple[DocumentInfo, ...]:
        """At most `limit` documents by name, those after the name `after`."""
        return await self._db.read(partial(self._reading.documents, topic, after or "", limit))

    async def read(
        self, name: str, start_line: int = 1, end_line: int | None = None, *, max_chars: int | None = None
    ) -> DocumentText:
        """Lines of a document: whole lines up to `max_chars`, but at least one, which is cut where it is longer.

        Raises NotFound with names like this one, and InvalidInput for lines that the document does not have.
        """
        wanted = LineRange(start_line, end_line, max_chars)
        return await self._db.read(partial(self._reading.text, name, wanted))

    async def revisions(self, names: Sequence[str]) -> dict[str, str]:
        """The served revision of each of these documents that exists: name -> SHA-256."""
        return await self._db.read(partial(self._reading.revisions, names))

    async def revision(self) -> int:
        """The index revision: 0 before the first change, never goes down."""
        return await self._db.read(rows.revision)

    def _search(self, question: str, wanted: Wanted, cut: bool, connection: sqlite3.Connection) -> SearchResult:
        found = self._lookup.find(connection, parse(question), wanted)
        hits = tuple(self._hits(connection, found, Excerpts(found.keys) if cut else None))
        return SearchResult(question, hits, found.step, found.near, found.revision, 0.0)

    def _hits(self, connection: sqlite3.Connection, found: Found, excerpts: Excerpts | None) -> Iterator[Hit]:
        for place, ranked in enumerate(found.ranked):
            row = connection.execute(self._sql["hit"], (ranked.candidate.passage_id,)).fetchone()
            yield _hit(row, ranked.score, excerpts, found.parts[place] if found.parts else None)


def _hit(
    row: tuple[str, str, str, str, int, int, str, str],
    score: float,
    excerpts: Excerpts | None,
    parts: tuple[ScorePart, ...] | None,
) -> Hit:
    document, title, topic, heading, start_line, end_line, text, revision = row
    place = (document, title, topic, heading, start_line, end_line)
    piece, highlights = excerpts.cut(text) if excerpts else ("", ())
    return Hit(*place, text, piece, highlights, round(score, 4), revision, parts)
