"""Fixtures for all tests."""

import shutil

import pytest

from tests.missing import missing


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium. Without one the test is skipped; where CI is `true` it fails."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    reason = "no chromium on PATH: scripts/test installs it where it may, else apt-get install chromium"
    return found or missing(reason)
