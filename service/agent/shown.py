"""What of an answer in the making may be shown to a client from which nothing can be taken back (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from service.chats.records import Citation

_SURE: Final = 160  # characters; longer than what models say before they call one more tool
_BREAK: Final = "\n\n"


@dataclass(frozen=True, slots=True)
class Placed:
    """A citation and where its marker stands in the text, in characters."""

    citation: Citation
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Piece:
    """More text, and the citations that were found since the last piece."""

    text: str
    citations: tuple[Placed, ...] = ()


class Shown:
    """Holds a beginning back until it is cited, long or final: a model may yet call a tool instead.

    Where it does so later, what was shown stands as a paragraph of its own before the answer.
    """

    def __init__(self) -> None:
        self._text = ""
        self._sent = 0
        self._before = 0  # characters that were shown and then withdrawn
        self._placed: list[Placed] = []
        self._told = 0

    @property
    def citations(self) -> tuple[Placed, ...]:
        """The citations, placed in the answer's own text."""
        return tuple(self._placed)

    def add(self, text: str, citations: Sequence[Citation]) -> Piece | None:
        """Take more text; `citations` are all so far. Gives what may be shown."""
        start = len(self._text)
        self._text += text
        self._place(citations, start)
        sure = self._sent or self._placed or len(self._text) >= _SURE
        return self._rest() if sure else None

    def withdraw(self) -> Piece | None:
        """The text so far was not the answer."""
        gap = Piece(_BREAK) if self._sent else None
        self._before += self._sent + len(_BREAK) if self._sent else 0
        self._text, self._sent, self._placed, self._told = "", 0, [], 0
        return gap

    def rest(self, citations: Sequence[Citation]) -> Piece | None:
        """The answer has ended: give what was held back."""
        self._place(citations, self._placed[-1].end if self._placed else 0)
        return self._rest()

    def _rest(self) -> Piece | None:
        text, self._sent = self._text[self._sent :], len(self._text)
        new = [
            replace(placed, start=placed.start + self._before, end=placed.end + self._before)
            for placed in self._placed[self._told :]
        ]
        self._told = len(self._placed)
        return Piece(text, tuple(new)) if text or new else None

    def _place(self, citations: Sequence[Citation], start: int) -> None:
        for citation in citations[len(self._placed) :]:
            at = self._text.find(citation.marker, start)
            start = at + len(citation.marker)
            self._placed.append(Placed(citation, at, start))
