"""Every error code that the service can give, read off the places that make them."""

import ast
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from service.agent.failures import FAILURES
from service.api import problems

_SERVICE: Final = Path(__file__).resolve().parents[2] / "service"
_WITHIN: Final = frozenset({"turn_ended"})  # a conflict that ends a stale attempt and never becomes a response


def problem_codes() -> Mapping[str, int]:
    """Every code of a problem document with its status, read off the places that make them."""
    found = {code: status for status, code in problems._CODES.items()}  # noqa: SLF001 - the table itself
    found |= {"invalid_input": 422, "overloaded": 429}
    for name, arguments in _calls(
        "problem", "AccessRefused", "Overloaded", "Conflict", "NotFound", "InvalidInput"
    ):
        match name, *arguments:
            case "problem", _, int(status), str(code), *_:
                found[code] = status
            case "AccessRefused", str(code), *rest:
                found[code] = 403 if any(word == "scope" for word, _ in filter(None, rest[1:])) else 401
            case "Overloaded", _, _, str(code):
                found[code] = 429
            case "Conflict", str(code), *_ if code not in _WITHIN:
                found[code] = 409
            case "NotFound", str(kind), *_:
                found[f"{kind}_not_found"] = 404
            case "InvalidInput", *_, ("code", str(code)):
                found[code] = 422
    return dict(sorted(found.items(), key=lambda entry: (entry[1], entry[0])))


def failure_codes() -> Mapping[str, tuple[bool, str]]:
    """Every code of an answer that failed: whether asking again may help, and what is said."""
    found = {code: (known.retryable, f"{known.problem}; {known.advice}") for code, known in FAILURES.items()}
    for _, arguments in _calls("ModelError", "Failure"):
        match arguments:
            case [str(code), str(detail), ("retryable", bool(retryable))]:
                found.setdefault(code, (retryable, detail))
    return found


def _calls(*names: str) -> Iterator[tuple[str, list[Any]]]:
    """Calls of these names in the service: constants as they are, keywords as pairs, everything else None."""
    for name, call in _named_calls():
        if name in names:
            given = [getattr(argument, "value", None) for argument in call.args]
            keywords = [(word.arg, getattr(word.value, "value", None)) for word in call.keywords]
            yield name, [*given, *keywords]


@functools.cache
def _named_calls() -> tuple[tuple[str, ast.Call], ...]:
    """Every call of a plain name in the service; it is read once a process."""
    trees = (ast.parse(path.read_text("utf-8")) for path in sorted(_SERVICE.rglob("*.py")))
    calls = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))
    return tuple((call.func.id, call) for call in calls if isinstance(call.func, ast.Name))
