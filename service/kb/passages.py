"""Cuts a text into passages: pieces of one section that can be found, quoted and read on their own.

Sizes are in letters, about six to an English word with its space; a Chinese, Japanese or Korean character
counts as three, so that passages say about as much in every script.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from service.kb.headings import Heading, Outline
from service.kb.lines import Lines

FULL: Final = 900  # a passage is closed at about 150 words ...
LARGEST: Final = 1_200  # ... or before it would pass about 200
HARD_LIMIT: Final = 1_600  # about 400 tokens; only a slice of a longer line or block comes near
CRUMB: Final = 240  # less than this is no piece of its own
SHORTEST_SECTION: Final = 40  # characters a section has on average; with far more headings they are no headings
MANY_SECTIONS: Final = 1_000
_WIDE: Final = re.compile("[\u1100-\u11ff\u3040-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
_TABLE: Final = ("|", "+-", "+=")
_SENTENCE_END = re.compile(r"[.!?;:][\"')\]]*\s|[。！？；]|\s")


@dataclass(frozen=True, slots=True)
class Passage:
    """Lines `start_line` to `end_line` (from 1, inclusive) verbatim, or a slice of one line that is too long.

    `heading` is the path of headings above it, "A > B", empty where there is none.
    """

    heading: str
    start_line: int
    end_line: int
    text: str


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines that belong together: a paragraph, a fenced block, a table. Zero-based, inclusive."""

    first: int
    last: int
    size: int


def cut(lines: Lines, outline: Outline, start: int) -> tuple[Passage, ...]:
    """The passages of the text from line `start` (from 0) on, in order. Blank lines belong to none."""
    passages: list[Passage] = []
    headings = outline.headings
    if len(headings) * SHORTEST_SECTION > len(lines.text) + MANY_SECTIONS * SHORTEST_SECTION:
        headings = ()
    fenced = dict(outline.verbatim)
    for path, first, last in _sections(lines, headings, start, len(lines) - 1):
        blocks = _blocks(lines, fenced, first, last)
        for group in _groups(blocks):
            passages.extend(_passages(lines, path, group))
    return tuple(passages)


def _sections(lines: Lines, headings: Sequence[Heading], start: int, end: int) -> Iterator[tuple[str, int, int]]:
    """Heading path, first and last line of each section; the heading's own lines belong to it.

    A heading with nothing but a deeper one below it belongs to that one: alone it would tell nothing.
    """
    opening = headings[0].first if headings else end + 1
    if opening > start:
        yield "", start, opening - 1
    path: list[Heading] = []
    first: int | None = None
    for heading, following in zip_longest(headings, headings[1:]):
        path = [*(h for h in path if h.level < heading.level), heading]
        first = heading.first if first is None else first
        if following is None or following.level <= heading.level or _has_text(lines, heading, following):
            last = following.first - 1 if following is not None else end
            yield " > ".join(h.text for h in path), first, last
            first = None


def _has_text(lines: Lines, heading: Heading, following: Heading) -> bool:
    return any(lines[index].strip() for index in range(heading.last + 1, following.first))


def _blocks(lines: Lines, fenced: Mapping[int, int], first: int, last: int) -> list[_Block]:
    blocks: list[_Block] = []
    index = first
    while index <= last:
        if not lines[index].strip():
            index += 1
            continue
        end = min(fenced[index], last) if index in fenced else _paragraph_end(lines, fenced, index, last)
        whole = HARD_LIMIT if index in fenced or _is_table(lines[index]) else LARGEST
        blocks.extend(_fitting(lines, index, end, whole))
        index = end + 1
    return blocks


def _paragraph_end(lines: Lines, fenced: Mapping[int, int], index: int, last: int) -> int:
    while index < last and index + 1 not in fenced and lines[index + 1].strip():
        index += 1
    return index


def _fitting(lines: Lines, first: int, last: int, whole: int) -> Iterator[_Block]:
    """The block itself up to the size `whole`, else pieces cut between lines; a single line may stay too long."""
    size = _size(lines.cut(first, last))
    if size <= whole:
        yield _Block(first, last, size)
        return
    begin, filled = first, 0
    for index in range(first, last + 1):
        size = _size(lines[index]) + 1
        if filled >= CRUMB and filled + size > FULL:
            yield _Block(begin, index - 1, filled)
            begin, filled = index, 0
        if filled or lines[index].strip():
            filled += size
        else:
            begin = index + 1
    if filled:
        yield _Block(begin, last, filled)


def _is_table(line: str) -> bool:
    return line.lstrip().startswith(_TABLE)


def _groups(blocks: Sequence[_Block]) -> Iterator[_Block]:
    """Neighbouring blocks joined until a passage is full; a crumb at the end joins the one before it."""
    groups: list[_Block] = []
    for block in blocks:
        if groups:
            joined = groups[-1].size + block.size
            fits = joined <= LARGEST and groups[-1].size < FULL
            crumb = block is blocks[-1] and block.size < CRUMB and joined <= HARD_LIMIT
            if fits or crumb:
                groups[-1] = _Block(groups[-1].first, block.last, joined)
                continue
        groups.append(block)
    yield from groups


def _passages(lines: Lines, path: str, group: _Block) -> Iterator[Passage]:
    text = lines.cut(group.first, group.last)
    if _size(text) <= HARD_LIMIT + CRUMB:
        yield Passage(path, group.first + 1, group.last + 1, text)
        return
    for index in range(group.first, group.last + 1):
        for piece in _slices(lines[index]):
            yield Passage(path, index + 1, index + 1, piece)


def _slices(line: str) -> Iterator[str]:
    """A line in pieces that fit, cut after a sentence, else at a space, else anywhere."""
    start, stop = 0, len(line)
    while start < stop:
        window = line[start : start + LARGEST + 1]
        size = _size(window)
        room = max(1, FULL * len(window) // size)
        end = stop if size <= LARGEST else start + _last_end(line, start, room)
        piece = line[start:end].strip()
        if piece:
            yield piece
        start = end


def _last_end(line: str, start: int, room: int) -> int:
    """How far the last sentence within the room reaches, or the last word where no sentence reaches half of it."""
    sentence = word = 0
    for match in _SENTENCE_END.finditer(line, start, start + room):
        if match[0].isspace():
            word = match.end() - start
        else:
            sentence = match.end() - start
    best = sentence if sentence >= room // 2 else max(sentence, word)
    return best if best >= room // 2 else room


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text) + 2 * len(_WIDE.findall(text))
