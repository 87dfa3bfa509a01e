"""Standard output and error: plain when not a terminal, and never a character that a terminal would obey."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Screen(Console):
    """A console for text of documents and models, neither of which is trusted."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, soft_wrap=True, markup=False)

    def out(
        self,
        *objects: Any,
        sep: str = " ",
        end: str = "\n",
        style: str | Style | None = None,
        highlight: bool | None = None,
    ) -> None:
        """Print text as it is, but for control characters."""
        super().out(
            *(self._tame(str(item)) for item in objects), sep=sep, end=end, style=style, highlight=highlight
        )

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render without control characters of the text's own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(self._tame(segment.text), segment.style)

    def columns(self, rows: Sequence[Sequence[str]]) -> None:
        """Print rows under a first one with the names; nothing is cut, however narrow the terminal."""
        widths = [max(cell_len(cell) for cell in column) for column in zip(*rows, strict=True)]
        for number, row in enumerate(rows):
            line = "  ".join(set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True))
            self.print(Text(line.rstrip(), style="" if number else "bold"))

    def json(self, value: Any) -> None:
        """Print JSON for programs."""
        text = json.dumps(value, ensure_ascii=False, indent=2)
        self.out(_CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text))

    def json_line(self, value: Any) -> None:
        """Print JSON on one line."""
        self.out(json.dumps(value))

    def _tame(self, text: str) -> str:
        return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text) if self.is_terminal else text
