"""Fixtures for all tests."""

import shutil
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

from tests.missing import missing

SLOW: Final = (
    "tests/chaos",
    "tests/test_readme.py",
    "tests/e2e/test_folder_at_scale.py",
    "tests/e2e/test_untrusted_documents.py",
    "tests/browser",
    "tests/observability",
    "tests/conformance",
    "tests/e2e",
    "tests/access",
)
# The same examples in every run, however slow the machine is: a gate that fails must fail again.
settings.register_profile(
    "gate", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("gate")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slowest files, so that no process is left with one of them at the end."""

    def rank(item: pytest.Item) -> int:
        return next((rank for rank, place in enumerate(SLOW) if item.nodeid.startswith(place)), len(SLOW))

    items.sort(key=rank)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium. Without one the test is skipped; where CI is `true` it fails."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    reason = "no chromium on PATH: scripts/test installs it where it may, else apt-get install chromium"
    return found or missing(reason)
