"""What service code may do: no SQL in strings, no environment, no `try` in endpoints, nothing at import."""

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Final

from tests.architecture.source import (
    Function,
    Module,
    calls,
    docstrings,
    dotted,
    functions,
    last,
    lines,
)

ENDPOINT_LINES: Final = 15
BROAD_EXCEPTS: Final = 3

_SQL: Final = re.compile(
    r"\bSELECT\b.*\bFROM\b|\b(INSERT|REPLACE)\s+(OR\s+\w+\s+)?INTO\b|\bUPDATE\b.*\bSET\b|\bDELETE\s+FROM\b"
    r"|\b(CREATE|DROP|ALTER)\s+(UNIQUE\s+|VIRTUAL\s+|TEMP\s+)?(TABLE|INDEX|TRIGGER|VIEW)\b",
    re.DOTALL,
)
_STATEMENT: Final = re.compile(
    r"\s*(SELECT|INSERT|REPLACE|UPDATE|DELETE|CREATE|DROP|ALTER|WITH|VALUES|EXPLAIN|REINDEX)\b", re.IGNORECASE
)
_VERBS: Final = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "api_route", "websocket"})
_BROAD: Final = frozenset({"Exception", "BaseException"})
_FILES: Final = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "touch", "unlink"}
_LOOKS: Final = {"exists", "is_file", "is_dir", "iterdir", "glob", "rglob", "load_queries", "Settings"}
_OPENS: Final = {
    "connect",
    "create_connection",
    "urlopen",
    "open_database",
    "Client",
    "AsyncClient",
    "AsyncOpenAI",
}
_STARTS: Final = {"run", "start", "Popen", "check_call", "check_output", "create_task", "FastAPI", "StaticFiles"}
_EFFECTS: Final = frozenset(_FILES | _LOOKS | _OPENS | _STARTS)  # names of calls that do more than define
_DECLARATIONS: Final = frozenset({"add_typer", "include_router", "model_rebuild"})


def no_sql(modules: Sequence[Module]) -> Iterator[str]:
    """SQL stands in .sql files; a string in Python holds at most PRAGMA and transaction control."""
    for module in modules:
        skipped = docstrings(module.tree)
        texts = [node for node in ast.walk(module.tree) if node not in skipped and _SQL.search(_text(node))]
        run = [
            call.args[0]
            for call in calls(module.tree)
            if _runs_sql(call) and _STATEMENT.match(_text(call.args[0]))
        ]
        yield from dict.fromkeys(module.at(node, "SQL belongs in service/sql") for node in (*texts, *run))


def environment_in_settings(modules: Sequence[Module]) -> Iterator[str]:
    """Only settings.py reads the environment."""
    for module in modules:
        if module.path == "service/settings.py":
            continue
        for node in ast.walk(module.tree):
            if dotted(node) in ("os.environ", "os.environb", "os.getenv") or _imports_environment(node):
                yield module.at(node, "the environment is read in settings.py")


def plain_endpoints(modules: Sequence[Module]) -> Iterator[str]:
    """An endpoint holds no `try`: problems.py turns errors into answers."""
    for module in modules:
        for endpoint in _endpoints(module):
            if any(isinstance(node, ast.Try | ast.TryStar) for node in ast.walk(endpoint)):
                yield module.at(endpoint, f"endpoint {endpoint.name} handles errors itself")


def short_endpoints(modules: Sequence[Module]) -> Iterator[str]:
    """An endpoint is at most ENDPOINT_LINES long: signature and body, without decorators and docstring."""
    for module in modules:
        for endpoint in _endpoints(module):
            docstring = endpoint.body[0] if ast.get_docstring(endpoint) else None
            count = lines(endpoint) - (lines(docstring) if docstring else 0)
            if count > ENDPOINT_LINES:
                yield module.at(endpoint, f"endpoint {endpoint.name} has {count} lines, at most {ENDPOINT_LINES}")


def no_thread_a_request(modules: Sequence[Module]) -> Iterator[str]:
    """Endpoints and dependencies are coroutines: FastAPI gives a plain function a thread for each request."""
    for module in modules:
        depends = [call for call in calls(module.tree) if last(call.func) == "Depends" and call.args]
        asked = {*_endpoints(module)} | {dotted(call.args[0]) for call in depends}
        for function in functions(module.tree):
            if isinstance(function, ast.FunctionDef) and {function, function.name} & asked:
                yield module.at(function, f"{function.name} is a plain function, and takes a thread a request")


def few_broad_excepts(modules: Sequence[Module]) -> Iterator[str]:
    """At most BROAD_EXCEPTS places catch everything."""
    found = [module.at(node, "catches everything") for module in modules for node in _broad(module.tree)]
    if len(found) > BROAD_EXCEPTS:
        yield from found


def import_does_nothing(modules: Sequence[Module]) -> Iterator[str]:
    """Importing a module defines things; it opens, reads, connects and starts nothing."""
    for module in modules:
        if module.path == "service/__main__.py":  # the program itself; nobody imports it
            continue
        for node in _run_at_import(module.tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                if last(node.value.func) not in _DECLARATIONS | _EFFECTS:
                    yield module.at(node, f"calls {last(node.value.func)} at import")
            elif isinstance(node, ast.Call) and last(node.func) in _EFFECTS:
                yield module.at(node, f"calls {last(node.func)} at import")


def _imports_environment(node: ast.AST) -> bool:
    if not isinstance(node, ast.ImportFrom) or node.module != "os":
        return False
    return any(alias.name in ("environ", "environb", "getenv") for alias in node.names)


def _runs_sql(call: ast.Call) -> bool:
    return last(call.func) in ("execute", "executemany", "executescript") and bool(call.args)


def _text(node: ast.AST) -> str:
    """The literal text of a string, of an f-string with its holes left out, of a sum of strings."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return " ".join(_text(value) for value in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
        return _text(node.left) + _text(node.right)
    return ""


def _endpoints(module: Module) -> Iterator[Function]:
    for function in functions(module.tree):
        called = (mark.func for mark in function.decorator_list if isinstance(mark, ast.Call))
        if any(isinstance(mark, ast.Attribute) and mark.attr in _VERBS for mark in called):
            yield function


def _broad(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            if any(kind is None or last(kind) in _BROAD for kind in kinds):
                yield node
        if isinstance(node, ast.Call) and last(node.func) == "suppress" and _BROAD & set(map(last, node.args)):
            yield node


def _run_at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """What runs at import: of a function its decorators and defaults, of a lambda nothing."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
            waiting.extend(node.orelse)
        elif isinstance(node, Function):
            waiting.extend([*node.decorator_list, node.args])
        elif not isinstance(node, ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))
