"""Finds the headings of Markdown, reStructuredText, AsciiDoc and plain text, and the blocks that are verbatim.

Expressions meet lines of any length, and hold up the whole process meanwhile: none may look at a place twice.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from service.kb.lines import Lines

MAX_HEADING_CHARS: Final = 300
_MARKUP_CHARS: Final = 1_000  # of a heading whose markup is taken off


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading from line `first` to line `last` (from 0, inclusive); level 1 is the highest."""

    first: int
    last: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Outline:
    """Headings in order, and the ranges of lines (first, last) that are code and hold no headings."""

    headings: tuple[Heading, ...]
    verbatim: tuple[tuple[int, int], ...]


_BLANKS: Final = " \t"
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*))?")
_SETEXT = re.compile(r" {0,3}(=+|-{2,})[ \t]*")
_NOT_SETEXT = re.compile(r"\s*$| {4}|\t|\s*(?:[>|]|[-*+][ \t]|\d{1,9}[.)][ \t])")
_FENCE = re.compile(r"\s*(?:[-*+][ \t]+|\d{1,9}[.)][ \t]+)?(`{3,}(?=[^`]*$)|~{3,})")
# Blocks of HTML that blank lines do not end (CommonMark 4.6): how they begin, and what ends each.
_HTML: Final = re.compile(r" {0,3}(?:(<!--)|<(pre|script|style|textarea)(?=[\s>]|$))", re.IGNORECASE)
_COMMENT_END: Final = re.compile("-->")
_HTML_END: Final = re.compile(r"</(?:pre|script|style|textarea)>", re.IGNORECASE)
_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1{2,}[ \t]*")
_ADOC = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*)")
_ADOC_BLOCK = re.compile(r"(-{4,}|\.{4,}|\+{4,}|/{4,}|`{3,})[ \t]*\w*")
_MARKUP = re.compile(r"[\[<{}*_`]")  # without any of these there is nothing to take off
_LINK = re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_ANCHOR = re.compile(r"\s*\{[#:.][^}]*\}\s*$|<[^<>]*>|\{\{[<%]|[%>]\}\}")
_EMPHASIS = re.compile(r"(\*\*|__|\*|`+)(?=\S)(.+?)(?<=\S)\1")


def outline(lines: Lines, ending: str, start: int = 0) -> Outline:
    """Headings and code blocks from line `start` on; `ending` is the file name's, lower case with the dot."""
    return _READERS.get(ending, _plain)(lines, start)


def plain_heading(markup: str) -> str:
    """A heading as a person reads it: link targets, emphasis, anchors and code marks taken off."""
    text = " ".join(markup[:_MARKUP_CHARS].split())
    if not _MARKUP.search(text):
        return text[:MAX_HEADING_CHARS]
    text = _ANCHOR.sub("", _LINK.sub(r"\1", text))
    text = _EMPHASIS.sub(r"\2", text).replace("`", "")
    return " ".join(text.split())[:MAX_HEADING_CHARS]


def _markdown(lines: Lines, start: int) -> Outline:
    headings: list[Heading] = []
    verbatim: list[tuple[int, int]] = []
    ends: Callable[[str], object] | None = None
    opened, previous = 0, ""
    for index in range(start, len(lines)):
        line = lines[index]
        if ends is not None:
            if ends(line):
                verbatim.append((opened, index))
                ends = None
            continue
        ends = _opened(line)
        if ends is not None:
            opened = index
            line = ""
        elif "#" in line and (atx := _ATX.fullmatch(line)):
            headings.append(Heading(index, index, len(atx[1]), plain_heading(_unclosed(atx[2] or ""))))
            line = ""
        elif previous and (setext := _SETEXT.fullmatch(line)) and not _NOT_SETEXT.match(previous):
            headings.append(Heading(index - 1, index, 1 if "=" in setext[1] else 2, plain_heading(previous)))
            line = ""
        previous = line
    if ends is not None:
        verbatim.append((opened, len(lines) - 1))
    return Outline(tuple(h for h in headings if h.text), tuple(verbatim))


def _unclosed(heading: str) -> str:
    """A heading without the `#` that may close it after a blank."""
    heading = heading.rstrip(_BLANKS)
    bare = heading.rstrip("#")
    return bare if not bare or bare[-1] in _BLANKS else heading


def _opened(line: str) -> Callable[[str], object] | None:
    """What tells the last line of the verbatim block that begins with this one; None where none does."""
    if mark := _FENCE.match(line):
        return partial(_ends_fence, mark[1])
    html = _HTML.match(line) if "<" in line else None
    if html is None:
        return None
    end = (_COMMENT_END if html[1] else _HTML_END).search
    return None if end(line) else end


def _ends_fence(fence: str, line: str) -> bool:
    return line.strip().startswith(fence) and not line.strip().strip(fence[0])


def _underlined(lines: Lines, start: int) -> Outline:
    """reStructuredText: a style (character, with or without overline) gets its level where it first appears."""
    styles: list[tuple[str, bool]] = []
    headings: list[Heading] = []
    for index in range(start + 1, len(lines)):
        line = lines[index]
        if not _ADORNMENT.fullmatch(line):
            continue
        title = lines[index - 1]
        above = lines[index - 2].rstrip() if index - 2 >= start else ""
        over = bool(above) and above == line.rstrip()
        if not _is_title(title, line, over=over) or (above and not over):
            continue
        style = (line[0], over)
        if style not in styles:
            styles.append(style)
        first = index - 2 if over else index - 1
        headings.append(Heading(first, index, styles.index(style) + 1, plain_heading(title)))
    return Outline(tuple(h for h in headings if h.text), ())


def _is_title(title: str, adornment: str, *, over: bool) -> bool:
    if not title.strip() or _ADORNMENT.fullmatch(title):
        return False
    if title[0].isspace() and not over:
        return False
    return len(adornment.rstrip()) >= min(len(title.rstrip()), 4)


def _plain(lines: Lines, start: int) -> Outline:
    """Plain text: only a line underlined along its whole length counts, any other mark may be content."""
    found = _underlined(lines, start)
    whole = [h for h in found.headings if len(lines[h.last].rstrip()) >= len(lines[h.last - 1].strip())]
    return Outline(tuple(h for h in whole if lines[h.last][0] in "=-~*#^"), ())


def _asciidoc(lines: Lines, start: int) -> Outline:
    headings: list[Heading] = []
    verbatim: list[tuple[int, int]] = []
    block, opened = "", 0
    for index in range(start, len(lines)):
        line = lines[index]
        if block:
            if line.rstrip() == block:
                verbatim.append((opened, index))
                block = ""
        elif delimiter := _ADOC_BLOCK.fullmatch(line.rstrip(_BLANKS)):
            block, opened = delimiter[1], index
        elif heading := _ADOC.fullmatch(line.rstrip(_BLANKS)):
            headings.append(Heading(index, index, len(heading[1]), plain_heading(heading[2])))
    if block:
        verbatim.append((opened, len(lines) - 1))
    return Outline(tuple(headings), tuple(verbatim))


_READERS: Final[dict[str, Callable[[Lines, int], Outline]]] = {
    ".md": _markdown,
    ".markdown": _markdown,
    ".mdx": _markdown,
    ".rst": _underlined,
    ".adoc": _asciidoc,
    ".asciidoc": _asciidoc,
}
