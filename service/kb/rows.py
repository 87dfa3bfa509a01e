"""Documents as rows: what the reconciler writes, in steps that are each short.

`prepare` does the heavy work outside the writer; functions with a transaction run inside `Database.write`, those
with a connection inside `Database.read`.
"""

import functools
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Final

from service.database import Transaction, load_queries
from service.kb.analysis import ANALYZER_VERSION
from service.kb.documents import Document
from service.kb.lines import Lines
from service.kb.postings import Posting, postings

PART: Final = 250  # passages a transaction: about 10 ms in the writer
_LAYOUT: Final = 3  # of the rows; with the analyzer's version it says whether they can be used
_BLOCK_CHARS: Final = 16_384
_VERSION: Final = f"{_LAYOUT}.{ANALYZER_VERSION}"


@dataclass(frozen=True, slots=True)
class FileState:
    """Fingerprint of a file as `stat` tells it; equal fingerprints mean the same content."""

    dev: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class PreparedDocument:
    """A document with all its rows need: the posting of each passage, the text as (start line, text) blocks."""

    document: Document
    postings: tuple[Posting, ...]
    blocks: tuple[tuple[int, str], ...]

    @property
    def parts(self) -> int:
        """How many transactions it takes to write it."""
        return max(1, -(-len(self.postings) // PART))


@dataclass(frozen=True, slots=True)
class Indexed:
    """What the index knows of a served document: enough to tell whether its file has changed."""

    state: FileState
    revision: str


def prepare(document: Document) -> PreparedDocument:
    """Analyse a document. Pure and heavy, about 0.1 ms a passage: run it in a worker thread."""
    return PreparedDocument(document, postings(document), tuple(_blocks(document.text)))


def insert_document(
    tx: Transaction, prepared: PreparedDocument, state: FileState, indexed_at: str, part: int = 0
) -> None:
    """Write one part of a document; the last part publishes it in place of the version served until then.

    Parts are written in order, each in a transaction of its own: readers see the old version until the last.
    The old version's rows stay, unseen, until `purge`.
    """
    document_id = _begin(tx, prepared, state, indexed_at) if part == 0 else _staged(tx, prepared)
    _insert_passages(tx, document_id, prepared, part)
    if part == prepared.parts - 1:
        name = prepared.document.name
        tx.execute(_sql()["unpublish_document"], (name,))
        tx.execute(_sql()["publish_document"], (document_id,))
        tx.execute(_sql()["delete_skipped"], (name,))


def delete_document(tx: Transaction, name: str) -> bool:
    """Serve a document no more; False where there is none. Its rows stay, unseen, until `purge`."""
    return tx.execute(_sql()["unpublish_document"], (name,)).rowcount > 0


def touch_document(tx: Transaction, name: str, state: FileState) -> None:
    """Note a new fingerprint for content that has not changed."""
    tx.execute(_sql()["touch_document"], {"name": name, **asdict(state)})


def purge(tx: Transaction, limit: int = PART) -> int:
    """Remove up to `limit` passages that are served no more; returns how many rows went, 0 when all is clean.

    Not while a document of several parts is being written: its rows are not served yet either.
    """
    passages = tx.execute(_sql()["dead_passages"], (limit,)).fetchall()
    tx.executemany(_sql()["delete_posting"], [(passage_id, terms) for passage_id, terms, _ in passages])
    keys = [(passage_id,) for passage_id, _, _ in passages]
    tx.executemany(_sql()["delete_terms"], keys)
    tx.executemany(_sql()["delete_passage"], keys)
    _count(tx, -len(passages), -sum(length for _, _, length in passages))
    emptied = tx.execute(_sql()["emptied_documents"], (limit,)).fetchall()
    tx.executemany(_sql()["delete_blocks"], emptied)
    tx.executemany(_sql()["delete_document"], emptied)
    return len(passages) + len(emptied)


def clear(tx: Transaction) -> None:
    """Empty the index, skipped files included; its revision stays. Marks it as made by this analyzer."""
    for name in ("terms", "postings", "passages", "blocks", "documents", "skipped", "totals"):
        tx.execute(_sql()[f"clear_{name}"])
    tx.execute(_sql()["set_meta"], ("version", _VERSION))


def merge(tx: Transaction, pages: int = 64) -> None:
    """Tidy the full-text index a little, at most about `pages` pages of work; worth it after many writes."""
    tx.execute(_sql()["merge_postings"], (pages,))


def skip_file(tx: Transaction, name: str, reason: str, detail: str) -> None:
    """Note that a file of the folder is not indexed, and why."""
    tx.execute(_sql()["insert_skipped"], (name, reason, detail))


def unskip_file(tx: Transaction, name: str) -> None:
    """Forget that note: the file is gone."""
    tx.execute(_sql()["delete_skipped"], (name,))


def advance_revision(tx: Transaction) -> int:
    """Count one change of the index; returns the new revision."""
    row = tx.execute(_sql()["meta"], ("revision",)).fetchone()
    number = int(row[0]) + 1 if row else 1
    tx.execute(_sql()["set_meta"], ("revision", str(number)))
    return number


def revision(connection: sqlite3.Connection) -> int:
    """The index revision: 0 before the first change, never goes down."""
    row = connection.execute(_sql()["meta"], ("revision",)).fetchone()
    return int(row[0]) if row else 0


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether the rows were made by this analyzer and layout; if not: `clear`, then index every file again."""
    row = connection.execute(_sql()["meta"], ("version",)).fetchone()
    return row is not None and row[0] == _VERSION


def indexed(connection: sqlite3.Connection) -> dict[str, Indexed]:
    """Every served document by name."""
    return {
        name: Indexed(FileState(*state), hash_)
        for name, *state, hash_ in connection.execute(_sql()["fingerprints"])
    }


def skipped(connection: sqlite3.Connection) -> tuple[tuple[str, str, str], ...]:
    """Files that are not indexed: (name, reason, detail), by name."""
    return tuple(connection.execute(_sql()["skipped"]))


@functools.cache
def _sql() -> Mapping[str, str]:
    return load_queries("kb")


def _begin(tx: Transaction, prepared: PreparedDocument, state: FileState, indexed_at: str) -> int:
    document = prepared.document
    row = {
        "name": document.name,
        "title": document.title,
        "topic": document.topic,
        "description": document.description,
        "tags": json.dumps(document.tags),
        "aliases": json.dumps(document.aliases),
        "warnings": json.dumps(document.warnings),
        "revision": document.revision,
        "lines": document.lines,
        "bytes": document.size,
        "indexed_at": indexed_at,
        **asdict(state),
    }
    document_id = tx.execute(_sql()["insert_document"], row).lastrowid or 0
    rows = [(document_id, start, text) for start, text in prepared.blocks]
    tx.executemany(_sql()["insert_block"], rows)
    return document_id


def _staged(tx: Transaction, prepared: PreparedDocument) -> int:
    return int(tx.execute(_sql()["staged_document"], (prepared.document.name,)).fetchone()[0])


def _insert_passages(tx: Transaction, document_id: int, prepared: PreparedDocument, part: int) -> None:
    first = part * PART
    passages = prepared.document.passages[first : first + PART]
    start = int(tx.execute(_sql()["next_passage_id"]).fetchone()[0])
    tx.executemany(
        _sql()["insert_passage"],
        [
            (start + i, document_id, first + i, p.heading, p.start_line, p.end_line, p.text)
            for i, p in enumerate(passages)
        ],
    )
    found = list(enumerate(prepared.postings[first : first + PART], start))
    tx.executemany(
        _sql()["insert_terms"], [(i, document_id, one.length, one.terms, one.forms) for i, one in found]
    )
    tx.executemany(_sql()["insert_posting"], [(i, posting.terms) for i, posting in found])
    _count(tx, len(found), sum(posting.length for _, posting in found))


def _count(tx: Transaction, passages: int, terms: int) -> None:
    tx.execute(_sql()["add_total"], ("passages", passages))
    tx.execute(_sql()["add_total"], ("terms", terms))


def _blocks(text: str) -> Iterator[tuple[int, str]]:
    """The text in pieces of whole lines; joined they are the text again."""
    lines = Lines.of(text)
    first = begin = 0
    for index, start in enumerate(lines.starts):
        if start - begin >= _BLOCK_CHARS:
            yield first + 1, text[begin:start]
            first, begin = index, start
    if begin < len(text):
        yield first + 1, text[begin:]
