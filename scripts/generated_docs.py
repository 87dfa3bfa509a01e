"""Write what follows from other files: tables of README.md, .env.example, docs/openapi.json, rules for Kubernetes.

A table's rows come from the code. Where the code does not hold the words too, those of the README are kept.
"""

import ast
import difflib
import functools
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

import typer
from prometheus_client.metrics import MetricWrapperBase
from pydantic.fields import FieldInfo

from service import __version__, cli
from service.agent.failures import FAILURES
from service.api import problems
from service.app import create_app
from service.chats.events import EventType
from service.settings import Settings
from service.telemetry import Metrics

ROOT: Final = Path(__file__).resolve().parents[1]
METHODS: Final = ("get", "post", "put", "patch", "delete")
_BLOCK: Final = re.compile(r"(<!-- scripts/docs: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_PROVIDER: Final = re.compile(r"^### ([^\n]+)\n(?:(?!^#).)*?^```dotenv\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_UNTOLD: Final = "?"  # a meaning that is not written yet
_WITHIN: Final = frozenset({"turn_ended"})  # a conflict that ends a stale attempt and never becomes a response
_GROUPS: Final[tuple[tuple[str, str], ...]] = (
    ("Language model", r"llm_(?!max_calls|max_tool_calls)\w+"),
    ("Turns", r"\w*turns?\w*|llm_max_calls|llm_max_tool_calls"),
    ("Knowledge base", r"knowledge_dir|kb_\w+|search_\w+|tool_\w+"),
    ("Server and storage", r"(?!log_)\w+"),
    ("Log", r"log_\w+"),
)


@functools.cache
def openapi() -> dict[str, Any]:
    """The OpenAPI document, whatever the environment says."""
    return create_app(Settings.model_construct(), Metrics(__version__, "")).openapi()


def grouped_settings() -> Mapping[str, Mapping[str, FieldInfo]]:
    """Every setting in its group: variable -> field. The first group whose pattern fits takes it."""
    groups: dict[str, dict[str, FieldInfo]] = {name: {} for name, _ in _GROUPS}
    for name, field in Settings.model_fields.items():
        group = next(title for title, pattern in _GROUPS if re.fullmatch(pattern, name))
        groups[group][name.upper()] = field
    return groups


def default_of(field: FieldInfo) -> str:
    """A setting's default as one writes it into the environment, '' where there is none."""
    value = field.default
    return "" if value is None else str(value).lower() if isinstance(value, bool) else f"{value}"


def commands() -> Mapping[str, typer.core.TyperCommand]:
    """The subcommands of kb-agent by name; those of a group by both names."""
    group: Any = typer.main.get_command(cli.app)
    found: dict[str, typer.core.TyperCommand] = {}
    for name, command in group.commands.items():
        within = getattr(command, "commands", None)
        found |= {f"{name} {word}": part for word, part in within.items()} if within else {name: command}
    return found


def metrics() -> Iterator[tuple[str, MetricWrapperBase]]:
    """The service's own metrics, each with its name as it is exposed."""
    for metric in vars(Metrics(__version__, "")).values():
        if isinstance(metric, MetricWrapperBase):
            family = next(iter(metric.describe()))
            yield family.name + ("_total" if family.type == "counter" else ""), metric


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
    for path in sorted((ROOT / "service").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                given = [getattr(argument, "value", None) for argument in node.args]
                named = [(word.arg, getattr(word.value, "value", None)) for word in node.keywords]
                yield node.func.id, [*given, *named]


def _endpoints(_: str) -> Iterator[Sequence[str]]:
    yield "Call", "Does"
    for path, operations in openapi()["paths"].items():
        for method in (name for name in METHODS if name in operations):
            yield f"`{method.upper()} {path}`", _sentence(operations[method]["description"])


def _settings(_: str) -> Iterator[Sequence[str]]:
    yield "Variable", "Default", "Meaning"
    for title, fields in grouped_settings().items():
        yield f"**{title}**", "", ""
        for name, field in fields.items():
            default = default_of(field)
            yield f"`{name}`", f"`{default}`" if default else "", meaning_of(field)


def meaning_of(field: FieldInfo) -> str:
    """What a setting is for, with the values it takes where they are a closed list."""
    choices = ""
    if get_origin(field.annotation) is Literal:
        choices = " One of " + ", ".join(f"`{choice}`" for choice in get_args(field.annotation)) + "."
    return f"{field.description}{choices}"


def _metrics(_: str) -> Iterator[Sequence[str]]:
    yield "Metric", "Kind", "Labels", "Meaning"
    for name, metric in metrics():
        family = next(iter(metric.describe()))
        labels: Sequence[str] = vars(metric)["_labelnames"]
        yield f"`{name}`", family.type, ", ".join(f"`{label}`" for label in labels), family.documentation


def _commands(_: str) -> Iterator[Sequence[str]]:
    yield "Command", "Does"
    for name, command in commands().items():
        words = [_usage(vars(parameter)) for parameter in command.params]
        yield f"`{' '.join(['kb-agent', name, *words])}`", _sentence(command.help or "")


def _usage(parameter: Mapping[str, Any]) -> str:
    option = parameter["opts"][0]
    if not option.startswith("-"):
        return str(parameter["name"]).upper()
    value = "" if parameter["is_flag"] else f" {parameter['metavar'] or parameter['name'].upper()}"
    return f"[{option}{value}]"


def _events(block: str) -> Iterator[Sequence[str]]:
    yield "Event", "Data", "Told when"
    for kind in EventType:
        yield f"`{kind}`", *_kept(block, f"`{kind}`", 2)


def _problems(block: str) -> Iterator[Sequence[str]]:
    yield "Code", "Status", "Meaning"
    for code, status in problem_codes().items():
        yield f"`{code}`", str(status), _kept(block, f"`{code}`", 2)[-1]


def _failures(_: str) -> Iterator[Sequence[str]]:
    yield "Code", "Ask again", "What it says"
    for code, (retryable, detail) in failure_codes().items():
        yield f"`{code}`", "may help" if retryable else "does not help", detail


def _sentence(text: str) -> str:
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())


def _kept(block: str, key: str, count: int) -> list[str]:
    """The words that the README has beside `key`."""
    for line in block.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and cells[0] == key:
            return cells[1:]
    return [_UNTOLD] * count


_TABLES: Final[Mapping[str, Callable[[str], Iterable[Sequence[str]]]]] = {
    "endpoints": _endpoints,
    "commands": _commands,
    "events": _events,
    "problems": _problems,
    "failures": _failures,
    "settings": _settings,
    "metrics": _metrics,
}


def _table(rows: Iterable[Sequence[str]]) -> str:
    head, *body = rows
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body)]
    return "\n".join(re.sub(r"\|(?:  \|)+", lambda gap: gap[0].replace("  ", " "), line) for line in lines)


