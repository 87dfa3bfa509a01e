"""The documents say what the code does: names exist, tables are complete, links lead somewhere."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.routing import Match

from scripts import generated_docs
from scripts.reading import error_codes
from service import settings
from service.api.schemas import CitationOut, MessageOut
from service.app import create_app
from service.chats.events import EventType
from service.settings import Settings
from service.telemetry import Metrics
from tests.architecture.source import ROOT
from tests.documents import README, REFERENCE, Document, document, documents

# Variables of other programs that the documents speak of.
FOREIGN = {
    "COMPOSE_PROFILES",
    "OLLAMA_CONTEXT_LENGTH",
    "OLLAMA_HOST",
    "OLLAMA_KEEP_ALIVE",
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SDK_DISABLED",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "SSL_CERT_FILE",
    "XDG_STATE_HOME",
    # examples of identifiers in a text
    "ERR_CONN_RESET",
}


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app(Settings.model_construct(), Metrics("0", ""))


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings come from what a test gives them."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_written_files_are_what_the_code_says() -> None:
    assert "\n".join(generated_docs.stale()) == ""


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("README.md", "| `PORT` | `8000` |", "| `PORT` | `8080` |"),
        ("docs/reference.md", "| `GET /api/chats` |", "| `GET /api/talks` |"),
        ("docs/reference.md", "| `PORT` | `8000` |", "| `PORT` | `8080` |"),
        ("docs/reference.md", "| `kb_agent_turns_open` |", "| `kb_agent_turns_running` |"),
        (".env.example", "#PORT=8000", "#PORT=8080"),
        ("docs/openapi.json", '"openapi": "3.2.0"', '"openapi": "3.1.0"'),
    ],
)
def test_a_stale_file_is_found_and_written_anew(tmp_path: Path, path: str, old: str, new: str) -> None:
    for name in generated_docs.wanted():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    text = (tmp_path / path).read_text("utf-8")
    assert old in text
    (tmp_path / path).write_text(text.replace(old, new), "utf-8")

    assert [line for line in "\n".join(generated_docs.stale(tmp_path)).splitlines() if new in line]

    generated_docs.write(tmp_path)
    assert (tmp_path / path).read_text("utf-8") == text


def test_a_name_without_a_meaning_is_found(tmp_path: Path) -> None:
    for name in generated_docs.wanted():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    text = (ROOT / REFERENCE).read_text("utf-8")
    (tmp_path / REFERENCE).write_text(re.sub(r"^\| `chat.deleted` .*\n", "", text, flags=re.MULTILINE), "utf-8")

    generated_docs.write(tmp_path)

    assert list(generated_docs.stale(tmp_path)) == ["docs/reference.md: a meaning is still '?'"]


@pytest.mark.parametrize("change", [("settings", "nothing"), ("settings", "metrics")])
def test_a_table_that_is_missing_unknown_or_twice_is_refused(tmp_path: Path, change: tuple[str, str]) -> None:
    (tmp_path / "docs").mkdir()
    for name in generated_docs.DOCUMENTS:
        old, new = (f"<!-- scripts/docs: {word} -->" for word in change)
        (tmp_path / name).write_text((ROOT / name).read_text("utf-8").replace(old, new), "utf-8")

    with pytest.raises(SystemExit, match=f"not one place for {change[1]}, settings"):
        generated_docs.wanted(tmp_path)


def test_every_setting_named_exists() -> None:
    known = {name.upper() for name in Settings.model_fields} | FOREIGN
    unknown = [named.at(f"{name} is no setting") for named in documents() for name in named.settings - known]
    assert unknown == []


def test_every_metric_named_exists() -> None:
    known = {name for name, _ in generated_docs.metrics()} | {"kb_agent_build_info"}
    unknown = [named.at(f"{name} is no metric") for named in documents() for name in named.metrics - known]
    assert unknown == []


def test_every_event_named_exists() -> None:
    known = {kind.value for kind in EventType}
    unknown = [named.at(f"{name} is no event") for named in documents() for name in named.events - known]
    assert unknown == []


def test_every_endpoint_named_exists(app: FastAPI) -> None:
    unknown = [
        named.at(f"nothing answers {method} {path}")
        for named in documents()
        for method, path in sorted(named.endpoints)
        if not answers(app, method, path)
    ]
    assert unknown == []


def answers(app: FastAPI, method: str, path: str) -> bool:
    """Whether a route takes this call; without a method, whether any does, or several begin with the address."""
    if not method and any(known.startswith(f"{path}/") for known in generated_docs.openapi()["paths"]):
        return True
    for verb in [method] if method else ["GET", "POST", "PUT", "PATCH", "DELETE"]:
        scope = {"type": "http", "method": verb, "path": path, "headers": [], "root_path": ""}
        if any(route.matches(scope)[0] is Match.FULL for route in app.routes):
            return True
    return False


def test_every_command_and_option_named_exists() -> None:
    assert [wrong for named in documents() for wrong in unknown_commands(named)] == []


def unknown_commands(named: Document) -> Iterator[str]:
    """Uses of kb-agent that it would not understand."""
    commands = generated_docs.commands()
    for name, options in named.commands:
        if any(known.startswith(f"{name} ") for known in commands):
            continue
        if name not in commands:
            yield named.at(f"kb-agent has no command {name}")
            continue
        known = {option for parameter in commands[name].params for option in parameter.opts} | {"--help"}
        yield from (named.at(f"kb-agent {name} has no option {option}") for option in set(options) - known)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Run `kb-agent reindex`.", "no command reindex"),
        ("```sh\nkb-agent ask --stream x\n```\n", "no option --stream"),
    ],
)
def test_a_command_that_does_not_exist_is_found(text: str, complaint: str) -> None:
    assert [wrong for wrong in unknown_commands(Document("x.md", text)) if complaint in wrong]


def test_every_relative_link_leads_to_a_file_and_heading() -> None:
    assert [wrong for named in documents() for wrong in broken_links(named)] == []


def broken_links(named: Document) -> Iterator[str]:
    """Links to what is not there."""
    for link in named.links:
        path, _, anchor = link.partition("#")
        target = (ROOT / named.path).parent / path if path else ROOT / named.path
        if not target.exists():
            yield named.at(f"{link} leads nowhere")
        elif anchor and anchor not in Document(link, target.read_text("utf-8")).anchors:
            yield named.at(f"{link}: there is no such heading")


def test_every_decision_is_listed_numbered_and_complete() -> None:
    listed, numbers = document("docs/decisions/README.md").text.splitlines(), []
    for path in sorted((ROOT / "docs/decisions").glob("[0-9]*")):
        record = document(f"docs/decisions/{path.name}")
        number, title = re.match(r"# (\d+)\. (.+)\n", record.text).groups()  # type: ignore[union-attr]
        numbers.append(int(number))
        assert path.name.startswith(f"{int(number):04d}-")
        assert f"{number}. [{title}]({path.name})" in listed
        assert re.search(r"^2\d{3}-\d\d-\d\d · accepted(; amended by \[.+)?$", record.text, re.MULTILINE)
        assert re.findall(r"^## (.+)$", record.text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
        assert len(record.text.splitlines()) <= 40, path.name
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("provider", ["Ollama", "OpenRouter", "OpenAI", "llama.cpp", "vLLM"])
def test_the_readme_has_lines_for_the_provider(provider: str) -> None:
    assert provider in generated_docs.providers(document(README).text)


@pytest.mark.parametrize("lines", [f.text for f in document(README).fences if f.language == "dotenv"])
def test_environment_lines_of_the_readme_are_settings_that_start_the_service(tmp_path: Path, lines: str) -> None:
    (tmp_path / ".env").write_text(lines, "utf-8")

    loaded = settings.load(_env_file=tmp_path / ".env")

    given = dict(line.split("=", 1) for line in lines.splitlines())
    assert loaded.model_fields_set == {name.lower() for name in given}
    assert (str(loaded.llm_base_url), loaded.llm_model) == (given["LLM_BASE_URL"], given["LLM_MODEL"])


def test_the_example_file_uncommented_is_the_defaults(tmp_path: Path) -> None:
    example = (ROOT / ".env.example").read_text("utf-8")
    lines = re.findall(r"^#([A-Z_]+=.*)$", example, re.MULTILINE)
    own = lines[-len(Settings.model_fields) :]
    assert sorted(line.partition("=")[0] for line in own) == sorted(name.upper() for name in Settings.model_fields)
    assert not re.search(r"^[^#\n]", example, re.MULTILINE)
    (tmp_path / ".env").write_text("\n".join(own), "utf-8")

    assert settings.load(_env_file=tmp_path / ".env") == settings.load(_env_file=None)


def test_the_reference_shows_an_answer_with_all_of_its_fields() -> None:
    (shown,) = (fence.text for fence in document(REFERENCE).fences if fence.language == "json")
    answer = MessageOut.model_validate_json(shown, strict=True)

    assert answer.model_fields_set == set(MessageOut.model_fields)
    assert answer.citations[0].model_fields_set == set(CitationOut.model_fields)
    lines = (ROOT / "knowledge" / answer.citations[0].document).read_text("utf-8").splitlines()
    assert answer.citations[0].quote in lines[answer.citations[0].start_line - 1]


def test_every_error_code_named_in_the_manual_exists() -> None:
    known = {*error_codes.problem_codes(), *error_codes.failure_codes()}
    named = document("knowledge/chats-and-messages/errors-and-retries.md")
    codes = {span for span in named.spans if re.fullmatch(r"[a-z]+(?:_[a-z]+)+", span)}
    about = {"kb_agent", "message_id", "request_id", "did_you_mean", "max_tokens"}

    assert [named.at(f"{code} is no error code") for code in codes - known - about] == []
