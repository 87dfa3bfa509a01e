"""Texts that answers cite, as they were then: stored with the answer, shared by equal ones, gone with the last."""

import hashlib
import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from service.chats.records import Citation
from service.database import Database, Transaction, load_queries

LAST_LINE: Final = 2**31  # beyond the end of any document


@dataclass(frozen=True, slots=True)
class KeptText:
    """Lines `start_line` to `end_line` of a document's `revision`; `whole` when that is all of it."""

    document: str
    title: str
    topic: str
    revision: str
    start_line: int
    end_line: int
    text: str
    whole: bool


class KeptTexts:
    """Reads what an owner's answers keep; what only another's keep does not exist for him."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def find(
        self, owner: str, document: str, revision: str, first: int, last: int = LAST_LINE
    ) -> KeptText | None:
        """The text kept of a revision with the most of the lines `first` to `last`; None where none has any."""
        row = {"owner": owner, "document": document, "revision": revision, "first": first, "last": last}

        def work(connection: sqlite3.Connection) -> KeptText | None:
            found = connection.execute(_sql()["kept"], row).fetchone()
            return None if found is None else _text(*found)

        return await self._db.read(work)


def packed(texts: Sequence[KeptText]) -> list[dict[str, Any]]:
    """Rows for `keep`. Compressing takes about 20 ms a megabyte: run it in a thread."""
    return [
        {
            "digest": _digest(text),
            "revision": text.revision,
            "start_line": text.start_line,
            "end_line": text.end_line,
            "whole": text.whole,
            "body": zlib.compress(text.text.encode()),
            "document": text.document,
            "title": text.title,
            "topic": text.topic,
        }
        for text in texts
    ]


def lacking(
    tx: Transaction, citations: Iterable[Citation], rows: Sequence[Mapping[str, Any]]
) -> tuple[Citation, ...]:
    """The citations of documents that are not kept whole at their revision, nor packed in `rows`."""
    there = {row["revision"] for row in rows}
    for revision in {citation.revision for citation in citations} - there:
        if tx.execute(_sql()["kept_whole"], (revision,)).fetchone() is not None:
            there.add(revision)
    return tuple(citation for citation in citations if citation.revision not in there)


def keep(
    tx: Transaction, message_id: str, citations: Iterable[Citation], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Store packed texts as cited by an answer, and the texts of these citations that are kept whole already."""
    for row in rows:
        tx.execute(_sql()["insert_text"], row)
        tx.execute(_sql()["insert_citing"], {**row, "message_id": message_id})
    cited = {(citation.revision, citation.document, citation.title, citation.topic) for citation in citations}
    for revision, document, title, topic in cited - {_cited(row) for row in rows}:
        place = {"revision": revision, "document": document, "title": title, "topic": topic}
        tx.execute(_sql()["cite_whole"], {**place, "message_id": message_id})


def _cited(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return row["revision"], row["document"], row["title"], row["topic"]


def _digest(text: KeptText) -> str:
    place = f"{text.revision}:{text.start_line}-{text.end_line}:{text.whole}\n"
    return hashlib.sha256((place + text.text).encode()).hexdigest()


def _text(revision: str, start_line: int, end_line: int, whole: int, body: bytes, *of: str) -> KeptText:
    document, title, topic = of
    text = zlib.decompress(body).decode()
    return KeptText(document, title, topic, revision, start_line, end_line, text, bool(whole))


@cache
def _sql() -> Mapping[str, str]:
    return load_queries("kept")
