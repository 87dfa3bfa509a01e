"""What a test needs of the machine and does not find there."""

import os
import shutil
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skip the test; where CI is `true`, which has to have everything, it fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def require(*tools: str) -> None:
    """Go on only where these programs are installed."""
    for tool in tools:
        if shutil.which(tool) is None:
            missing(f"no {tool} on PATH: scripts/test installs it where it may, else apt-get install {tool}")
