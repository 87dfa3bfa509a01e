"""The YAML block at the top of a text file: title, topic, tags, description, aliases."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import yaml

from service.kb.lines import Lines

MAX_CHARS: Final = 16_384
MAX_DEPTH: Final = 8
MAX_VALUE_CHARS: Final = 500
MAX_ITEMS: Final = 64

_FIELDS: Final = ("title", "topic", "description", "tags", "aliases")
_FIELD: Final = re.compile(rf"(?:{'|'.join(_FIELDS)})\s*:", re.IGNORECASE)
_ALIKE: Final = 0.8  # of 1: `titel`, `topics`, `tag` are near a field, `status` is not
# A name and its value on one line, without quotes or brackets, and without a comment after it.
_UNQUOTED: Final = re.compile(
    r"""^([\w.-]+[ \t]*:)[ \t]+([^\s"'\[{|>&*!#](?:(?![ \t]#)[^\r\n])*)(?:[ \t]+#[^\r\n]*)?""", re.MULTILINE
)
_IN_QUOTES: Final = "put the value in quotes"
# What authors do most often, by how the parser complains of it.
_ADVICE: Final = {
    "mapping values are not allowed": 'put a value that holds ": " in quotes',
    "cannot start any token": _IN_QUOTES,
    "tab character": "indent with spaces",
    "did not find expected key": _IN_QUOTES,
    "block sequence entries": _IN_QUOTES,
    "end of stream": "close what was opened: a quote or a bracket",
    "did not find expected ',' or": "close what was opened: a quote or a bracket",
}

# The C parser is about ten times faster; both read every scalar as text, so that `title: 1.10` stays 1.10.
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class _RefusedError(yaml.YAMLError):
    """What is YAML, but no front matter."""


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """What the author declared.

    `lines` is how many lines the block takes, 0 where there is none or it is broken; `rule` is then the line
    (from 0) that was to close it, which is no underline of a heading.
    """

    lines: int = 0
    rule: int | None = None
    title: str = ""
    topic: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def parse(lines: Lines) -> FrontMatter:
    """Read the block between two `---` lines at the top. One that cannot be read stays text, with a warning."""
    end = _closing_line(lines)
    if end is None:
        opened = len(lines) > 1 and lines[0].rstrip() == "---" and _FIELD.match(lines[1])
        return FrontMatter(
            warnings=("front matter is not closed: a line `---` is missing below it",) if opened else ()
        )
    if end < 0:
        return FrontMatter(warnings=(f"front matter is not closed within {MAX_CHARS} characters",))
    source = lines.text[lines.starts[1] : lines.starts[end]]
    if not source.strip():
        return FrontMatter(lines=end + 1)
    values, problem = _read(source)
    warnings = [problem] if problem else []
    if values is None:
        return FrontMatter(rule=end, warnings=tuple(warnings))
    return _fields(values, end + 1, warnings)


def _closing_line(lines: Lines) -> int | None:
    """Index of the closing line, None where no block begins, -1 where it never ends."""
    if len(lines) < 2 or lines[0].rstrip() != "---":
        return None
    for index in range(1, len(lines)):
        if lines[index].rstrip() in {"---", "..."}:
            return index
        if lines.ends[index] > MAX_CHARS:
            return -1
    return None


def _read(source: str) -> tuple[dict[str, object] | None, str]:
    """The values of a block, None where it is refused, and what its author should mend.

    Where YAML takes offence at a value without quotes, as in `title: Backups: how and when`, it is read as text.
    """
    problem = ""
    for text in (source, _UNQUOTED.sub(r"\1 >-\n  \2", source)):
        try:
            return _load(text), problem
        except yaml.YAMLError as error:
            problem = problem or _explain(error)
    return None, problem


def _load(source: str) -> dict[str, object]:
    _check(source)
    loader = _Loader(source)
    try:
        data = loader.get_single_data()
    finally:
        loader.dispose()
    if not isinstance(data, dict):
        raise _RefusedError("front matter is not a mapping of names to values, as in `title: Ports`")
    return {key.strip().lower(): value for key, value in data.items() if isinstance(key, str)}


def _check(source: str) -> None:
    """Refuse, before anything is built, what makes small files huge: aliases and deep nesting."""
    depth = 0
    for event in yaml.parse(source, Loader=_Loader):
        if getattr(event, "anchor", None) is not None:
            raise _RefusedError(
                "front matter with anchors or aliases is refused; put a value that begins with * or & in quotes"
            )
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _RefusedError(f"front matter is nested deeper than {MAX_DEPTH} levels")


def _explain(error: yaml.YAMLError) -> str:
    if isinstance(error, _RefusedError):
        return str(error)
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or "cannot be read"
    where = f" at line {mark.line + 2}" if mark is not None else ""
    advice = next((f"; {advice}" for part, advice in _ADVICE.items() if part in what), "")
    return f"front matter is not valid YAML{where}: {what.removesuffix(' in this context')}{advice}"


def _misspelt(names: Iterable[str]) -> Iterator[str]:
    """Names that are nearly those of fields: their values would go unread without a word."""
    for name in names:
        near = get_close_matches(name, _FIELDS, 1, _ALIKE) if name not in _FIELDS else ()
        yield from (f"front matter: `{name}` is not read; did you mean `{field}`?" for field in near)


def _fields(values: dict[str, object], lines: int, warnings: list[str]) -> FrontMatter:
    warnings += _misspelt(values)
    return FrontMatter(
        lines=lines,
        title=_text(values, "title", warnings),
        topic=_text(values, "topic", warnings),
        description=_text(values, "description", warnings),
        tags=_list(values, "tags", warnings),
        aliases=_list(values, "aliases", warnings),
        warnings=tuple(warnings),
    )


def _text(values: dict[str, object], name: str, warnings: list[str]) -> str:
    value = values.get(name, "")
    if not isinstance(value, str):
        warnings.append(f"front matter: {name} must be text")
        return ""
    return _clean(value)


def _list(values: dict[str, object], name: str, warnings: list[str]) -> tuple[str, ...]:
    value = values.get(name, "")
    items: object = value.split(",") if isinstance(value, str) else value
    listed = items if isinstance(items, list) else [None]
    if not all(isinstance(item, str) for item in listed):
        warnings.append(f"front matter: {name} must be a list of texts")
    texts = [_clean(item) for item in listed[:MAX_ITEMS] if isinstance(item, str)]
    return tuple(dict.fromkeys(text for text in texts if text))


def _clean(value: str) -> str:
    text = " ".join(value.split())[:MAX_VALUE_CHARS]
    return "" if text in {"~", "null"} else text
