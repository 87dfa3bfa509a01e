"""Source files as the rules see them: a path, its text, its syntax tree."""

import ast
import fnmatch
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file; `path` is relative to the project, with slashes."""

    path: str
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """Dotted name: service.kb.search; a package is named by its folder."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def at(self, node: ast.AST, complaint: str) -> str:
        """A breach with its place."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {complaint}"


Rule = Callable[[Sequence[Module]], Iterable[str]]


def parse(path: str, text: str) -> Module:
    """Parse one file."""
    return Module(path, text, ast.parse(text, path))


@functools.cache
def modules(folder: str) -> tuple[Module, ...]:
    """Every Python file below a folder of the project, in order."""
    paths = sorted(path for path in files() if path.startswith(f"{folder}/") and _is_python(path))
    return tuple(parse(path, (ROOT / path).read_text("utf-8")) for path in paths)


@functools.cache
def files() -> tuple[str, ...]:
    """Every file of the project that .gitignore does not name, whether git knows it yet or not."""
    lines = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    ignored = [line.strip("/") for line in lines if line and not line.startswith("#")] + [".git"]
    return tuple(sorted(_walk(ROOT, ignored)))


def _walk(folder: Path, ignored: Sequence[str]) -> Iterator[str]:
    for path in folder.iterdir():
        if any(fnmatch.fnmatch(path.name, pattern) for pattern in ignored):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path, ignored)
        else:
            yield path.relative_to(ROOT).as_posix()


def _is_python(path: str) -> bool:
    if "." in Path(path).name:
        return path.endswith(".py")
    return (ROOT / path).read_bytes().startswith(b"#!") and b"python" in (ROOT / path).read_bytes().split(b"\n")[0]


def functions(tree: ast.AST) -> Iterator[Function]:
    """Every function and method, nested ones too."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Every call."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def dotted(node: ast.AST) -> str:
    """`a.b.c` for a chain of names; the part that is a name where it hangs on an expression, '' where none is."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}".strip(".")
    return ""


def last(node: ast.AST) -> str:
    """The last name of a chain: c of a.b.c."""
    return dotted(node).rpartition(".")[2]


def lines(node: Function | ast.stmt) -> int:
    """How many lines it has: a function from its `def`, without decorators."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def docstrings(tree: ast.AST) -> set[ast.expr]:
    """The expressions that are docstrings."""
    owners = (node for node in ast.walk(tree) if isinstance(node, Function | ast.ClassDef | ast.Module))
    return {
        node.body[0].value
        for node in owners
        if ast.get_docstring(node, clean=False) is not None and isinstance(node.body[0], ast.Expr)
    }
