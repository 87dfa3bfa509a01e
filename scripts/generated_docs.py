"""Write what follows from other files: tables of the documents, .env.example, docs/openapi.json and more.

A table's rows come from the code. Where the code does not hold the words too, those of the document are kept.
"""

import difflib
import functools
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

import typer
from prometheus_client.metrics import MetricWrapperBase
from pydantic.fields import FieldInfo

from scripts.reading.error_codes import failure_codes, problem_codes
from service import __version__, cli
from service.app import create_app
from service.chats.events import EventType
from service.settings import Settings
from service.telemetry import Metrics

ROOT: Final = Path(__file__).resolve().parents[1]
DOCUMENTS: Final = ("README.md", "docs/reference.md")  # where the tables stand, each in one of them
METHODS: Final = ("get", "post", "put", "patch", "delete")
_BLOCK: Final = re.compile(r"(<!-- scripts/docs: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_PROVIDER: Final = re.compile(r"^### ([^\n]+)\n(?:(?!^#).)*?^```dotenv\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_UNTOLD: Final = "?"  # a meaning that is not written yet
_COMMON: Final = (
    *("KNOWLEDGE_DIR", "DATA_DIR", "HOST", "PORT", "ALLOWED_HOSTS", "ADMIN_KEY", "LLM_BASE_URL", "LLM_MODEL"),
    *("LLM_API_KEY", "LLM_CONTEXT_TOKENS", "KB_WATCH", "MAX_RUNNING_TURNS", "LOG_FORMAT"),
)
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


def _endpoints(_: str) -> Iterator[Sequence[str]]:
    yield "Call", "Does"
    for path, operations in openapi()["paths"].items():
        for method in (name for name in METHODS if name in operations):
            yield f"`{method.upper()} {path}`", _sentence(operations[method]["description"])


def _settings(_: str) -> Iterator[Sequence[str]]:
    yield "Variable", "Default", "Meaning"
    for title, fields in grouped_settings().items():
        yield f"**{title}**", "", ""
        yield from (_setting(name) for name in fields)


def _common(_: str) -> Iterator[Sequence[str]]:
    yield "Variable", "Default", "Meaning"
    yield from (_setting(name) for name in _COMMON)


def _setting(name: str) -> Sequence[str]:
    field = Settings.model_fields[name.lower()]
    default = default_of(field)
    return f"`{name}`", f"`{default}`" if default else "", meaning_of(field)


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
    if not (option := parameter["opts"][0]).startswith("-"):
        name = parameter["metavar"] or parameter["name"].upper() + ("..." if parameter["nargs"] == -1 else "")
        return name if parameter["required"] else f"[{name}]"
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
    """The words that the document has beside `key`."""
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
    "common": _common,
    "settings": _settings,
    "metrics": _metrics,
}


def _table(rows: Iterable[Sequence[str]]) -> str:
    head, *body = rows
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body)]
    return "\n".join(re.sub(r"\|(?:  \|)+", lambda gap: gap[0].replace("  ", " "), line) for line in lines)


def _filled(texts: Mapping[str, str]) -> dict[str, str]:
    """The documents with their tables as they should be."""
    places = Counter(block[2] for text in texts.values() for block in _BLOCK.finditer(text))
    if wrong := sorted(name for name in {*_TABLES, *places} if places[name] != 1 or name not in _TABLES):
        raise SystemExit(f"{', '.join(texts)}: not one place for {', '.join(wrong)}: <!-- scripts/docs: NAME -->")
    return {
        path: _BLOCK.sub(lambda block: block[1] + _table(_TABLES[block[2]](block[3])) + "\n" + block[4], text)
        for path, text in texts.items()
    }


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
    filled = _filled({path: (root / path).read_text("utf-8") for path in DOCUMENTS})
    return filled | {
        ".env.example": _example(filled["README.md"]),
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
