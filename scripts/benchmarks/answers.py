"""How well the built-in reader answers, over the whole path: files, index, search, tools, reader, citations.

    scripts/bench answers DIR [--folder FOLDER] [--failures N]

DIR holds `queries.jsonl` with `answers` (any of them counts; an empty list means that the documents do not tell)
and either `corpus.jsonl` (BEIR layout: one document a line) or nothing more, and then FOLDER holds the documents.
"""

import argparse
import asyncio
import contextlib
import json
import re
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from scripts.benchmarks.retrieval import file_name, open_index, write_corpus
from service.agent.context import system_prompt, transcript
from service.agent.draft import Draft
from service.agent.loop import Limits, TextAdded, answer
from service.agent.reader import BuiltInReader
from service.agent.tools import Toolbox
from service.chats.records import Outcome
from service.chats.turns import Exchange
from service.kb.search import KnowledgeBase

_RESULT_CHARS = 8000
_LIMITS = Limits(llm_calls=8, tool_calls=16, seconds=60, window=1_000_000)

Verdict = Literal["answered", "no sentence quoted", "answer not found", "wrong passage", "wrong sentence"]


@dataclass(frozen=True, slots=True)
class Case:
    """A question, what was asked before it, the answers that count, the documents that hold them."""

    text: str
    context: str
    answers: tuple[str, ...]
    documents: frozenset[str]


@dataclass(frozen=True, slots=True)
class Result:
    """What the service made of a case: `seconds` until the first text, whether a tool `found` the answer."""

    case: Case
    text: str
    outcome: Outcome
    quotes: tuple[str, ...]
    documents: frozenset[str]
    found: bool
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """Why an answerable question was answered or not."""
        if holds(" ".join(self.quotes), self.case.answers):
            return "answered"
        if not self.quotes:
            return "no sentence quoted"
        if not self.found:
            return "answer not found"
        return "wrong sentence" if self.documents & self.case.documents else "wrong passage"


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench answers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--folder", type=Path, help="the documents, where DIR has no corpus.jsonl")
    parser.add_argument("--failures", type=int, default=0, metavar="N", help="show N answers that failed")
    options = parser.parse_args(argv)
    results = asyncio.run(measure(options.directory, options.folder))
    print("\n".join(report(results)))
    for result in [r for r in results if not _succeeded(r)][: options.failures]:
        print(f"\n# {result.case.context} {result.case.text}\n  wanted: {result.case.answers}\n{result.text}")
    return 0


async def measure(directory: Path, folder: Path | None = None) -> list[Result]:
    """Ask every question of a collection."""
    async with open_collection(directory, folder) as (kb, cases):
        return [await ask(kb, case) for case in cases]


@contextlib.asynccontextmanager
async def open_collection(
    directory: Path, folder: Path | None = None
) -> AsyncIterator[tuple[KnowledgeBase, list[Case]]]:
    """Index a collection in a temporary place; give it with its questions."""
    with tempfile.TemporaryDirectory() as made:
        if folder is None:
            folder = Path(made, "knowledge")
            write_corpus(directory / "corpus.jsonl", folder)
        async with open_index(folder, Path(made, "data")) as kb:
            yield kb, read_cases(directory)


def read_cases(directory: Path) -> list[Case]:
    """Read the questions; the documents that answer them come from `qrels.tsv` or from the question itself."""
    gold: dict[str, set[str]] = defaultdict(set)
    if (directory / "qrels.tsv").exists():
        for line in (directory / "qrels.tsv").read_text("utf-8").splitlines():
            query, document, gain = line.split("\t")
            if float(gain) > 0:
                gold[query].add(file_name(document))
    return [
        Case(
            entry["text"],
            entry.get("context", ""),
            tuple(entry.get("answers", ())),
            frozenset(gold[entry["id"]] | ({entry["document"]} if "document" in entry else set())),
        )
        for entry in _lines(directory / "queries.jsonl")
    ]


async def ask(kb: KnowledgeBase, case: Case) -> Result:
    """One turn, after the question before it where the case has one."""
    history: list[Exchange] = []
    if case.context:
        before, _ = await _turn(kb, case.context, history)
        history.append(Exchange(case.context, before.text))
    began = time.perf_counter()
    draft, (toolbox, first) = await _turn(kb, case.text, history)
    return Result(
        case=case,
        text=draft.text,
        outcome=draft.outcome,
        quotes=tuple(citation.quote for citation in draft.citations),
        documents=frozenset(citation.document for citation in draft.citations),
        found=any(holds(source.text, case.answers) for source in toolbox.sources.values()),
        seconds=first - began,
    )


async def _turn(
    kb: KnowledgeBase, question: str, history: Sequence[Exchange]
) -> tuple[Draft, tuple[Toolbox, float]]:
    model, toolbox = BuiltInReader(), Toolbox(kb, result_chars=_RESULT_CHARS, folder_note=all_well)
    draft, first = Draft(model.name), 0.0
    messages = transcript(system_prompt(), list(reversed(history)), question, _LIMITS.window)
    async for event in answer(model, toolbox, messages, _LIMITS, draft):
        if isinstance(event, TextAdded) and not first:
            first = time.perf_counter()
    return draft, (toolbox, first)


async def all_well() -> str:
    """What is to be said of the folder of a benchmark: nothing."""
    return ""


def holds(text: str, answers: Sequence[str]) -> bool:
    """Whether one of the answers stands in the text, whatever the case, punctuation and white space."""
    plain = normalised(text)
    return any(normalised(wanted) in plain for wanted in answers)


def normalised(text: str) -> str:
    return " ".join(re.sub(r"[\W_]+", " ", text.casefold()).split())


def report(results: Sequence[Result]) -> list[str]:
    """The figures, one line, and why answerable questions were not answered, another."""
    answerable = [r for r in results if r.case.answers]
    others = [r for r in results if not r.case.answers]
    verdicts = Counter(r.verdict for r in answerable)
    refused = sum(r.outcome is Outcome.NOT_IN_KB for r in others)
    quoted = [len(r.quotes) for r in answerable if r.quotes]
    times = sorted(1000 * r.seconds for r in results)
    answered = verdicts.pop("answered", 0)
    figures = (
        f"answered {_share(answered, len(answerable))}  refused {_share(refused, len(others))}"
        f"  sentences/answer {statistics.fmean(quoted) if quoted else 0:.2f}"
        f"  first token p50 {times[len(times) // 2]:.1f} ms p99 {times[len(times) * 99 // 100]:.1f} ms"
    )
    reasons = ", ".join(f"{reason} {count}" for reason, count in verdicts.most_common())
    return [figures, f"not answered: {reasons}"]


def _succeeded(result: Result) -> bool:
    return result.verdict == "answered" if result.case.answers else result.outcome is Outcome.NOT_IN_KB


def _share(part: int, whole: int) -> str:
    return f"{part / whole if whole else 0:.3f} ({part}/{whole})"


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