def _readme(text: str) -> str:
    absent = set(_TABLES) - {match[2] for match in _BLOCK.finditer(text)}
    if absent:
        raise SystemExit(f"README.md: no place for {', '.join(sorted(absent))}: <!-- scripts/docs: NAME -->")
    return _BLOCK.sub(lambda block: block[1] + _table(_TABLES[block[2]](block[3])) + "\n" + block[4], text)


def providers(readme: str) -> Mapping[str, str]:
    """The environment lines of README.md that point the service at a model, by provider."""
    return {match[1]: match[2] for match in _PROVIDER.finditer(readme)}


def _example(readme: str) -> str:
    parts = [
        "# Settings of kb-agent. Copy this file to .env and uncomment what shall differ from the defaults.",
        "# Written by scripts/docs from service/settings.py and README.md.",
        "\n# ==== A language model: one of these blocks. Without any the built-in reader answers by quoting. ====",
    ]
    for name, lines in providers(readme).items():
        parts += [f"\n# {name}", *(f"#{line}" for line in lines.splitlines())]
    for title, fields in grouped_settings().items():
        parts.append(f"\n# ==== {title} ====")
        for name, field in fields.items():
            parts.append(f"\n# {meaning_of(field).replace('`', '')}\n#{name}={default_of(field)}")
    return "\n".join(parts) + "\n"


def _prometheus_rule(rules: Path) -> str:
    """The rules as the Prometheus Operator takes them: kustomize cannot put a file into an object's field."""
    head = """# Written by scripts/docs from deploy/prometheus/rules.yaml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: kb-agent
  labels:
    app.kubernetes.io/name: kb-agent
spec:
"""
    lines = rules.read_text("utf-8").splitlines()
    return head + "".join(f"  {line}".rstrip() + "\n" for line in lines if not line.startswith("#"))


def wanted(root: Path = ROOT) -> Mapping[str, str]:
    """What each written file should hold, by its path."""
    readme = _readme((root / "README.md").read_text("utf-8"))
    return {
        "README.md": readme,
        ".env.example": _example(readme),
        "docs/openapi.json": json.dumps(openapi(), indent=1, ensure_ascii=False) + "\n",
        "k8s/components/monitoring/rules.yaml": _prometheus_rule(ROOT / "deploy/prometheus/rules.yaml"),
    }


def stale(root: Path = ROOT) -> Iterator[str]:
    """Yield a diff for every file that is not what it should be, and a line for every meaning that is missing."""
    for name, text in wanted(root).items():
        path = root / name
        before = path.read_text("utf-8") if path.exists() else ""
        if before != text:
            yield "\n".join(difflib.unified_diff(before.splitlines(), text.splitlines(), name, name, lineterm=""))
        if f"| {_UNTOLD} |" in text:
            yield f"{name}: a meaning is still {_UNTOLD!r}"


def write(root: Path = ROOT) -> None:
    """Write each file as it should be."""
    for name, text in wanted(root).items():
        (root / name).write_text(text, "utf-8")


def main() -> int:
    """Write the files; with --check only tell what is stale. 1 when something is, or a meaning is missing."""
    if sys.argv[1:] != ["--check"]:
        write()
    found = list(stale())
    print("\n".join(found) if found else "the documents are as the code says")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
