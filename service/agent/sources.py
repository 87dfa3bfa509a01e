"""Passages that tools returned in a turn, which its answer may cite; kept with the step as JSON (pure)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json


@dataclass(frozen=True, slots=True)
class Source:
    """A passage that a tool returned in this turn; the answer cites it by `id`.

    `headings` are for lines that were read: paths of headings with the line from which on each holds.
    """

    id: int
    document: str
    title: str
    topic: str
    heading: str
    start_line: int
    end_line: int
    text: str
    revision: str
    headings: tuple[tuple[int, str], ...] = ()

    def heading_at(self, line: int) -> str:
        """The path of headings above a line."""
        return next((heading for first, heading in reversed(self.headings) if first <= line), self.heading)


def sources_json(sources: Sequence[Source], kb_revision: int | None) -> str:
    """Write passages down for `sources_of`, with the revision of the index they are of."""
    return to_json({"kb_revision": kb_revision, "passages": sources}).decode()


def sources_of(written: str) -> tuple[tuple[Source, ...], int | None]:
    """The passages that were written down, and the index's revision, None where there is none to tell.

    Steps of the model, and of former versions, are a list of passages, these without headings of their lines.
    """
    kept = json.loads(written)
    passages, kb_revision = (kept, None) if isinstance(kept, list) else (kept["passages"], kept["kb_revision"])
    return tuple(map(_source, passages)), kb_revision


def _source(fields: dict[str, Any]) -> Source:
    headings = tuple((line, heading) for line, heading in fields.pop("headings", ()))
    return Source(**fields, headings=headings)
