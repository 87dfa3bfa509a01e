"""What an answer cites, kept: the text of each cited revision, whole where it can be had, and reading it again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from service.agent.sources import Source
from service.chats.kept import LAST_LINE, KeptText, KeptTexts
from service.chats.records import Citation
from service.errors import InvalidInput, NotFound, StorageError
from service.kb.lines import Lines
from service.kb.search import DocumentText, KnowledgeBase

WHOLE_CHARS: Final = 1_000_000  # of a longer document only what surrounds the cited lines is kept
_AROUND: Final = 200  # lines, before and after
_AROUND_CHARS: Final = 100_000


@dataclass(frozen=True, slots=True)
class RevisionText:
    """Lines of a document at a revision; `current_revision` is the one served now, None when the file is gone.

    Not `complete` is a revision of which only what surrounds the cited lines is kept; `lines` then counts up to
    the end of these. `kb_revision` is the index's that it was read from, None for a kept one.
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
    current_revision: str | None
    complete: bool = True
    kb_revision: int | None = None

    @property
    def changed(self) -> bool:
        """Whether another revision is served now, or none."""
        return self.revision != self.current_revision


async def texts_cited(
    kb: KnowledgeBase, passages: Sequence[Source], citations: Iterable[Citation]
) -> tuple[KeptText, ...]:
    """What to keep for an answer: each cited document as the index has it, if that is still the cited revision.

    Else, and where the database cannot be read, that of the `passages` which a tool returned. Never raises.
    """
    kept: dict[KeptText, None] = {}
    for citation in citations:
        if not any(_holds(text, citation) for text in kept):
            text = await _from_index(kb, citation) or _from_tools(citation, passages)
            kept[text] = None
    return tuple(kept)


async def read_revision(
    kb: KnowledgeBase, kept: KeptTexts, owner: str, name: str, revision: str, lines: tuple[int, int | None]
) -> RevisionText:
    """Lines of a document at a revision: from the index while it serves that one, else from an owner's answers.

    Raises NotFound `revision` when neither has these lines of it, InvalidInput for lines that cannot be.
    """
    first, last = lines
    if last is not None and last < first:
        raise InvalidInput("the last line is before the first", field="query.end_line", code="lines_not_found")
    current = (await kb.revisions([name])).get(name)
    if current == revision:
        return as_current(await kb.read(name, first, last))
    text = await kept.find(owner, name, revision, first, last or LAST_LINE)
    if text is None:
        raise NotFound("revision", revision)
    return _cut(text, first, last or text.end_line, current)


def as_current(text: DocumentText) -> RevisionText:
    """Lines of the revision that is served."""
    place = (text.name, text.title, text.topic, text.start_line, text.end_line)
    return RevisionText(
        *place, text.text, text.next_line, text.lines, text.revision, text.revision, kb_revision=text.kb_revision
    )


async def _from_index(kb: KnowledgeBase, citation: Citation) -> KeptText | None:
    try:
        found = await kb.read(citation.document, max_chars=WHOLE_CHARS)
        whole = found.next_line is None and len(found.text) < WHOLE_CHARS
        if not whole:
            first = max(1, citation.start_line - _AROUND)
            last = citation.end_line + _AROUND
            found = await kb.read(citation.document, first, last, max_chars=_AROUND_CHARS)
    except (NotFound, InvalidInput, StorageError):
        return None
    place = (found.name, found.title, found.topic, found.revision, found.start_line, found.end_line)
    text = KeptText(*place, found.text, whole)
    return text if _holds(text, citation) else None


def _from_tools(citation: Citation, passages: Sequence[Source]) -> KeptText:
    """The passage that holds the quote, as the tool returned it; the quote itself where even that is lost."""
    for source in passages:
        place = (source.document, source.title, source.topic, source.revision)
        text = KeptText(*place, source.start_line, source.end_line, source.text, whole=False)
        if _holds(text, citation):
            return text
    lines = (citation.start_line, citation.end_line)
    return KeptText(
        citation.document, citation.title, citation.topic, citation.revision, *lines, citation.quote, whole=False
    )


def _holds(text: KeptText, citation: Citation) -> bool:
    return (
        (text.document, text.revision) == (citation.document, citation.revision)
        and text.start_line <= citation.start_line
        and text.end_line >= citation.end_line
        and citation.quote in text.text
    )


def _cut(text: KeptText, first: int, last: int, current: str | None) -> RevisionText:
    """The lines from `first` to `last` of a kept text that has some of them."""
    lines = Lines.of(text.text)
    end = text.start_line + max(len(lines), 1) - 1
    first, last = max(first, text.start_line), min(last, end)
    body = lines.cut(first - text.start_line, last - text.start_line) if len(lines) else ""
    following = last + 1 if last < end else None
    place = (text.document, text.title, text.topic, first, last, body, following, end, text.revision)
    return RevisionText(*place, current, complete=text.whole)
