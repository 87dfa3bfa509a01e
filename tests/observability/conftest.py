"""A folder with the small knowledge base, and Prometheus' own programs."""

import os
import shutil
from pathlib import Path

import pytest

from tests.architecture.source import ROOT
from tests.e2e.conftest import write_documents


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a small knowledge base in it, for a server of the test's own."""
    return write_documents(tmp_path)


def program(name: str) -> str:
    """Path of `prometheus` or `promtool`. Without it the test is skipped; where CI is `true` it fails."""
    unpacked = ROOT / ".tools/prometheus/usr/bin"
    if path := shutil.which(name, path=f"{unpacked}{os.pathsep}{os.environ.get('PATH', '')}"):
        return path
    reason = f"no {name}: scripts/test fetches it where it may, else apt-get install prometheus"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def prometheus() -> str:
    return program("prometheus")


@pytest.fixture(scope="session")
def promtool() -> str:
    return program("promtool")
