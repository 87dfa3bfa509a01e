"""Text into sentences with exact offsets: Markdown blocks, abbreviations, punctuation of many scripts (pure)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

BlockKind = Literal["prose", "item", "row", "code", "heading"]

_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})(.*)")
_HEADING = re.compile(r"[ ]{0,3}#{1,6}(?:[ \t]|$)|={2,}[ \t]\S")
_UNDERLINE = re.compile(r"[ ]{0,3}(?:={3,}|-{3,}|~{3,}|\^{3,})[ \t]*$")
_ITEM = re.compile(r"[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?")
_ROW = re.compile(r"[ \t]*\|")
_RULE_ROW = re.compile(r"[ \t]*\|?[ \t:|-]*-{2,}[ \t:|-]*$")
_INDENTED = re.compile(r"(?: {4}|\t)")

# The end of a sentence: closing punctuation, then closing quotes and brackets, then white space or the end.
# Scripts that write no space after it end right there.
_END = re.compile(
    r"[.!?…؟۔]+[\"'”’»)\]*_`]*(?=\s|$)"
    r"|[。！？｡]+[”’」』）》]*"
    r"|[।॥።։။။។៕]+(?=\s|$)"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[“\"'])(?:[^\W\d_]"
    r"|(?:[^\W\d_]\.)+[^\W\d_]"
    r"|Mr|Mrs|Ms|Dr|Prof|Sr|Jr|St|Mt|Ft|Gen|Col|Capt|Lt|Sgt|Rev|Hon|Gov|Sen|Rep|Pres"
    r"|vs|cf|al|etc|approx|ca|ed|eds|vol|no|nos|pp|fig|figs|sec|ch|eq|art|Inc|Ltd|Co|Corp|Bros|Dept|Univ"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec"
    r"|bzw|usw|Nr|ca|vgl|evtl|ggf|inkl|Abb|bspw|Sra|Dra|Ud|Uds|av|env|им|гг|см|др|тыс|млн|руб)$",
    re.IGNORECASE,
)
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
_PHRASE = 80


@dataclass(frozen=True, slots=True)
class Block:
    """A run of lines of one kind, as offsets into the text; `fenced` only with kind code."""

    kind: BlockKind
    start: int
    end: int
    fenced: bool = False


@dataclass(frozen=True, slots=True)
class Sentence:
    """`text[start:end]`: a sentence, a table row, a heading or a whole code block. `block` numbers its block."""

    kind: BlockKind
    block: int
    start: int
    end: int


def split(text: str) -> tuple[Sentence, ...]:
    """The sentences of `text` in order; white space and list markers stand between them."""
    found: list[Sentence] = []
    for number, block in enumerate(blocks(text)):
        if block.kind in ("prose", "item"):
            spans: Iterator[tuple[int, int]] = _sentences(text, block.start, block.end)
        else:
            spans = iter([_stripped(text, block.start, block.end)])
        found.extend(Sentence(block.kind, number, start, end) for start, end in spans if start < end)
    return tuple(found)


def blocks(text: str) -> tuple[Block, ...]:
    """The Markdown blocks of `text`: paragraphs, list items, table rows, code and headings."""
    return tuple(_Blocks(text).read())


class _Blocks:
    """One pass over the lines; a paragraph is open while `start` is not None."""

    def __init__(self, text: str) -> None:
        self._lines = list(_lines(text))
        self._text = text

    def read(self) -> Iterator[Block]:
        at = 0
        while at < len(self._lines):
            start, end = self._lines[at]
            line = self._text[start:end]
            if not line.strip() or _RULE_ROW.match(line):
                at += 1
                continue
            kind, stop, fenced = self._block(at, line)
            marker = _ITEM.match(line) if kind == "item" else None
            first = start + (marker.end() if marker else 0)
            yield Block(kind, first, self._lines[stop - 1][1], fenced)
            at = stop

    def _block(self, at: int, line: str) -> tuple[BlockKind, int, bool]:
        """The kind of the block that begins with line `at`, the line after its end, whether it is fenced."""
        fence = _FENCE.match(line)
        if fence:
            return "code", self._fence_end(at, fence[1]), True
        if _HEADING.match(line) or _ROW.match(line):
            return "row" if _ROW.match(line) else "heading", at + 1, False
        if _ITEM.match(line):
            return "item", self._paragraph_end(at), False
        if _INDENTED.match(line):
            return "code", self._indented_end(at), False
        stop = self._paragraph_end(at)
        if stop == at + 1 and stop < len(self._lines) and _UNDERLINE.match(self._line(stop)):
            return "heading", stop + 1, False
        return "prose", stop, False

    def _fence_end(self, at: int, fence: str) -> int:
        for number in range(at + 1, len(self._lines)):
            line = self._line(number).strip()
            if line.startswith(fence) and not line.strip(fence[0]):
                return number + 1
        return len(self._lines)

    def _indented_end(self, at: int) -> int:
        stop = at
        for number in range(at, len(self._lines)):
            line = self._line(number)
            if line.strip() and not _INDENTED.match(line):
                break
            if line.strip():
                stop = number + 1
        return stop

    def _paragraph_end(self, at: int) -> int:
        for number in range(at + 1, len(self._lines)):
            line = self._line(number)
            if not line.strip() or any(p.match(line) for p in (_FENCE, _HEADING, _ROW, _ITEM, _UNDERLINE)):
                return number
        return len(self._lines)

    def _line(self, number: int) -> str:
        start, end = self._lines[number]
        return self._text[start:end]


def _lines(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for line in text.splitlines(keepends=True):
        yield start, start + len(line.rstrip("\r\n"))
        start += len(line)


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    begin = start
    for mark in _END.finditer(text, start, end):
        if _inside(text, begin, mark, end):
            continue
        yield from _phrases(text, *_stripped(text, begin, mark.end()))
        begin = mark.end()
    yield from _phrases(text, *_stripped(text, begin, end))


def _inside(text: str, begin: int, mark: re.Match[str], end: int) -> bool:
    """Whether the mark stands in inline code, belongs to an abbreviation, or is followed by lower case."""
    if text.count("`", begin, mark.start()) % 2:
        return "`" in text[mark.start() : end]
    if text[mark.start()] not in ".…!?":
        return False
    following = text[mark.end() : min(end, mark.end() + 3)].lstrip()
    if following[:1].islower():
        return True
    return mark.group() == "." and bool(_ABBREVIATION.search(text[max(begin, mark.start() - 12) : mark.start()]))


def _phrases(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Thai, Lao, Khmer and Burmese separate phrases with a space: cut there, at about a sentence's length."""
    if len(_UNSPACED.findall(text, start, end)) * 2 < end - start:
        yield start, end
        return
    begin = start
    for gap in re.finditer(r"(?<!\d)\s+(?=[^\W\d])", text[start:end]):
        if start + gap.start() - begin >= _PHRASE:
            yield begin, start + gap.start()
            begin = start + gap.end()
    yield begin, end


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
