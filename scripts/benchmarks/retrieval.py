"""How well search finds, over the whole path: files, reconciler, passages, index, search, documents.

    scripts/bench retrieval DIR [--failures N]

DIR holds a collection in BEIR layout: `corpus.jsonl` {id, title, text}, `queries.jsonl` {id, text},
`qrels.tsv` (query, document, gain; no header). Times are CPU milliseconds of the whole process for one search with
ten hits.
"""

import argparse
import asyncio
import contextlib
import json
import math
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.database import open_database
from service.kb.folder import Folder
from service.kb.index import Reconciler
from service.kb.search import KnowledgeBase
from service.kb.tidying import Tidying

DEPTH = 10
_ENDINGS = frozenset({".md"})


@dataclass(frozen=True, slots=True)
class Collection:
    """Questions with the gain of each document that answers them, the documents named as files."""

    queries: tuple[tuple[str, str], ...]
    gains: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search returned, by name of the document, and what it cost in CPU milliseconds."""

    query: str
    documents: tuple[str, ...]
    gains: Mapping[str, float]
    cpu_ms: float


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench retrieval", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--failures", type=int, default=0, metavar="N", help="show N queries that did worst")
    options = parser.parse_args(argv)
    outcomes = asyncio.run(measure(options.directory))
    print(report(outcomes))
    for outcome in sorted(outcomes, key=ndcg)[: options.failures]:
        print(f"{ndcg(outcome):.3f}  {outcome.query!r}  wanted {sorted(outcome.gains)}")
    return 0


async def measure(directory: Path) -> list[Outcome]:
    """Index a collection in a temporary place and ask every question of it that has an answer."""
    collection = read_collection(directory)
    with tempfile.TemporaryDirectory() as place:
        write_corpus(directory / "corpus.jsonl", Path(place, "knowledge"))
        async with open_index(Path(place, "knowledge"), Path(place, "data")) as kb:
            return [await _ask(kb, text, collection.gains[key]) for key, text in collection.queries]


@contextlib.asynccontextmanager
async def open_index(folder: Path, data: Path) -> AsyncIterator[KnowledgeBase]:
    """Index a folder, print what that took, tidy the index as the service does, and search it."""
    async with open_database(data) as database:
        async with Reconciler(database, Folder(folder, _ENDINGS, 5_000_000), settle=0.0) as index:
            started, cpu = time.perf_counter(), time.process_time()
            await index.reconcile()
            seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        await Tidying(database).tidy()
        passages = await database.read(lambda c: c.execute("SELECT count(*) FROM passages").fetchone()[0])
        print(
            f"indexed {passages} passages in {seconds:.2f} s, {passages / cpu:.0f} a CPU second, "
            f"database {database.file_bytes() / 1e6:.1f} MB"
        )
        yield KnowledgeBase(database, search_timeout=5.0)


def read_collection(directory: Path) -> Collection:
    """Read queries and gains; queries without any document are left out."""
    gains: dict[str, dict[str, float]] = defaultdict(dict)
    for line in (directory / "qrels.tsv").read_text("utf-8").splitlines():
        query, document, gain = line.split("\t")
        if float(gain) > 0:
            gains[query][file_name(document)] = float(gain)
    queries = ((str(entry["id"]), entry["text"]) for entry in _entries(directory / "queries.jsonl"))
    return Collection(tuple((key, text) for key, text in queries if key in gains), gains)


def write_corpus(corpus: Path, folder: Path) -> None:
    """Write each document as a Markdown file, its title as the heading."""
    folder.mkdir(parents=True)
    for entry in _entries(corpus):
        title = " ".join(str(entry.get("title") or "").split())
        heading = f"# {title}\n\n" if title else ""
        (folder / file_name(str(entry["id"]))).write_text(f"{heading}{entry['text']}\n", "utf-8")


def file_name(document: str) -> str:
    """The name of a document as a file: every id has its own, whatever is in it."""
    safe = "".join(c if c.isalnum() or c in "-_." else f"%{ord(c):x}" for c in document)
    return f"{safe.lstrip('.')}.md"


def report(outcomes: Sequence[Outcome]) -> str:
    """The figures on one line."""
    costs = sorted(outcome.cpu_ms for outcome in outcomes)
    return (
        f"nDCG@{DEPTH} {statistics.fmean(map(ndcg, outcomes)):.4f}  "
        f"recall@{DEPTH} {statistics.fmean(map(recall, outcomes)):.4f}  "
        f"MRR@{DEPTH} {statistics.fmean(map(reciprocal_rank, outcomes)):.4f}  "
        f"p50 {costs[len(costs) // 2]:.1f} ms  p99 {costs[int(len(costs) * 0.99)]:.1f} ms"
    )


def ndcg(outcome: Outcome) -> float:
    """Normalised discounted cumulative gain, gains as they are, as in trec_eval (Järvelin 2002)."""
    ideal = _discounted(sorted(outcome.gains.values(), reverse=True))
    return _discounted([outcome.gains.get(name, 0.0) for name in outcome.documents]) / ideal


def recall(outcome: Outcome) -> float:
    """The share of the relevant documents that were returned."""
    return len(set(outcome.documents[:DEPTH]) & set(outcome.gains)) / len(outcome.gains)


def reciprocal_rank(outcome: Outcome) -> float:
    """One divided by the rank of the first relevant document, 0 where there is none."""
    ranks = (rank for rank, name in enumerate(outcome.documents[:DEPTH], 1) if name in outcome.gains)
    return 1 / next(ranks, math.inf)


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains[:DEPTH], 1))


async def _ask(kb: KnowledgeBase, text: str, gains: Mapping[str, float]) -> Outcome:
    started = time.process_time()
    result = await kb.search(text, limit=DEPTH)
    cpu_ms = (time.process_time() - started) * 1000
    return Outcome(text, tuple(hit.document for hit in result.hits), gains, cpu_ms)


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
