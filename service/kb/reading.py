"""Topics, documents and their lines, as the index holds them; run on one connection in a reader's thread."""

import json
import re
import sqlite3
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Final

from service.database import load_queries
from service.errors import InvalidInput, NotFound
from service.kb.lines import Lines
from service.kb.rows import revision as index_revision

_SUGGESTIONS: Final = 5
_OPENING_CHARS: Final = 300
_BLANK: Final = re.compile(r"\n\s*\n")
_HEADING: Final = re.compile(r"\s*(?:#{1,6}\s|={1,6}\s|([=~^*#-])\1{2,}\s*$|$)")
_NAMES_COMPARED: Final = 500
_SHORTEST_PART: Final = 3
_ALIKE: Final = 0.6  # of 1: difflib's own bound for "close"


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """A topic; title and description are those of its index or readme document, where there is one.

    Without a description in the front matter it is the first paragraph.
    """

    name: str
    title: str
    description: str
    documents: int


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """A served document without its text. `revision` is the SHA-256 of the file, `indexed_at` ISO 8601 in UTC."""

    name: str
    title: str
    topic: str
    description: str
    tags: tuple[str, ...]
    lines: int
    bytes: int
    revision: str
    indexed_at: str


@dataclass(frozen=True, slots=True)
class DocumentText:
    """Lines `start_line` to `end_line` (from 1, inclusive) verbatim.

    `next_line` is where to read on, None at the end. `revision` is the SHA-256 of the file, `kb_revision`
    that of the index. `headings` are the paths of headings above the lines, each with the line from which on it
    holds; only of a part, never of a whole document, which may have very many.
    """

    name: str
    title: str
    topic: str
    start_line: int
    end_line: int
    text: str
    next_line: int | None
    lines: int
    revision: str
    kb_revision: int
    headings: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class LineRange:
    """What to read: to the end where `last` is None; whole lines up to `max_chars`, at least one."""

    first: int
    last: int | None
    max_chars: int | None


class Reading:
    """What can be read without searching. Safe to use from several threads."""

    def __init__(self) -> None:
        self._sql = load_queries("kb_reading")

    def topics(self, connection: sqlite3.Connection) -> tuple[TopicInfo, ...]:
        """Every topic, by name."""
        counts = connection.execute(self._sql["topics"]).fetchall()
        return tuple(self._topic(connection, name, documents) for name, documents in counts)

    def documents(
        self, topic: str | None, after: str, limit: int, connection: sqlite3.Connection
    ) -> tuple[DocumentInfo, ...]:
        """At most `limit` documents by name, those after the name `after`."""
        if topic is None:
            rows = connection.execute(self._sql["documents"], (after, limit))
        else:
            rows = connection.execute(self._sql["documents_of_topic"], (topic, after, limit))
        return tuple(
            DocumentInfo(name, title, topic_, description, tuple(json.loads(tags)), *rest)
            for name, title, topic_, description, tags, *rest in rows
        )

    def revisions(self, names: Sequence[str], connection: sqlite3.Connection) -> dict[str, str]:
        """The served revision of each of these documents that exists."""
        rows = (connection.execute(self._sql["document"], (name,)).fetchone() for name in dict.fromkeys(names))
        return {name: revision for _, name, *_, revision in filter(None, rows)}

    def text(self, name: str, wanted: LineRange, connection: sqlite3.Connection) -> DocumentText:
        """The lines that are wanted. Raises NotFound or InvalidInput."""
        document = connection.execute(self._sql["document"], (name,)).fetchone()
        if document is None:
            raise NotFound("document", name, self._suggestions(connection, name))
        document_id, name, title, topic, count, revision = document
        _check(wanted, count)
        last = min(wanted.last or count, count)
        text, end = self._lines(connection, document_id, wanted, last)
        following = end + 1 if end < count else None
        at = index_revision(connection)
        bounds = {"id": document_id, "first": wanted.first, "last": end}
        headings = connection.execute(self._sql["headings"], bounds) if wanted.max_chars is not None else ()
        place = (name, title, topic, wanted.first, end)
        return DocumentText(*place, text, following, count, revision, at, tuple(headings))

    def _lines(
        self, connection: sqlite3.Connection, document_id: int, wanted: LineRange, last: int
    ) -> tuple[str, int]:
        """The text from the first line wanted to line `last`, or to where it is full, and the line it ends at."""
        room = wanted.max_chars
        blocks = connection.execute(self._sql["blocks"], {"id": document_id, "line": wanted.first}).fetchall()
        if not blocks:
            return "", wanted.first - 1
        begin = blocks[0][0]
        lines = Lines.of("".join(text for start, text in blocks if start <= last))
        first, end = wanted.first - begin, last - begin
        if room is not None:
            fitting = bisect_right(lines.ends, lines.starts[first] + room) - 1
            end = max(first, min(end, fitting))
        return lines.cut(first, end)[:room], begin + end

    def _topic(self, connection: sqlite3.Connection, name: str, documents: int) -> TopicInfo:
        page = connection.execute(self._sql["topic_page"], {"topic": name}).fetchone()
        if page is None:
            return TopicInfo(name, name.replace("-", " ").replace("_", " "), "", documents)
        title, description, text = page
        return TopicInfo(name, title, description or _opening(text, title), documents)

    def _suggestions(self, connection: sqlite3.Connection, name: str) -> list[str]:
        """Names like this one: those that hold its file name or a word of it, else those spelled alike."""
        stem = PurePosixPath(name).stem
        for part in (PurePosixPath(name).name, stem, *stem.replace("_", "-").split("-"), ""):
            if part and len(part) < _SHORTEST_PART:
                continue
            found = connection.execute(self._sql["names_with"], (part, _NAMES_COMPARED)).fetchall()
            alike = _alike(name, [known for (known,) in found])
            if alike:
                return alike
        return []


def _opening(text: str, title: str) -> str:
    """The first paragraph of a text that is no heading and not its title, at most 300 characters of it."""
    for paragraph in _BLANK.split(text):
        said = " ".join(line.strip() for line in paragraph.splitlines() if not _HEADING.match(line))
        if said and said != title:
            return said if len(said) <= _OPENING_CHARS else f"{said[: _OPENING_CHARS - 1].rstrip()}…"
    return ""


def _alike(name: str, names: Sequence[str]) -> list[str]:
    """The names nearest to this one, by the whole or by the file name alone."""
    stems = {PurePosixPath(known).stem: known for known in names}
    near = get_close_matches(name, names, _SUGGESTIONS, _ALIKE)
    near += (stems[stem] for stem in get_close_matches(PurePosixPath(name).stem, stems, _SUGGESTIONS, _ALIKE))
    return list(dict.fromkeys(near))[:_SUGGESTIONS]


def _check(wanted: LineRange, count: int) -> None:
    if wanted.first < 1 or (count and wanted.first > count):
        raise InvalidInput(f"the document has {count} lines", field="query.start_line", code="lines_not_found")
    if wanted.last is not None and wanted.last < wanted.first:
        raise InvalidInput("the last line is before the first", field="query.end_line", code="lines_not_found")
