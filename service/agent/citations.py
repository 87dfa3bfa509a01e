"""Markers in an answer's text -> verified citations, while the text streams.

A marker such as `[3]` or `[2, 5]` names passages that a tool returned in this turn. Those that do are renumbered
in order of first use and get a verbatim quote; the rest are removed and counted. Text that could still become a
marker is held back, so that none is ever shown that does not stand.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from service.agent.quotes import find_quote
from service.agent.sources import Source
from service.chats.records import Citation

_HELD_CHARS: Final = 200  # a bracket that has not closed by then is text, and more spaces are none of a marker's
_CLAIM_CHARS: Final = 1_500
_CLOSING: Final = {"[": "]", "【": "】"}
_NUMBERS: Final = re.compile(
    r"\s*(?:(?:passages?|sources?|ids?|refs?)\s*[:#]?\s*|[#^S])?"
    r"(\d{1,3}(?:\s*(?:,|;|&|and|-|–)\s*(?:#|id\s*)?\d{1,3})*)\s*(?:†[^\]】]*)?",
    re.IGNORECASE,
)
_RANGE: Final = re.compile(r"(\d{1,3})\s*[-–]\s*(\d{1,3})")
_FILE_NAME: Final = re.compile(r"[^\s\[\]]+\.(?:md|txt|rst|adoc)", re.IGNORECASE)
_LINES: Final = re.compile(r"(?:,\s*|:|#L?|\s+)(?:lines?\s*)?(\d{1,7})(?:\s*[-–]\s*L?\d{1,7})?\s*$", re.IGNORECASE)
_TICKS: Final = re.compile(r"`+")
_SPECIAL: Final = re.compile(r"[`\[【]")
_IN_LINE: Final = re.compile(r"[`\n]")
_IN_FENCE: Final = re.compile(r"`")
_FENCE: Final = 3  # backticks that open a block
_LINE_END: Final = re.compile(r"\r\n|\n|\r")
_WORD: Final = re.compile(r"\w")


def may_be_marker(inner: str) -> bool:
    """Whether brackets around this text would be taken for a marker, as `[^1]` and `[ports.md:3]` are."""
    lines = _LINES.search(inner)
    name = (inner[: lines.start()] if lines else inner).strip("`\"' ")
    return bool(_NUMBERS.fullmatch(inner) or _FILE_NAME.fullmatch(name))


class CitationFilter:
    """Passes an answer's text through, piece by piece, and collects its citations.

    `nonce` marks the results that the model was given; small models take it for an id.
    """

    def __init__(self, sources: Mapping[int, Source], nonce: str | None = None) -> None:
        self._sources = sources
        self._nonce = nonce
        self._held = ""
        self._claim = ""  # what the last marker stands for
        self._since = ""  # the text since then
        self._line_start = True
        self._code: str = ""  # the run of backticks that opened the code we are in
        self._found: dict[tuple[int, int, int], Citation] = {}
        self.dropped = 0

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The citations so far, in the order of their markers."""
        return tuple(self._found.values())

    def feed(self, text: str) -> str:
        """Take a piece of the answer; give the text that may be shown."""
        self._held += text
        return self._drain(final=False)

    def flush(self) -> str:
        """Give what is still held back; the answer has ended."""
        return self._drain(final=True)

    def _drain(self, *, final: bool) -> str:
        shown: list[str] = []
        while self._held:
            taken = self._next(final=final)
            if taken is None:
                break
            shown.append(taken)
        return "".join(shown)

    def _next(self, *, final: bool) -> str | None:
        """Take one token from what is held: text, a run of backticks, or a marker; None to wait for more."""
        held = self._held
        inline = 0 < len(self._code) < _FENCE
        special = (_IN_LINE if inline else _IN_FENCE if self._code else _SPECIAL).search(held)
        end = special.start() if special else len(held)
        if special and special[0] == "\n":
            return self._text(held[: end + 1])
        body = held[:end]
        gap = min(len(body) - len(body.rstrip(" ")), _HELD_CHARS)
        if gap < len(body):  # spaces stay behind: they go with a marker that goes
            return self._text(body[: len(body) - gap])
        if special is None:
            return self._text(body) if final else None
        if held[end] == "`":
            return self._text(body) if gap else self._backticks(final=final)
        return self._bracket(gap, final=final)

    def _text(self, body: str) -> str:
        self._held = self._held[len(body) :]
        if len(self._code) < _FENCE and self._line_start and body[0] == "\n":
            self._code = ""  # an unclosed inline span ends with its paragraph
        self._since = (self._since + body)[-_CLAIM_CHARS:]
        self._line_start = body.endswith("\n") or (self._line_start and not body.strip(" "))
        return body

    def _backticks(self, *, final: bool) -> str | None:
        match = _TICKS.match(self._held)
        run = match[0] if match else "`"
        if len(run) == len(self._held) and not final:
            return None
        if not self._code:
            self._code = run
        elif (len(run) >= len(self._code) and self._line_start) or (run == self._code and len(run) < _FENCE):
            self._code = ""
        self._held = self._held[len(run) :]
        self._since = (self._since + run)[-_CLAIM_CHARS:]
        self._line_start = False
        return run

    def _bracket(self, gap: int, *, final: bool) -> str | None:
        """Take `gap` spaces and the bracket after them: a marker, or text when it names no passage."""
        held = self._held[gap:]
        end = held.find(_CLOSING[held[0]], 1)
        line = held.find("\n", 1)
        if end < 0 and line < 0 and len(held) <= _HELD_CHARS and not final:
            return None
        closed = 0 < end <= _HELD_CHARS and not 0 <= line < end
        sources = self._named(held[1:end]) if closed else None
        if sources is None:
            return self._text(self._held[: gap + 1])
        spaces, self._held = self._held[:gap], held[end + 1 :]
        if not sources:
            self.dropped += 1
            return ""
        self._line_start = False
        return spaces + "".join(dict.fromkeys(self._cite(source) for source in sources))

    def _named(self, inner: str) -> list[Source] | None:
        """Find the passages a bracket names; None when it is no marker, empty when none of them stands."""
        if inner.strip() == self._nonce:
            return []
        numbers = _NUMBERS.fullmatch(inner)
        if numbers:
            wanted = _expanded(numbers[1])
            found = [self._sources[number] for number in wanted if number in self._sources]
            if found:
                self.dropped += len(wanted) - len(found)
            return found
        return self._by_document(inner.strip())

    def _by_document(self, inner: str) -> list[Source] | None:
        lines = _LINES.search(inner)
        name = (inner[: lines.start()] if lines else inner).strip("`\"' ")
        for candidate, line in ((name, int(lines[1]) if lines else 0), (inner, 0)):
            passages = [source for source in self._sources.values() if source.document == candidate]
            if passages:
                inside = [source for source in passages if source.start_line <= line <= source.end_line]
                return (inside or passages)[:1]
        return [] if _FILE_NAME.fullmatch(name) else None

    def _cite(self, source: Source) -> str:
        if _WORD.search(self._since):  # adjacent markers share the claim before them
            self._claim, self._since = self._since, ""
        start, end = find_quote(self._claim, source.text)
        key = (source.id, start, end)
        if key not in self._found:
            self._found[key] = _citation(f"[{len(self._found) + 1}]", source, start, end)
        return self._found[key].marker


def _expanded(numbers: str) -> list[int]:
    """Read `1, 3` or `2-4`; a span of more than ten is no list of passages and stays two numbers."""
    span = _RANGE.fullmatch(numbers.strip())
    if span and 0 < int(span[2]) - int(span[1]) <= 10:
        return list(range(int(span[1]), int(span[2]) + 1))
    return list(dict.fromkeys(int(number) for number in re.findall(r"\d+", numbers)))


def lines_url(source: Source, first: int, last: int) -> str:
    """Give the address of lines of the passage's document, at the revision it was taken from."""
    lines = f"start_line={first}&end_line={last}&revision={source.revision}"
    return f"/api/kb/documents/{quote(source.document, safe='/')}?{lines}"


def _citation(marker: str, source: Source, start: int, end: int) -> Citation:
    first = source.start_line + len(_LINE_END.findall(source.text[:start]))
    last = first + len(_LINE_END.findall(source.text[start:end]))
    return Citation(
        marker=marker,
        document=source.document,
        title=source.title,
        topic=source.topic,
        heading=source.heading_at(first),
        start_line=first,
        end_line=last,
        quote=source.text[start:end],
        revision=source.revision,
        url=lines_url(source, first, last),
    )
