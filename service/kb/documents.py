"""From the bytes of a file to a document: title, topic, front matter and passages with line ranges. Pure."""

import codecs
import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

from service.kb import front_matter, passages
from service.kb.front_matter import FrontMatter
from service.kb.headings import Outline, outline
from service.kb.lines import Lines
from service.kb.passages import Passage

DEFAULT_TOPIC: Final = "general"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Document:
    """A text file that can be searched and read.

    `name` is its relative path with forward slashes, `revision` the SHA-256 of its bytes in hex, `lines` the
    number of lines, `size` the number of bytes. `text` is the whole decoded text without a byte order mark.
    `warnings` say what about the file its author should mend.
    """

    name: str
    title: str
    topic: str
    description: str
    tags: tuple[str, ...]
    aliases: tuple[str, ...]
    revision: str
    lines: int
    size: int
    text: str
    passages: tuple[Passage, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotText:
    """A file that cannot be indexed: `detail` tells people why, `line` (from 1) is where."""

    detail: str
    line: int


def parse(name: str, data: bytes) -> Document | NotText:
    """Read the file `name` with the content `data`. Never raises."""
    text = _decode(data)
    if isinstance(text, NotText):
        return text
    lines = Lines.of(text)
    front = front_matter.parse(lines)
    sections = sections_of(name, lines, front)
    first = sections.headings[0].text if sections.headings else ""
    return Document(
        name=name,
        title=front.title or first or _readable(name),
        topic=front.topic or _folder(name),
        description=front.description,
        tags=front.tags,
        aliases=front.aliases,
        revision=hashlib.sha256(data).hexdigest(),
        lines=len(lines),
        size=len(data),
        text=text,
        passages=passages.cut(lines, sections, front.lines),
        warnings=front.warnings,
    )


def sections_of(name: str, lines: Lines, front: FrontMatter) -> Outline:
    """Headings and verbatim blocks below the front matter. What closes a broken one underlines no heading."""
    found = outline(lines, PurePosixPath(name).suffix.lower(), front.lines)
    if front.rule is None:
        return found
    return replace(found, headings=tuple(heading for heading in found.headings if heading.last != front.rule))


def _decode(data: bytes) -> str | NotText:
    """UTF-8 with or without byte order mark, or UTF-16 with one; anything else, and any NUL, is not text."""
    encoding = "utf-16" if data.startswith(_UTF16) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        why = f"byte {error.start} is not {error.encoding.upper()}: {error.reason}"
        return NotText(why, data.count(b"\n", 0, error.start) + 1)
    nul = text.find("\0")
    if nul >= 0:
        return NotText(f"NUL at character {nul}", text.count("\n", 0, nul) + 1)
    return text


def _folder(name: str) -> str:
    parts = PurePosixPath(name).parts
    return parts[0] if len(parts) > 1 else DEFAULT_TOPIC


def _readable(name: str) -> str:
    """The file name as a title: `sse-and-events.md` -> `Sse and events`."""
    path = PurePosixPath(name)
    words = " ".join(re.split(r"[-_\s]+", path.stem)).strip() or path.name
    return words[:1].upper() + words[1:]
