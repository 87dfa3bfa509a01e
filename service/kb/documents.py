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

__all__ = ["Document", "Passage", "Unreadable", "decode", "parse"]

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
class Unreadable:
    """A file that cannot be indexed: `reason` is a stable word (not_text, too_large), `detail` is for people."""

    reason: str
    detail: str


def parse(name: str, data: bytes, *, max_bytes: int | None = None) -> Document | Unreadable:
    """Read the file `name` with the content `data`. Never raises: what cannot be read is Unreadable."""
    if max_bytes is not None and len(data) > max_bytes:
        return Unreadable("too_large", f"{len(data)} bytes, at most {max_bytes} are indexed")
    text = decode(data)
    if isinstance(text, Unreadable):
        return text
    lines = Lines.of(text)
    front = front_matter.parse(lines)
    sections = _outline(name, lines, front)
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


def decode(data: bytes) -> str | Unreadable:
    """UTF-8 with or without byte order mark, or UTF-16 with one; anything else, and any NUL, is not text."""
    encoding = "utf-16" if data.startswith(_UTF16) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        return Unreadable("not_text", f"byte {error.start} is not {error.encoding.upper()}: {error.reason}")
    nul = text.find("\0")
    if nul >= 0:
        return Unreadable("not_text", f"NUL at character {nul}")
    return text


def _outline(name: str, lines: Lines, front: FrontMatter) -> Outline:
    found = outline(lines, PurePosixPath(name).suffix.lower(), front.lines)
    if front.rule is None:
        return found
    return replace(found, headings=tuple(heading for heading in found.headings if heading.last != front.rule))


def _folder(name: str) -> str:
    parts = PurePosixPath(name).parts
    return parts[0] if len(parts) > 1 else DEFAULT_TOPIC


def _readable(name: str) -> str:
    """The file name as a title: `sse-and-events.md` -> `Sse and events`."""
    path = PurePosixPath(name)
    words = " ".join(re.split(r"[-_\s]+", path.stem)).strip() or path.name
    return words[:1].upper() + words[1:]
