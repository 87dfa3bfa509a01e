"""What taking in a folder costs those who chat meanwhile: how long a chat's write takes, against an idle service.

    scripts/bench intake [--files N] [--text FOLDER] [--rounds N] [--switch SECONDS]

In one process: chats are created one after another, with a pause between, while nothing else happens and while N
files of ten passages are taken in; rounds alternate. A write ends when it is on disk and its caller goes on, so it
holds the event loop's delay, the queue, the transactions before it and the sync. What counts is the ratio.
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.benchmarks.scale import read_words, write_folder
from service.chats.events import EventLog
from service.chats.store import ChatStore
from service.database import open_database
from service.kb.folder import Folder
from service.kb.index import Reconciler
from service.server import SWITCH_SECONDS

_PAUSE = 0.01
_IDLE = 5.0
_ENDINGS = frozenset({".md"})


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench intake", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=5_000)
    parser.add_argument("--text", type=Path, default=Path("knowledge"), help="a folder of text files")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--switch", type=float, default=SWITCH_SECONDS, help="the interpreter's switch interval")
    options = parser.parse_args(argv)
    sys.setswitchinterval(options.switch)
    asyncio.run(measure(read_words(options.text), options.files, options.rounds))
    return 0


async def measure(words: Sequence[str], files: int, rounds: int) -> None:
    """Make the folder; write while idle and while it is taken in, so many times; print the figures."""
    chance = random.Random(1)  # noqa: S311 - the same folder every time
    idle: list[float] = []
    busy: list[float] = []
    with tempfile.TemporaryDirectory() as place:
        write_folder(Path(place, "knowledge"), words, files * 10, chance)
        for number in range(rounds):
            data = Path(place, f"data-{number}")
            await asyncio.to_thread(data.mkdir)
            idle += await _written(data, Path(place, "empty"), _IDLE)
            busy += await _written(data, Path(place, "knowledge"), 0.0)
    print(_figures("idle", idle))
    print(_figures("meanwhile", busy))
    print(f"ratio p50 {_cut(busy, 50) / _cut(idle, 50):.1f}  p99 {_cut(busy, 99) / _cut(idle, 99):.1f}")


async def _written(data: Path, folder: Path, least: float) -> list[float]:
    """Milliseconds of each write while the folder is taken in, for `least` seconds at any rate."""
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    async with open_database(data) as database:
        store = ChatStore(database, EventLog(database))
        async with Reconciler(database, Folder(folder, _ENDINGS, 5_000_000), settle=0.0) as index:
            end, cpu = time.perf_counter() + least, time.process_time()
            intake = asyncio.create_task(index.reconcile())
            times = []
            while not intake.done() or time.perf_counter() < end:
                await asyncio.sleep(_PAUSE)
                started = time.perf_counter()
                await store.create("bench", None, {})
                times.append((time.perf_counter() - started) * 1000)
            changes = await intake
            if changes.count:
                print(f"{changes.count} files taken in, {time.process_time() - cpu:.1f} CPU s")
    return times


def _figures(label: str, times: Sequence[float]) -> str:
    return (
        f"{label}: {len(times)} writes, p50 {_cut(times, 50):.1f} ms  p99 {_cut(times, 99):.1f} ms  "
        f"most {max(times):.1f} ms"
    )


def _cut(times: Sequence[float], percent: int) -> float:
    return statistics.quantiles(times, n=100)[percent - 1]
