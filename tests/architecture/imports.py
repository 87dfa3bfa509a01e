"""Which module may import which: one direction, no cycles, at the top of the file."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.architecture.source import Module, calls, dotted, functions

# Each may import what stands above it. A line is a level: what shares one does not know its neighbour.
LEVELS: Final = (
    ("errors",),
    ("settings",),
    ("telemetry",),
    ("background",),
    ("spacing",),
    ("schema", "sqlite"),
    ("database",),
    ("kb", "chats", "access", "backup"),
    ("agent",),
    ("web", "connections"),
    ("api", "server", "running", "answer_events"),
    ("providers", "housekeeping"),
    ("app",),
    ("client",),
    ("mcp_stdio",),
    ("doctor",),
    ("terminal",),
    ("cli",),
    ("__main__",),
)
RANKS: Final[Mapping[str, int]] = {name: rank for rank, level in enumerate(LEVELS) for name in level}

_HTTP_SERVER: Final = frozenset({"fastapi", "starlette", "uvicorn"})
_NETWORK: Final = _HTTP_SERVER | {"openai", "httpx", "httpx2"}
FOREIGN: Final[Mapping[str, frozenset[str]]] = {  # libraries a part must not know
    "errors": _NETWORK,
    "settings": _NETWORK,
    "schema": _NETWORK,
    "sqlite": _NETWORK,
    "database": _NETWORK,
    "kb": _NETWORK,
    "chats": _NETWORK,
    "access": _NETWORK,
    "agent": _HTTP_SERVER,
}
_LOADS_LATE: Final = (
    "service/app.py",
    "service/cli/",
    "service/client.py",
    "service/providers.py",
)  # optional or heavy parts


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name, in full: `from a import b` is a.b."""

    module: Module
    node: ast.AST
    target: str


def imports(module: Module) -> Iterator[Import]:
    """Every import of a module, wherever it stands."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (Import(module, node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(module, node)
            yield from (Import(module, node, f"{origin}.{alias.name}") for alias in node.names)


def one_way(modules: Sequence[Module]) -> Iterator[str]:
    """A part of the service imports only parts above it in LEVELS, and has a place there."""
    for module in modules:
        part = _part(module.name)
        if part and part not in RANKS:
            yield f"{module.path}:1: {part!r} has no place in LEVELS"
            continue
        for found in imports(module):
            other = _part(found.target)
            if part != other and other in RANKS and RANKS[other] >= RANKS.get(part, -1):
                yield module.at(found.node, f"{part or 'service'} may not import {found.target}")


def no_cycles(modules: Sequence[Module]) -> Iterator[str]:
    """No module imports itself through others."""
    known = {module.name: module for module in modules}
    edges = {
        name: {_resolved(found.target, known) for found in imports(module)} & known.keys() - {name}
        for name, module in known.items()
    }
    for name in sorted(edges):
        if name in _reachable(edges, edges[name]):
            yield f"{known[name].path}:1: {name} is part of an import cycle"


def foreign_libraries(modules: Sequence[Module]) -> Iterator[str]:
    """No web framework below the API, no model or HTTP client below the agent."""
    for module in modules:
        unwanted = FOREIGN.get(_part(module.name), frozenset())
        for found in imports(module):
            library = found.target.partition(".")[0]
            if library in unwanted:
                yield module.at(found.node, f"{_part(module.name)} may not know {library}")


def settings_at_the_top(modules: Sequence[Module]) -> Iterator[str]:
    """Only the composition root and what stands on it, the command line, see the settings object."""
    for module in modules:
        if RANKS.get(_part(module.name), 0) >= RANKS["providers"]:
            continue
        for found in imports(module):
            if found.target.startswith("service.settings"):
                yield module.at(found.node, "take the values you need as arguments, not the settings")


def at_the_top(modules: Sequence[Module]) -> Iterator[str]:
    """No import inside a function."""
    for module in modules:
        if module.path.startswith(_LOADS_LATE):
            continue
        inside = {node for function in functions(module.tree) for node in ast.walk(function)}
        for node in ast.walk(module.tree):
            if node in inside and isinstance(node, ast.Import | ast.ImportFrom):
                yield module.at(node, "import at the top of the module")
        for call in calls(module.tree):
            if dotted(call.func) in ("importlib.import_module", "import_module", "__import__"):
                yield module.at(call, "import by statement, at the top of the module")


def _origin(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    drop = node.level - module.path.endswith("/__init__.py")
    package = module.name.split(".")[: -drop or None]
    return ".".join([*package, *([node.module] if node.module else [])])


def _resolved(target: str, known: Mapping[str, Module]) -> str:
    """The module that an imported name lives in: the longest prefix that is one, '' where none is."""
    while target and target not in known:
        target = target.rpartition(".")[0]
    return target


def _part(name: str) -> str:
    """The part of the service a module belongs to: kb of service.kb.search; '' for others and the package."""
    names = name.split(".")
    return names[1] if names[0] == "service" and len(names) > 1 else ""


def _reachable(edges: Mapping[str, set[str]], start: set[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(edges[name])
    return found
