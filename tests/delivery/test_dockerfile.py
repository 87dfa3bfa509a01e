"""The Dockerfile and its context as texts: what is copied exists, nothing secret or large is sent to the build."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import generated_docs
from service import __version__
from service.settings import Settings
from tests.architecture.source import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
IGNORED = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line and line[0] != "#"]
SECRET = re.compile(r"(^|/)\.env|\.(pem|key|p12|db|sqlite3?|log)$|(^|/)(id_rsa|\.git|\.venv|data)(/|$)")


def sent(path: str) -> bool:
    """Whether .dockerignore lets a path of the project into the context: the last pattern that fits decides."""
    taken = True
    for line in IGNORED:
        pattern = re.escape(line.lstrip("!")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
        pattern = re.sub(r"\\\[(.*?)\\\]", r"[\1]", pattern)
        if re.fullmatch(f"{pattern}(?:/.*)?", path):
            taken = line.startswith("!")
    return taken


def context() -> Iterator[Path]:
    """The files of the working tree that a build is sent."""
    for top in ROOT.iterdir():
        if top.is_file() and sent(top.name):
            yield top
        elif top.is_dir() and top.name not in {".git", ".venv", ".tools"}:
            yield from (f for f in top.rglob("*") if f.is_file() and sent(str(f.relative_to(ROOT))))


def copied() -> Iterator[str]:
    """What the build takes from the context."""
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        yield from line.split()[:-1]
    yield from re.findall(r"--mount=type=bind,source=([^,/][^,]*),", DOCKERFILE)


@pytest.mark.parametrize("path", list(copied()))
def test_what_is_copied_exists_and_is_sent(path: str) -> None:
    assert (ROOT / path).exists()
    assert any(str(file.relative_to(ROOT)) == path or file.is_relative_to(ROOT / path) for file in context())


def test_nothing_secret_large_or_needless_is_sent() -> None:
    files = list(context())

    assert [str(f) for f in files if SECRET.search(str(f.relative_to(ROOT)))] == []
    assert [str(f) for f in files if f.suffix == ".pyc" or "__pycache__" in f.parts] == []
    assert sum(f.stat().st_size for f in files) < 5_000_000
    assert {f.relative_to(ROOT).parts[0] for f in files} == {path.split("/")[0] for path in copied()}


@pytest.mark.parametrize(
    "path", [".env", ".git/config", "data/kb-agent.db", "tests/server.py", "service/__pycache__/x.pyc"]
)
def test_a_file_that_does_not_belong_there_is_not_sent(path: str) -> None:
    assert not sent(path)


def test_the_image_says_the_version_and_uses_the_uv_of_the_scripts() -> None:
    series = re.search(r"^series=(\S+)", (ROOT / "scripts/bootstrap.sh").read_text("utf-8"), re.MULTILINE)

    assert f"\nARG VERSION={__version__}\n" in DOCKERFILE
    assert series is not None
    assert f"\nARG UV_VERSION={series[1]}." in DOCKERFILE


def test_the_image_runs_as_a_number_in_exec_form_and_asks_a_health_address_that_exists() -> None:
    final = DOCKERFILE.rpartition("\nFROM ")[2]

    assert re.search(r"^USER \d+:\d+$", final, re.MULTILINE)
    assert not re.search(r"^(RUN|CMD|ENTRYPOINT|SHELL) [^\[]", final, re.MULTILINE)
    asked = re.search(r"'GET', '(/\w+)'", final)
    assert asked is not None
    assert asked[1] in generated_docs.openapi()["paths"]
    assert f"\nEXPOSE {Settings.model_fields['port'].default}\n" in final
