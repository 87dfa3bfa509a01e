"""A text with the positions of its lines, so that a range of lines is always cut verbatim."""

import re
from dataclasses import dataclass
from itertools import accumulate

# Only these three end a line, as in editors; str.splitlines would also cut at form feeds and U+2028.
_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Lines:
    """`starts[i]:ends[i]` is line i (from 0) without its line end; a trailing line end opens no further line."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> "Lines":
        """Find the lines of `text`, ended by LF, CRLF or CR in any mixture."""
        if "\r" not in text:
            return cls._of_newlines(text)
        starts = [0]
        ends = []
        for match in _LINE_END.finditer(text):
            ends.append(match.start())
            starts.append(match.end())
        if starts[-1] == len(text):
            starts.pop()
        else:
            ends.append(len(text))
        return cls(text, tuple(starts), tuple(ends))

    @classmethod
    def _of_newlines(cls, text: str) -> "Lines":
        """The usual case, several times faster."""
        lengths = [len(line) for line in text.split("\n")]
        if not lengths[-1]:
            lengths.pop()
        ends = tuple(position - 1 for position in accumulate(length + 1 for length in lengths))
        starts = (0, *(end + 1 for end in ends[:-1])) if ends else ()
        return cls(text, starts, ends)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> str:
        return self.text[self.starts[index] : self.ends[index]]

    def cut(self, first: int, last: int) -> str:
        """The text from line `first` to line `last` (from 0, inclusive), inner line ends as they are."""
        return self.text[self.starts[first] : self.ends[last]]
