"""Named queries: every name that is used exists, every one that exists is used and fits the schema."""

import ast
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.architecture.source import Function, Module, calls, functions, last

Library = Mapping[str, Mapping[str, str]]  # package -> name -> SQL

_QUOTED: Final = re.compile(r"--[^\n]*|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")


@dataclass(frozen=True, slots=True)
class Use:
    """A query named in the code; `name` is a pattern where part of it is computed, None where all of it is."""

    module: Module
    node: ast.AST
    packages: frozenset[str]
    name: re.Pattern[str] | None


def unknown(modules: Sequence[Module], library: Library) -> Iterator[str]:
    """A query that the code names exists."""
    for use in _uses(modules):
        if use.name is None:
            yield use.module.at(use.node, "does not tell which query it means")
        elif not any(use.name.fullmatch(name) for package in use.packages for name in library.get(package, ())):
            yield use.module.at(use.node, f"no query {use.name.pattern} in {', '.join(sorted(use.packages))}.sql")


def unused(modules: Sequence[Module], library: Library) -> Iterator[str]:
    """A query that exists is named somewhere."""
    uses = list(_uses(modules))
    for package, queries in library.items():
        patterns = [use.name for use in uses if use.name is not None and package in use.packages]
        for name in queries:
            if not any(pattern.fullmatch(name) for pattern in patterns):
                yield f"service/sql/{package}.sql: nothing uses {name}"


def undescribed(library: Library) -> Iterator[str]:
    """A query begins with a sentence that says what it does."""
    for package, queries in library.items():
        for name, sql in queries.items():
            if not re.match(r"-- \w.*[.:?]\s*$", sql, re.MULTILINE):
                yield f"service/sql/{package}.sql: {name} does not say what it does"


def unfit(connection: sqlite3.Connection, library: Library) -> Iterator[str]:
    """A query is one statement that SQLite can prepare on the schema of `connection`."""
    for package, queries in library.items():
        for name, sql in queries.items():
            try:
                connection.execute(f"EXPLAIN {sql}", _nothing_for(sql))
            except (sqlite3.Error, sqlite3.Warning) as error:
                yield f"service/sql/{package}.sql: {name}: {error}"


def _nothing_for(sql: str) -> Mapping[str, None] | Sequence[None]:
    """NULL for every parameter."""
    bare = _QUOTED.sub("", sql)
    named = re.findall(r"(?<!\w)[:@$](\w+)", bare)
    numbered = [int(number) for number in re.findall(r"\?(\d+)", bare)]
    return dict.fromkeys(named) if named else [None] * (max(numbered, default=0) or bare.count("?"))


def _uses(modules: Sequence[Module]) -> Iterator[Use]:
    for module in modules:
        loads = [call for call in calls(module.tree) if last(call.func) == "load_queries" and call.args]
        packages = frozenset(str(call.args[0].value) for call in loads if isinstance(call.args[0], ast.Constant))
        holders = set(_holders(module.tree))
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Subscript) and _name(node.value) in holders:
                for key in _keys(module.tree, node):
                    yield Use(module, node, packages, _pattern(key))


def _holders(tree: ast.AST) -> Iterator[str]:
    """The names of variables, attributes and functions that hold or return loaded queries."""
    for node in ast.walk(tree):
        value = getattr(node, "value", None)
        if not (isinstance(value, ast.Call) and last(value.func) == "load_queries"):
            continue
        if isinstance(node, ast.Assign):
            yield from (_name(target) for target in node.targets)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
            yield _name(node.target)
        elif isinstance(node, ast.Return):
            yield from (function.name for function in functions(tree) if node in ast.walk(function))


def _name(node: ast.AST) -> str:
    return last(node.func) if isinstance(node, ast.Call) else last(node)


def _keys(tree: ast.AST, use: ast.Subscript) -> Iterator[ast.expr]:
    """What stands in the brackets; for a variable of a function around, what it is set to."""
    if isinstance(use.slice, ast.Constant | ast.JoinedStr):
        return iter([use.slice])
    around = [function for function in functions(tree) if use in ast.walk(function)]
    return _values(tree, around, use.slice)


def _values(tree: ast.AST, around: Sequence[Function], key: ast.expr) -> Iterator[ast.expr]:
    if isinstance(key, ast.IfExp):
        yield from _values(tree, around, key.body)
        yield from _values(tree, around, key.orelse)
    elif isinstance(key, ast.Name):
        sources = [v for f in around for v in (*_set_to(f, key.id), *_passed(tree, f, key.id))]
        for value in sources:  # one variable is followed, not a chain of them
            yield from [value] if isinstance(value, ast.Name) else _values(tree, around, value)
        if not sources:
            yield key
    else:
        yield key


def _set_to(function: Function, name: str) -> Iterator[ast.expr]:
    """What a function assigns to a variable, or lets it run over."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and name in map(_name, node.targets):
            yield node.value
        elif (
            isinstance(node, ast.For)
            and _name(node.target) == name
            and isinstance(node.iter, ast.Tuple | ast.List)
        ):
            yield from node.iter.elts


def _passed(tree: ast.AST, function: Function, name: str) -> Iterator[ast.expr]:
    """What the calls of `function` in this module pass for its parameter `name`."""
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    parameters = names[names[:1] == ["self"] :]
    if name not in parameters:
        return
    index = parameters.index(name)
    for call in calls(tree):
        if last(call.func) == function.name:
            yield from call.args[index : index + 1]
            yield from (keyword.value for keyword in call.keywords if keyword.arg == name)


def _pattern(key: ast.expr) -> re.Pattern[str] | None:
    """A constant as it is, an f-string with \\w+ for its holes."""
    if isinstance(key, ast.Constant):
        return re.compile(re.escape(str(key.value)))
    if isinstance(key, ast.JoinedStr):
        parts = (re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"\w+" for part in key.values)
        return re.compile("".join(parts))
    return None
