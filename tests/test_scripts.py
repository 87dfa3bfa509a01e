"""The project scripts: they start, say what is missing, and the coverage floors hold what they promise."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

SCRIPTS = ("scripts/run", "scripts/test", "scripts/lint", ".ci/run")
FLOORS = ("service/errors.py", "service/chats/store.py", "service/kb/query.py", "service/agent/loop.py")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of the scripts alone, with nothing installed beside them."""
    shutil.copytree(ROOT / "scripts", tmp_path / "clone" / "scripts")
    return tmp_path / "clone"


def start(script: Path, *arguments: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run a script that finds only the programs in `path`."""
    bash = shutil.which("bash") or "bash"
    return subprocess.run(
        [bash, script, *arguments],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def programs(folder: Path, **texts: str) -> Path:
    """A folder of programs: the few the scripts build on, and one of `texts` under each name."""
    folder.mkdir()
    for name in ("bash", "dirname", "rm"):
        (folder / name).symlink_to(shutil.which(name) or name)
    for name, text in texts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_can_be_called_and_says_what_it_is_for(script: str) -> None:
    first, purpose = (ROOT / script).read_text("utf-8").splitlines()[:2]

    assert os.access(ROOT / script, os.X_OK)
    assert first == "#!/usr/bin/env bash"
    assert purpose.startswith("# ")


def test_without_python_the_scripts_say_what_to_install(clone: Path, tmp_path: Path) -> None:
    done = start(clone / "scripts/run", path=programs(tmp_path / "bin"))

    assert done.returncode == 1
    assert "Python 3.11 or newer" in done.stderr
    assert "apt-get install python3" in done.stderr


def test_a_python_that_is_too_old_is_not_taken(clone: Path, tmp_path: Path) -> None:
    done = start(clone / "scripts/run", path=programs(tmp_path / "bin", python3="exit 1"))

    assert done.returncode == 1
    assert "found none" in done.stderr


def test_a_python_without_pip_is_told_apart_from_no_python(clone: Path, tmp_path: Path) -> None:
    bare = f'case "$*" in *importlib*) exit 1 ;; *) exec {sys.executable} "$@" ;; esac'

    done = start(clone / "scripts/run", path=programs(tmp_path / "bin", python3=bare))

    assert done.returncode == 1
    assert "neither ensurepip nor pip" in done.stderr


def test_a_uv_on_the_path_is_used_when_it_is_recent(clone: Path, tmp_path: Path) -> None:
    uv = 'if [ "$1" = --version ]; then echo "uv 0.99.0 (x)"; else echo "uv $*; $UV_SYSTEM_CERTS" >&2; exit 1; fi'

    done = start(clone / "scripts/run", path=programs(tmp_path / "bin", uv=uv))

    assert done.returncode == 1
    trusted = "true" if Path("/etc/ssl/certs/ca-certificates.crt").exists() else ""  # its own authorities
    assert f"uv sync --locked --no-dev --inexact --compile-bytecode; {trusted}\n" in done.stderr
    assert not (clone / ".tools").exists()


def test_relative_folders_count_from_where_the_caller_stands(clone: Path, tmp_path: Path) -> None:
    path = programs(tmp_path / "bin", uv='if [ "$1" = --version ]; then echo "uv 0.99.0"; fi')
    agent = clone / ".venv/bin/kb-agent"
    agent.parent.mkdir(parents=True)
    agent.write_text('#!/bin/sh\necho "$KNOWLEDGE_DIR" "$PWD" "$@"\n')
    agent.chmod(0o755)

    done = subprocess.run(
        [clone / "scripts/run", "--knowledge-dir", "notes", "--data-dir=/srv/data", "--port", "0"],
        cwd=tmp_path,
        env={"PATH": str(path), "KNOWLEDGE_DIR": "my notes"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    expected = (
        f"{tmp_path}/my notes {clone} serve --knowledge-dir {tmp_path}/notes --data-dir=/srv/data --port 0\n"
    )
    assert done.stdout == expected
    assert done.stderr == ""


def test_an_old_uv_on_the_path_is_not_used(clone: Path, tmp_path: Path) -> None:
    done = start(clone / "scripts/run", path=programs(tmp_path / "bin", uv='echo "uv 0.4.30"'))

    assert done.returncode == 1
    assert "needs Python" in done.stderr


def test_lint_refuses_an_option_it_does_not_know(clone: Path, tmp_path: Path) -> None:
    done = start(clone / "scripts/lint", "--fast", path=programs(tmp_path / "bin"))

    assert done.returncode == 1
    assert "--fix" in done.stderr


def test_the_scripts_install_the_uv_that_builds_the_project_without_a_download() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    series = re.search(r"^series=(\S+)", (ROOT / "scripts/bootstrap.sh").read_text("utf-8"), re.MULTILINE)

    assert series is not None
    assert project["build-system"]["requires"][0].startswith(f"uv_build>={series[1]},")


@pytest.mark.parametrize(
    ("lines", "branches", "complaint"),
    [
        ((95, 100), (19, 20), ""),
        ((100, 100), (0, 0), ""),
        ((94, 100), (0, 0), "statements 94.0 %"),
        ((99, 100), (18, 20), "branches 90.0 %"),
    ],
)
def test_a_module_below_its_coverage_floor_fails_the_gate(
    tmp_path: Path, lines: tuple[int, int], branches: tuple[int, int], complaint: str
) -> None:
    done = check_coverage(tmp_path, {FLOORS[0]: (lines, branches)} | whole(FLOORS[1:]))

    assert done.returncode == bool(complaint)
    assert complaint in done.stdout


def test_a_module_that_was_not_measured_fails_the_gate(tmp_path: Path) -> None:
    done = check_coverage(tmp_path, whole(FLOORS[1:]))

    assert done.returncode == 1
    assert done.stdout == "service/errors.py: not measured\n"


def test_a_run_that_left_no_coverage_report_fails_the_gate(tmp_path: Path) -> None:
    assert check_coverage(tmp_path, None).returncode == 1


Covered = dict[str, tuple[tuple[int, int], tuple[int, int]]]


def whole(modules: Iterable[str]) -> Covered:
    """Modules that are covered wholly."""
    return dict.fromkeys(modules, ((10, 10), (2, 2)))


def check_coverage(folder: Path, covered: Covered | None) -> subprocess.CompletedProcess[str]:
    """Check the floors on a report like coverage.py's: covered and total lines and branches of each module."""
    report = folder / "coverage.json"
    if covered is not None:
        names = ("covered_lines", "num_statements", "covered_branches", "num_branches")
        files = {
            module: {"summary": dict(zip(names, (*lines, *branches), strict=True))}
            for module, (lines, branches) in covered.items()
        }
        report.write_text(json.dumps({"files": files}))
    command = [sys.executable, str(ROOT / "scripts/check_coverage.py"), str(report)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
