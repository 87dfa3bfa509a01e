"""What an author should mend: in each file, in files side by side, and whether each can be found. No server.

Findability is tried on an index of its own in a temporary directory, made by the reconciler that also serves.
"""

import asyncio
import itertools
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from service.database import open_database
from service.kb import folder as disk
from service.kb import front_matter
from service.kb.documents import Document, parse
from service.kb.files import Files
from service.kb.folder import Folder, Scan, Skipped
from service.kb.headings import outline
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
    """A document and where its headings are: (line from 1, text)."""

    document: Document
    lines: Lines
    headings: tuple[tuple[int, str], ...]
    first_line: int  # of the text, from 1, after the front matter
    verbatim: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """The remarks by file and line, the names of the documents, and how many files have other endings."""

    remarks: tuple[Remark, ...]
    documents: tuple[str, ...]
    ignored: int


async def check(folder: Folder) -> Checked:
    """Look at every file of the folder. Raises StorageError when there is no room for the temporary index."""
    scan, pages, unread = await asyncio.to_thread(_read, folder)
    remarks = [*_of_files(folder, scan, unread)]
    for page in pages:
        remarks += _of_page(page)
    twins = [*_twins(pages)]
    remarks += twins
    apart = {remark.file for remark in remarks if remark.code in {"duplicate_content", "empty"}}
    remarks += await _unreachable(folder, [page for page in pages if page.document.name not in apart])
    ordered = sorted(remarks, key=lambda remark: (remark.file, remark.line, remark.code))
    return Checked(tuple(ordered), tuple(page.document.name for page in pages), scan.ignored)


def _read(folder: Folder) -> tuple[Scan, list[_Page], list[Skipped]]:
    """Every file that can be read, and why others cannot."""
    scan = disk.scan(folder)
    files = Files(folder)
    pages: list[_Page] = []
    unread: list[Skipped] = []
    for name, state in sorted(scan.files.items()):
        try:
            data = files.read(name, state, moving=True)
        except OSError as error:
            unread.append(Skipped(name, *disk.reason(error)))
            continue
        if data is None:  # it went while we looked
            continue
        document = parse(name, data)
        if isinstance(document, Document):
            pages.append(_page(document))
        else:
            unread.append(Skipped(name, document.reason, f"line {_bad_line(data)}: {document.detail}"))
    return scan, pages, unread


def _page(document: Document) -> _Page:
    lines = Lines.of(document.text)
    start = front_matter.parse(lines).lines
    found = outline(lines, PurePosixPath(document.name).suffix.lower(), start)
    headings = tuple((heading.first + 1, heading.text) for heading in found.headings)
    return _Page(document, lines, headings, start + 1, found.verbatim)


def _bad_line(data: bytes) -> int:
    try:
        place = data.index(b"\0")
    except ValueError:
        place = len(data)
    try:
        data.decode()
    except UnicodeDecodeError as error:
        place = min(place, error.start)
    return data.count(b"\n", 0, place) + 1


def _of_files(folder: Folder, scan: Scan, unread: Iterable[Skipped]) -> Iterator[Remark]:
    """Files that are not indexed at all."""
    if scan.state != "ready":
        yield Remark("error", f"folder_{scan.state}", "", 1, f"the folder {folder.path} is {scan.state}")
    for name, reason, detail in (*scan.skipped, *unread):
        level: Level = "warning" if reason in _LINKS else "error"
        line = re.match(r"line (\d+): ", detail)
        yield Remark(level, reason, disk.printable(name), int(line[1]) if line else 1, _advice(reason, detail))


def _advice(reason: str, detail: str) -> str:
    text = detail.split(": ", 1)[1] if detail.startswith("line ") else detail
    help_ = _HELP.get(reason)
    return f"not indexed: {text}" + (f"; {help_}" if help_ and help_ not in text else "")


def _of_page(page: _Page) -> Iterator[Remark]:
    document = page.document
    name = document.name
    for warning in document.warnings:
        line = _LINE.search(warning)
        yield Remark("warning", "front_matter", name, int(line[1]) if line else 1, warning)
    if not document.passages:
        yield Remark("warning", "empty", name, 1, "there is no text, so it can never be found")
        return
    if not page.headings and not front_matter.parse(page.lines).title:
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
    verbatim = {at for first, last in page.verbatim for at in range(first, last + 1)}
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
        if page.lines[number - 1].startswith("title:"):
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
