"""Passages that tools returned in a turn, which its answer may cite; kept with the step as JSON (pure)."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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


def sources_json(sources: Sequence[Source]) -> str:
    """Write passages down for `sources_of`."""
    return to_json(sources).decode()


def sources_of(written: str) -> Iterator[Source]:
    """The passages that were written down; those of former versions have no headings of their lines."""
    for fields in json.loads(written):
        headings = tuple((line, heading) for line, heading in fields.pop("headings", ()))
        yield Source(**fields, headings=headings)
