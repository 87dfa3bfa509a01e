"""The project's documents as tests see them: fenced blocks, tables, links, and the names they use of the code."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.architecture.source import ROOT

README: Final = "README.md"
REFERENCE: Final = "docs/reference.md"
OPERATIONS: Final = "docs/operations.md"
_FENCE: Final = re.compile(r"^(`{3,})(\w*)[^\n]*\n(.*?)^\1$", re.DOTALL | re.MULTILINE)
_SPAN: Final = re.compile(r"`([^`\n]+)`")
_LINK: Final = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_ENDPOINT: Final = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE) (/[^\s`\"')|,?]*)")
_ADDRESS: Final = re.compile(r"https?://(?:127\.0\.0\.1|localhost):8000(/[^\s`\"')|,?]*)")
_METRIC: Final = re.compile(r"\bkb_agent_[a-z_]+")
_SETTING: Final = re.compile(r"\b(?:LLM|KB)_[A-Z_]+\b")
_UPPER: Final = re.compile(r"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)(?:=.*)?")
_EVENT: Final = re.compile(r"(?:message|turn|step|answer|chat|kb|stream)\.[a-z]+(?:ed|ta|et)")
_COMMAND: Final = re.compile(r"(?:^|bin/|(?<!/)[\s(])kb-agent ((?:keys )?[a-z]+)([^\n|)]*)", re.MULTILINE)
_OPTION: Final = re.compile(r"--[a-z-]+")


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block: its language, its text, the line on which it begins."""

    language: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Document:
    """A Markdown file; `path` is relative to the project."""

    path: str
    text: str

    @property
    def fences(self) -> tuple[Fence, ...]:
        """Its fenced blocks in order."""
        found = _FENCE.finditer(self.text)
        return tuple(Fence(m[2], m[3], self.text.count("\n", 0, m.start()) + 1) for m in found)

    @property
    def prose(self) -> str:
        """What is outside the fenced blocks."""
        return _FENCE.sub("", self.text)

    @property
    def code(self) -> str:
        """Code spans and shell blocks, a line each."""
        blocks = [fence.text for fence in self.fences if fence.language in ("sh", "bash", "ini")]
        return "\n".join([*self.spans, *blocks])

    @property
    def spans(self) -> list[str]:
        """The code spans of the prose."""
        return _SPAN.findall(self.prose)

    @property
    def anchors(self) -> set[str]:
        """What a link into it may name, as GitHub makes it of headings."""
        words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(self.prose))
        return {word.replace(" ", "-") for word in words}

    @property
    def links(self) -> list[str]:
        """Where its relative links lead."""
        return [link for link in _LINK.findall(_SPAN.sub("", self.prose)) if "://" not in link]

    @property
    def endpoints(self) -> set[tuple[str, str]]:
        """Method and path of every endpoint it names; an address without method counts as any."""
        named = {(method, path) for method, path in _ENDPOINT.findall(self.text)}
        return named | {("", path) for path in _ADDRESS.findall(self.text)}

    @property
    def metrics(self) -> set[str]:
        """Every metric it names, without what a histogram adds."""
        return {re.sub(r"_(bucket|sum|count)$", "", name) for name in _METRIC.findall(self.text)}

    @property
    def settings(self) -> set[str]:
        """Every name that looks like a setting: by its prefix anywhere, by its form where it is a code span."""
        spans = {match[1] for span in self.spans if (match := _UPPER.fullmatch(span)) and "_" in match[1]}
        return spans | set(_SETTING.findall(self.text))

    @property
    def events(self) -> set[str]:
        """Every code span that looks like the name of an event."""
        return {span for span in self.spans if _EVENT.fullmatch(span)}

    @property
    def commands(self) -> list[tuple[str, list[str]]]:
        """Every use of kb-agent: the command and the options given."""
        return [(name, _OPTION.findall(rest)) for name, rest in _COMMAND.findall(self.code)]

    def table(self, name: str) -> Mapping[str, Sequence[str]]:
        """A written table: the first cell without backticks -> the cells after it."""
        block = self.text.split(f"<!-- scripts/docs: {name} -->")[1].split("<!-- end -->")[0]
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in block.strip().splitlines()[2:]]
        return {row[0].strip("`"): row[1:] for row in rows}

    def at(self, complaint: str) -> str:
        """A complaint with its place."""
        return f"{self.path}: {complaint}"


def document(path: str) -> Document:
    """Read one document."""
    return Document(path, (ROOT / path).read_text("utf-8"))


def documents() -> Iterator[Document]:
    """The README, the documentation, and the sample knowledge, which is the manual."""
    folders = (ROOT / "docs", ROOT / "knowledge")
    paths = [
        Path(README),
        *(path.relative_to(ROOT) for folder in folders for path in sorted(folder.rglob("*.md"))),
    ]
    for path in paths:
        yield document(path.as_posix())
