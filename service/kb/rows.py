"""Documents as rows: what the reconciler writes, in steps that are each short.

`prepare` does the heavy work outside the writer; functions with a transaction run inside `Database.write`, those
with a connection inside `Database.read`.
"""

import functools
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from service.database import Transaction, load_queries
from service.kb.analysis import ANALYZER_VERSION
from service.kb.documents import Document
from service.kb.lines import Lines
from service.kb.postings import Posting, postings

PART: Final = 250  # passages a transaction: about 10 ms in the writer
_LAYOUT: Final = 5  # of the rows; with the analyzer's version it says whether they can be used
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
class Part:
    """What one transaction writes of a document, with the fingerprint of its file; `number` is from 0."""

    prepared: PreparedDocument
    state: FileState
    number: int = 0

    @property
    def is_last(self) -> bool:
        """Whether the document is whole with it."""
        return self.number == self.prepared.parts - 1


@dataclass(frozen=True, slots=True)
class Indexed:
    """What the index knows of a served document: enough to tell whether its file has changed."""

    state: FileState
    revision: str


def prepare(document: Document) -> PreparedDocument:
    """Analyse a document. Pure and heavy, about 0.05 ms a passage: run it in a worker thread."""
    return PreparedDocument(document, postings(document), tuple(_blocks(document.text)))


def insert_parts(tx: Transaction, parts: Sequence[Part], indexed_at: str) -> None:
    """Write parts of documents; its last part publishes a document in place of the version served until then.

    The parts of one document are written in order, each in a transaction of its own: readers see the old version
    until the last. The old version's rows stay, unseen, until `purge`.
    """
    names = [(part.prepared.document.name,) for part in parts if part.is_last]
    tx.executemany(_sql()["unpublish_document"], names)
    tx.executemany(_sql()["delete_skipped"], names)
    ids = [_document(tx, part, indexed_at) for part in parts]
    _insert_blocks(tx, parts, ids)
    _insert_passages(tx, parts, ids)


def delete_document(tx: Transaction, name: str) -> bool:
    """Serve a document no more; False where there is none. Its rows stay, unseen, until `purge`."""
    return tx.execute(_sql()["unpublish_document"], (name,)).rowcount > 0


def touch_document(tx: Transaction, name: str, state: FileState) -> None:
    """Note a new fingerprint for content that has not changed."""
    tx.execute(_sql()["touch_document"], {"name": name, **_fingerprint(state)})


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


def stamp(connection: sqlite3.Connection) -> tuple[int, int]:
    """The index revision, and how many documents are served: tells whether the index is still as it was left."""
    documents = connection.execute(_sql()["served"]).fetchone()[0]
    return revision(connection), int(documents)


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


def _document(tx: Transaction, part: Part, indexed_at: str) -> int:
    """The number of the version that the part belongs to; its first part begins it, its last publishes it."""
    if not part.number:
        row = _row(part.prepared.document, part.state) | {"live": part.is_last, "indexed_at": indexed_at}
        return tx.execute(_sql()["insert_document"], row).lastrowid or 0
    document_id = int(tx.execute(_sql()["staged_document"], (part.prepared.document.name,)).fetchone()[0])
    if part.is_last:
        tx.execute(_sql()["publish_document"], (document_id,))
    return document_id


def _row(document: Document, state: FileState) -> dict[str, object]:
    return {
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
        **_fingerprint(state),
    }


def _fingerprint(state: FileState) -> dict[str, int]:
    return {
        "dev": state.dev,
        "inode": state.inode,
        "size": state.size,
        "mtime_ns": state.mtime_ns,
        "ctime_ns": state.ctime_ns,
    }


def _insert_blocks(tx: Transaction, parts: Sequence[Part], ids: Sequence[int]) -> None:
    blocks = (
        (document_id, start, text)
        for part, document_id in zip(parts, ids, strict=True)
        if not part.number
        for start, text in part.prepared.blocks
    )
    tx.executemany(_sql()["insert_block"], blocks)


def _insert_passages(tx: Transaction, parts: Sequence[Part], ids: Sequence[int]) -> None:
    number = int(tx.execute(_sql()["next_passage_id"]).fetchone()[0])
    passages: list[tuple[int, int, int, str, int, int, str]] = []
    terms: list[tuple[int, int, int, str, str]] = []
    for part, document_id in zip(parts, ids, strict=True):
        first, prepared = part.number * PART, part.prepared
        texts = prepared.document.passages[first : first + PART]
        postings = prepared.postings[first : first + PART]
        for ordinal, (text, found) in enumerate(zip(texts, postings, strict=True), first):
            passages.append(
                (number, document_id, ordinal, text.heading, text.start_line, text.end_line, text.text)
            )
            terms.append((number, document_id, found.length, found.terms, found.forms))
            number += 1
    tx.executemany(_sql()["insert_passage"], passages)
    tx.executemany(_sql()["insert_terms"], terms)
    tx.executemany(_sql()["insert_posting"], ((row[0], row[3]) for row in terms))
    _count(tx, len(terms), sum(length for _, _, length, _, _ in terms))


def _count(tx: Transaction, passages: int, terms: int) -> None:
    tx.execute(_sql()["add_total"], ("passages", passages))
    tx.execute(_sql()["add_total"], ("terms", terms))
    tx.execute(_sql()["add_total"], ("untidied", abs(passages)))


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
