"""What a folder of N documents takes of a machine: starts, memory, disk, a backup, a restore.

    scripts/bench sizing [N]

The documents are made up, of 600 words and about 3.5 KB each (scripts/bench scale tells how); without N it is the
sample knowledge. Each line tells the seconds on the clock and those of CPU; on a busy machine the latter stand.
"""

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx2

from scripts.benchmarks.scale import passage, question, read_words, write_folder
from scripts.benchmarks.turn import KNOWLEDGE, Contender, program

_PASSAGES = 10  # of a document
_QUESTIONS = 20
_READY = 3600.0  # seconds


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench sizing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("documents", type=int, nargs="?", default=0)
    documents = parser.parse_args(argv).documents
    words = read_words(KNOWLEDGE)
    chance = random.Random(1)  # noqa: S311 - the same folder every time
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        folder = place / "knowledge" if documents else KNOWLEDGE
        if documents:
            write_folder(folder, words, documents * _PASSAGES, chance)
        files = [path.stat().st_size for path in folder.rglob("*.md")]
        print(f"{len(files)} documents, {sum(files) / 1e6:.2f} MB")
        _measure(place, folder, [question(passage(words, chance), chance) for _ in range(_QUESTIONS)])
    return 0


def _measure(place: Path, folder: Path, questions: Sequence[str]) -> None:
    data, restored, copy = place / "data", place / "restored", place / "copy.db"
    with _started("first start to ready", folder, data) as service:
        for text in questions:
            _ask(service, text)
        print(f"memory after {len(questions)} questions: {service.memory():.0f} MB")
    size = sum(path.stat().st_size for path in data.glob("kb-agent.db*"))
    print(f"on disk after a clean stop: {size / 1e6:.1f} MB")
    with _started("restart to ready", folder, data) as service:
        for text in questions:
            _ask(service, text)
        print(f"memory after {len(questions)} questions: {service.memory():.0f} MB")
        _timed("backup beside the service", lambda: _command(data, "backup", copy))
    _timed("restore", lambda: _command(restored, "restore", copy))
    with _started("then to ready", folder, restored):
        pass


@contextlib.contextmanager
def _started(label: str, folder: Path, data: Path) -> Iterator[Contender]:
    """Run the service, say what it took to be ready; stop it and wait for its end."""
    settings = {"KNOWLEDGE_DIR": str(folder), "DATA_DIR": str(data), "LOG_LEVEL": "warning"}
    began = time.perf_counter()
    with program("service", "serve", "--port", "0", **settings) as (address, pid):
        service = Contender(label, address, pid)
        while httpx2.get(f"{address}/readyz", timeout=_READY).status_code != httpx2.codes.OK:
            if time.perf_counter() - began > _READY:
                raise TimeoutError(label)
            time.sleep(0.1)
        print(f"{label}: {time.perf_counter() - began:.1f} s, {service.cpu():.1f} s of CPU", flush=True)
        yield service


def _ask(service: Contender, text: str) -> None:
    with httpx2.Client(base_url=service.base_url, timeout=120) as http:
        chat = http.post("/api/chats").json()["id"]
        http.post(f"/api/chats/{chat}/messages", json={"content": text}).raise_for_status()


def _command(data: Path, name: str, file: Path) -> None:
    command = [sys.executable, "-m", "service", name, str(file)]
    subprocess.run(command, env={**os.environ, "DATA_DIR": str(data)}, check=True, stdout=subprocess.DEVNULL)


def _timed(label: str, work: Callable[[], None]) -> None:
    """Say what a program took that is run to its end."""
    began, before = time.perf_counter(), os.times()
    work()
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    print(f"{label}: {time.perf_counter() - began:.1f} s, {cpu:.1f} s of CPU", flush=True)
