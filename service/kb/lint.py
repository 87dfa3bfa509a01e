"""What an author should mend: in each file, in files side by side, and whether each can be found. No server.

Findability is tried on an index of its own in a temporary directory, made by the reconciler that also serves.
"""

import asyncio
import itertools
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from service.database import open_database
from service.kb import folder as disk
from service.kb import front_matter
from service.kb.documents import Document, NotText, parse, sections_of
from service.kb.files import Files
from service.kb.folder import Folder, Scan, Skipped
from service.kb.front_matter import FrontMatter
from service.kb.headings import Outline
from service.kb.index import Reconciler
from service.kb.lines import Lines
from service.kb.search import KnowledgeBase

Level = Literal["error", "warning", "info"]

_FIRST_HITS: Final = 5
_QUERIES: Final = 30  # headings of a document that are tried
_QUERY_CHARS: Final = 2_000
_TOGETHER: Final = 3  # searches at once, as many as there are readers
_SEARCH_SECONDS: Final = 5.0
_PARAGRAPH: Final = 2_500  # characters, about 400 words: two passages and more without a place to cut
_SECTION: Final = 9_000  # characters, about 1,500 words
_LINKS: Final = frozenset({"outside", "broken_link", "loop", "duplicate", "not_regular"})
_HELP: Final = {
    "not_text": "save it as UTF-8",
    "too_large": "split it, or raise KB_MAX_FILE_BYTES",
    "outside": "copy the file into the folder, or mount it there",
    "broken_link": "mend or remove it",
    "permission": "let its user read it",
}
_LINE: Final = re.compile(r" at line (\d+)")
_VERBATIM: Final = ("|", "+-", "    ", "\t", "http")


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to mend in a file; `code` is a stable word, `line` counts from 1."""

    level: Level
    code: str
    file: str
    line: int
    message: str


@dataclass(frozen=True, slots=True)
class _Page:
    """A document, and what it was made of."""

    document: Document
    lines: Lines
    front: FrontMatter
    sections: Outline

    @property
    def first_line(self) -> int:
        """Of the text after the front matter, from 1."""
        return self.front.lines + 1

    @property
    def headings(self) -> list[tuple[int, str]]:
        """The line of each heading, from 1, and its text."""
        return [(heading.first + 1, heading.text) for heading in self.sections.headings]


@dataclass(frozen=True, slots=True)
class Checked:
    """The remarks by file and line, the names of the documents, and how many files have other endings."""

    remarks: tuple[Remark, ...]
    documents: tuple[str, ...]
    ignored: int


async def check(folder: Folder) -> Checked:
    """Look at every file of the folder. Raises StorageError when there is no room for the temporary index."""
    scan, pages, remarks = await asyncio.to_thread(_read, folder)
    if scan.state != "ready":
        remarks.append(Remark("error", f"folder_{scan.state}", "", 1, f"the folder {folder.path} is {scan.state}"))
    for page in pages:
        remarks += _of_page(page)
    twins = [*_twins(pages)]
    remarks += twins
    apart = {remark.file for remark in remarks if remark.code in {"duplicate_content", "empty"}}
    remarks += await _unreachable(folder, [page for page in pages if page.document.name not in apart])
    ordered = sorted(remarks, key=lambda remark: (remark.file, remark.line, remark.code))
    return Checked(tuple(ordered), tuple(page.document.name for page in pages), scan.ignored)


def _read(folder: Folder) -> tuple[Scan, list[_Page], list[Remark]]:
    """Every file that can be read, and why others cannot."""
    scan = disk.scan(folder)
    files = Files(folder)
    pages: list[_Page] = []
    unread = [_not_indexed(skipped) for skipped in scan.skipped]
    for name, state in sorted(scan.files.items()):
        try:
            data = files.read(name, state, moving=True)
        except OSError as error:
            unread.append(_not_indexed(Skipped(name, *disk.reason(error))))
            continue
        if data is None:  # it went while we looked
            continue
        document = parse(name, data)
        if isinstance(document, NotText):
            unread.append(_not_indexed(Skipped(name, "not_text", document.detail), document.line))
        else:
            pages.append(_page(document))
    return scan, pages, unread


def _page(document: Document) -> _Page:
    lines = Lines.of(document.text)
    front = front_matter.parse(lines)
    return _Page(document, lines, front, sections_of(document.name, lines, front))


def _not_indexed(skipped: Skipped, line: int = 1) -> Remark:
    level: Level = "warning" if skipped.reason in _LINKS else "error"
    advice = f"; {_HELP[skipped.reason]}" if skipped.reason in _HELP else ""
    message = f"not indexed: {skipped.detail}{advice}"
    return Remark(level, skipped.reason, disk.printable(skipped.name), line, message)


def _of_page(page: _Page) -> Iterator[Remark]:
    document = page.document
    name = document.name
    for warning in document.warnings:
        line = _LINE.search(warning)
        yield Remark("warning", "front_matter", name, int(line[1]) if line else 1, warning)
    if not document.passages:
        yield Remark("warning", "empty", name, 1, "there is no text, so it can never be found")
        return
    if not page.headings and not page.front.title:
        message = f"no heading and no title in the front matter; it is called {document.title!r} after its file"
        yield Remark("warning", "no_title", name, page.first_line, message)
    yield from _long_sections(page)
    yield from _long_paragraphs(page)


def _long_sections(page: _Page) -> Iterator[Remark]:
    bounds = [page.first_line, *(line for line, _ in page.headings), len(page.lines) + 1]
    for first, following in itertools.pairwise(bounds):
        size = sum(len(page.lines[at - 1]) + 1 for at in range(first, following))
        if size > _SECTION:
            message = (
                f"{size:,} characters without a heading; one for each question it answers makes it easier to find"
            )
            yield Remark("warning", "long_section", page.document.name, first, message)


def _long_paragraphs(page: _Page) -> Iterator[Remark]:
    verbatim = {at for first, last in page.sections.verbatim for at in range(first, last + 1)}
    size = first = 0
    for at in range(page.first_line - 1, len(page.lines) + 1):
        text = page.lines[at] if at < len(page.lines) else ""
        if text.strip() and at not in verbatim and not text.startswith(_VERBATIM):
            first = first if size else at
            size += len(text) + 1
            continue
        if size > _PARAGRAPH:
            message = f"a paragraph of {size:,} characters; shorter ones are found and quoted more exactly"
            yield Remark("warning", "long_paragraph", page.document.name, first + 1, message)
        size = 0


def _twins(pages: Sequence[_Page]) -> Iterator[Remark]:
    """Documents that cannot be told apart: by their text, or by their title in a list."""
    texts: defaultdict[str, list[_Page]] = defaultdict(list)
    titles: defaultdict[str, list[_Page]] = defaultdict(list)
    for page in pages:
        if page.document.passages:
            texts[" ".join(page.document.text.split())].append(page)
            titles[" ".join(page.document.title.casefold().split())].append(page)
    same: set[str] = set()
    for first, *others in texts.values():
        for page in others:
            same.add(page.document.name)
            message = f"the same text as {first.document.name}; keep one of them"
            yield Remark("warning", "duplicate_content", page.document.name, 1, message)
    for group in titles.values():
        first, *others = [page for page in group if page.document.name not in same] or group
        for page in others if first.document.name not in same else ():
            message = f"the same title as {first.document.name}: {page.document.title!r}"
            yield Remark("warning", "duplicate_title", page.document.name, _title_line(page), message)


def _title_line(page: _Page) -> int:
    for number in range(1, page.first_line):
        if page.lines[number - 1].lower().startswith("title:"):
            return number
    return page.headings[0][0] if page.headings else 1


async def _unreachable(folder: Folder, pages: Sequence[_Page]) -> list[Remark]:
    """Documents that no question made of their own title and headings finds among the first hits."""
    said = Counter(text.casefold() for page in pages for text in {text for _, text in page.headings})
    room = asyncio.Semaphore(_TOGETHER)
    with tempfile.TemporaryDirectory(prefix="kb-agent-lint-") as made:
        async with open_database(Path(made)) as db, Reconciler(db, folder, settle=0) as index:
            await index.reconcile()
            kb = KnowledgeBase(db, search_timeout=_SEARCH_SECONDS)
            found = await asyncio.gather(*(_is_found(kb, page, said, room) for page in pages))
    message = "none of its own title and headings finds it; say in them what people would ask for"
    return [
        Remark("warning", "unreachable", page.document.name, _title_line(page), message)
        for page, is_found in zip(pages, found, strict=True)
        if not is_found
    ]


async def _is_found(kb: KnowledgeBase, page: _Page, said: Counter[str], room: asyncio.Semaphore) -> bool:
    """Whether one of its questions finds the document; headings that many have say nothing of this one."""
    name = page.document.name
    own = [text for _, text in page.headings if said[text.casefold()] == 1][:_QUERIES]
    for query in dict.fromkeys((page.document.title, *own)):
        async with room:
            result = await kb.search(query[:_QUERY_CHARS], limit=_FIRST_HITS)
        if any(hit.document == name for hit in result.hits):
            return True
    return False
