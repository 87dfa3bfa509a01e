"""Schemathesis against a running server, as each kind of caller: what the OpenAPI document says must hold."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2

from tests.architecture.source import ROOT
from tests.server import Server

ADMIN_KEY: Final = "canary-admin-key-of-the-fuzzer"
_HERE: Final = Path(__file__).parent
_SETTINGS: Final = {"RATE_LIMIT": "0", "RATE_LIMIT_QUESTIONS": "0", "SSE_HEARTBEAT": "1"}
_UNPROTECTED: Final = "ignored_auth"  # this check wants every operation to need a key


@dataclass(frozen=True, slots=True)
class Target:
    """Where to call, with which key; `closed` when a key is needed there."""

    base_url: str
    key: str | None
    closed: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What a run found: whether everything held, how many operations and calls that was, and the words."""

    held: bool
    operations: int
    calls: int
    text: str


@contextmanager
def targets(folder: Path) -> Iterator[Mapping[str, Target]]:
    """Serve the sample knowledge twice, with keys and without: who calls -> what.

    `admin` may do everything, `reader` has the scope `kb` alone, `nobody` shows no key where one is needed.
    """
    with _server(folder / "closed", ADMIN_KEY=ADMIN_KEY) as closed, _server(folder / "open") as opened:
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        made = httpx2.post(
            f"{closed.base_url}/api/keys", json={"name": "reader", "scopes": ["kb"]}, headers=headers
        )
        keys = {"admin": ADMIN_KEY, "reader": str(made.json()["key"]), "nobody": None}
        found = {name: Target(closed.base_url, key, closed=True) for name, key in keys.items()}
        yield {**found, "anonymous": Target(opened.base_url, None, closed=False)}


def _server(folder: Path, **settings: str) -> Server:
    folder.mkdir()
    return Server(folder, {**_SETTINGS, "KNOWLEDGE_DIR": str(ROOT / "knowledge"), **settings})


def check(target: Target, seed: int | None, phases: Sequence[str], examples: int, seconds: float) -> Report:
    """Call every operation in so many ways, chosen by the seed; without one they are always the same."""
    excluded = () if target.closed else ("--exclude-checks", _UNPROTECTED)
    shown = () if target.key is None else ("--header", f"Authorization: Bearer {target.key}")
    chosen = ("--generation-deterministic",) if seed is None else ("--seed", str(seed))
    arguments = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(_HERE / "schemathesis.toml"), "run"),
        *(f"{target.base_url}/openapi.json", "--checks", "all", *excluded, *shown, *chosen),
        *("--phases", ",".join(phases), "--max-examples", str(examples)),
    ]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)
    tested = re.search(r"Tested: (\d+)", done.stdout)
    calls = re.search(r"(\d+) generated", done.stdout)
    held = done.returncode == 0
    return Report(held, int(tested[1]) if tested else 0, int(calls[1]) if calls else 0, done.stdout + done.stderr)
