"""A live index over an empty folder, with and without a watch."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kb.live import DEFAULT_SETTLE, USUAL, Live, live


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[Live]:
    """Nothing watches: the test reconciles."""
    (tmp_path / "knowledge").mkdir()
    async with live(tmp_path / "knowledge", tmp_path / "data") as found:
        yield found


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Live]:
    """Watched as in service, with the default settings but for the timed scan."""
    root, data = tmp_path / "knowledge", tmp_path / "data"
    root.mkdir()
    async with live(root, data, watch="auto", intervals=USUAL, settle=DEFAULT_SETTLE) as found:
        yield found
