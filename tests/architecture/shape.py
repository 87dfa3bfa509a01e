"""How large a piece may be, what it is called, and that it says what it is for."""

import ast
from collections.abc import Iterator, Sequence
from typing import Final

from tests.architecture.source import Function, Module, functions, lines

MODULE_LINES: Final = 300
FUNCTION_LINES: Final = 60
SHORT_LINES: Final = 30
SHORT_SHARE: Final = 0.9
ARGUMENTS: Final = 6
VAGUE: Final = frozenset(
    {"base", "common", "core", "data", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}
)


def module_length(modules: Sequence[Module]) -> Iterator[str]:
    """A module is at most MODULE_LINES long."""
    for module in modules:
        count = len(module.text.splitlines())
        if count > MODULE_LINES:
            yield f"{module.path}:1: {count} lines, at most {MODULE_LINES}"


def function_length(modules: Sequence[Module]) -> Iterator[str]:
    """A function is at most FUNCTION_LINES long, from its `def` to its end."""
    for module in modules:
        for function in functions(module.tree):
            if lines(function) > FUNCTION_LINES:
                yield module.at(function, f"{function.name} has {lines(function)} lines, at most {FUNCTION_LINES}")


def mostly_short(modules: Sequence[Module]) -> Iterator[str]:
    """Nine functions in ten are at most SHORT_LINES long."""
    lengths = [lines(function) for module in modules for function in functions(module.tree)]
    short = sum(length <= SHORT_LINES for length in lengths)
    if short < SHORT_SHARE * len(lengths):
        yield f"{short} of {len(lengths)} functions have at most {SHORT_LINES} lines, fewer than nine in ten"


def few_arguments(modules: Sequence[Module]) -> Iterator[str]:
    """A function takes at most ARGUMENTS arguments, self not counted."""
    for module in modules:
        for function in functions(module.tree):
            names = [argument.arg for argument in _arguments(function)]
            count = len(names) - (names[:1] in (["self"], ["cls"]))
            if count > ARGUMENTS:
                yield module.at(function, f"{function.name} takes {count} arguments, at most {ARGUMENTS}")


def telling_names(modules: Sequence[Module]) -> Iterator[str]:
    """A module is named by what is in it, not by its being of use."""
    for module in modules:
        for part in module.name.split("."):
            if part.strip("_") in VAGUE:
                yield f"{module.path}:1: {part!r} does not say what is in it"


def said_what_for(modules: Sequence[Module]) -> Iterator[str]:
    """Every module has a docstring; the empty file that makes a folder of tests a package needs none."""
    for module in modules:
        marker = module.path.startswith("tests/") and module.path.endswith("/__init__.py") and not module.text
        if not marker and not ast.get_docstring(module.tree):
            yield f"{module.path}:1: the module does not say its job"


def public_documented(modules: Sequence[Module]) -> Iterator[str]:
    """Every public class, function and method has a docstring."""
    for module in modules:
        for node in _public(module.tree.body):
            if not ast.get_docstring(node):
                yield module.at(node, f"{node.name} has no docstring")


def _public(body: Sequence[ast.stmt]) -> Iterator[Function | ast.ClassDef]:
    for node in body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_") or _restates(node):
            continue
        yield node
        if isinstance(node, ast.ClassDef):
            yield from _public(node.body)


def _restates(node: Function | ast.ClassDef) -> bool:
    """Whether another definition of the name carries the docstring: overloads and property setters."""
    marks = {decorator.attr if isinstance(decorator, ast.Attribute) else "" for decorator in node.decorator_list}
    names = {decorator.id if isinstance(decorator, ast.Name) else "" for decorator in node.decorator_list}
    return bool((marks | names) & {"overload", "override", "setter", "deleter"})


def _arguments(function: Function) -> list[ast.arg]:
    return [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
