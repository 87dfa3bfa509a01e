"""What tests may do: no patching, no sleeping."""

import ast
from collections.abc import Iterator, Sequence
from typing import Final

from tests.architecture.source import Function, Module, calls, dotted, last

_PATCHES: Final = frozenset({"setattr", "delattr", "setitem", "delitem"})
_OF_THE_PROCESS: Final = frozenset({"sys"})  # arguments and standard streams may be replaced
_SLEEPS: Final = frozenset({"time.sleep", "asyncio.sleep", "anyio.sleep"})
_MAY_SLEEP: Final = "tests/fake_"  # the scripted model server is slow on purpose
_WAITERS: Final = ("poll", "until", "eventually")


def no_patching(modules: Sequence[Module]) -> Iterator[str]:
    """Nothing is replaced in our code or a library's; the environment and the working directory may change."""
    for module in modules:
        for node in ast.walk(module.tree):
            if complaint := _patch(node):
                yield module.at(node, complaint)
        ours = set(_names_of_service(module.tree))
        for target in _assigned(module.tree):
            if dotted(target).partition(".")[0] in ours:
                yield module.at(target, f"replaces {dotted(target)}")


def no_sleeping(modules: Sequence[Module]) -> Iterator[str]:
    """Tests wait for a condition: only functions that poll for one sleep. `asyncio.sleep(0)` is not sleep."""
    for module in modules:
        if module.path.startswith(_MAY_SLEEP):
            continue
        allowed = {call for function in _waiters(module.tree) for call in calls(function)}
        sleeping = _SLEEPS | set(_imported_sleeps(module.tree))
        for call in calls(module.tree):
            name = dotted(call.func)
            yields = bool(call.args) and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0
            if name in sleeping and call not in allowed and not yields:
                yield module.at(call, "wait for a condition with a deadline")
            elif last(call.func) == "wait_for_timeout":
                yield module.at(call, "wait for a state of the page")


def _patch(node: ast.AST) -> str:
    if isinstance(node, ast.Import) and any(alias.name.startswith("unittest.mock") for alias in node.names):
        return "imports unittest.mock"
    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
        ("unittest.mock", "mock", "pytest_mock")
    ):
        return f"imports {node.module}"
    if isinstance(node, ast.ImportFrom) and node.module == "unittest":
        return "imports unittest.mock" if "mock" in {alias.name for alias in node.names} else ""
    if isinstance(node, ast.arg) and node.arg == "mocker":
        return "takes mocker"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _PATCHES:
        target = dotted(node.args[0]).partition(".")[0] if node.args else ""
        patcher = last(node.func.value)
        if patcher in ("monkeypatch", "patch", "mp", "context") and target not in _OF_THE_PROCESS:
            return f"{patcher}.{node.func.attr} replaces something"
    return ""


def _names_of_service(tree: ast.AST) -> Iterator[str]:
    """What names imported from the service are bound to."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "service":
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            names = (alias for alias in node.names if alias.name.partition(".")[0] == "service")
            yield from (alias.asname or "service" for alias in names)


def _assigned(tree: ast.AST) -> Iterator[ast.Attribute]:
    """The attributes that are assigned to or deleted."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            yield node


def _imported_sleeps(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("time", "asyncio", "anyio"):
            yield from (alias.asname or alias.name for alias in node.names if alias.name == "sleep")


def _waiters(tree: ast.AST) -> Iterator[Function]:
    for node in ast.walk(tree):
        if isinstance(node, Function):
            name = node.name.lstrip("_")
            if name in _WAITERS or name.startswith("wait_"):
                yield node
