"""A small knowledge base made of texts, without a folder: parsed, analysed and written as the index does it."""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from service.database import Database, Transaction, open_database
from service.kb import rows
from service.kb.documents import Document, parse
from service.kb.search import KnowledgeBase

STATE = rows.FileState(1, 2, 3, 4, 5)
INDEXED_AT = "2026-11-22T09:30:00.000Z"


def document(name: str, text: str | bytes) -> Document:
    """The document a file would be; fails where it is not readable."""
    parsed = parse(name, text if isinstance(text, bytes) else text.encode())
    assert isinstance(parsed, Document), parsed
    return parsed


def insert(tx: Transaction, prepared: rows.PreparedDocument, part: int = 0) -> None:
    """Write one part of a document."""
    rows.insert_parts(tx, [rows.Part(prepared, STATE, part)], INDEXED_AT)


async def add(db: Database, name: str, text: str | bytes) -> None:
    """Index one file, in place of its former version."""
    prepared = rows.prepare(document(name, text))
    for part in range(prepared.parts):
        await db.write(lambda tx, part=part: insert(tx, prepared, part))  # type: ignore[misc]


async def fill(db: Database, texts: Mapping[str, str | bytes]) -> None:
    """Index files, from empty, and count that as one change."""
    prepared = [rows.prepare(document(name, text)) for name, text in texts.items()]

    def write(tx: Transaction) -> None:
        rows.clear(tx)
        for one in prepared:
            for part in range(one.parts):
                insert(tx, one, part)
        rows.advance_revision(tx)

    await db.write(write)


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[Database]:
    """An empty database in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_database(Path(folder)) as db:
            yield db


@contextlib.asynccontextmanager
async def shelf(texts: Mapping[str, str | bytes], *, seconds: float = 60.0) -> AsyncIterator[KnowledgeBase]:
    """A knowledge base of these files."""
    async with opened() as db:
        await fill(db, texts)
        yield KnowledgeBase(db, search_timeout=seconds)
