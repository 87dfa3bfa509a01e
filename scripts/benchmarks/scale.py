"""How search and indexing grow with the folder: one of N made-up passages, indexed and searched.

    scripts/bench scale N [--text FOLDER] [--queries N]

The passages, of about 60 words, are made of pieces of the text in FOLDER and of invented words, few of which are
frequent, so that the vocabulary grows with the text as in a real folder. Questions are pieces of passages in the
words of a question. Times are CPU milliseconds of the whole process for one search with eight hits. Hostile
questions are as long as the API takes them, made to cost as much as possible.
"""

import argparse
import asyncio
import random
import re
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.benchmarks.retrieval import open_index
from service.kb.search import KnowledgeBase

_PASSAGE_WORDS = 60
_PIECE = 20
_PASSAGES_A_FILE = 10
_INVENTED = 0.08
_QUESTIONS = ("how do I find out about {}?", "what is {}", "{}", "where does it say that {}", "why {} and {}")
_SHOWN = 4
_MOST_CHARS = 2_000
_SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("passages", type=int)
    parser.add_argument("--text", type=Path, default=Path("knowledge"), help="a folder of text files")
    parser.add_argument("--queries", type=int, default=300)
    options = parser.parse_args(argv)
    print(asyncio.run(measure(read_words(options.text), options.passages, options.queries)))
    return 0


def read_words(folder: Path) -> list[str]:
    """The words of the Markdown files in a folder, in their order."""
    return [w for path in sorted(folder.rglob("*.md")) for w in re.findall(r"\w+", path.read_text("utf-8"))]


async def measure(words: Sequence[str], passages: int, queries: int) -> str:
    """Make the folder, index it, ask; the figures on one line."""
    chance = random.Random(1)  # noqa: S311 - the same folder every time
    with tempfile.TemporaryDirectory() as place:
        asked = write_folder(Path(place, "knowledge"), words, passages, chance)
        async with open_index(Path(place, "knowledge"), Path(place, "data")) as kb:
            sample = chance.sample(asked, min(queries, len(asked)))
            figures = await _ask([question(text, chance) for text in sample], kb)
            return f"{figures}\n{await _ask_hostile(hostile(words, chance), kb)}"


def write_folder(folder: Path, words: Sequence[str], passages: int, chance: random.Random) -> list[str]:
    """Write the files; return some of their passages."""
    kept = []
    for number in range(-(-passages // _PASSAGES_A_FILE)):
        sections = [passage(words, chance) for _ in range(_PASSAGES_A_FILE)]
        kept.append(sections[0])
        path = folder / f"topic-{number % 50}" / f"note-{number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(f"## {' '.join(text.split()[:4])}\n\n{text}\n\n" for text in sections)
        path.write_text(text, "utf-8")
    return kept


def passage(words: Sequence[str], chance: random.Random) -> str:
    """A passage of pieces of text, with invented words among them."""
    chosen: list[str] = []
    for _ in range(_PASSAGE_WORDS // _PIECE):
        start = chance.randrange(len(words) - _PIECE)
        chosen += words[start : start + _PIECE]
    return " ".join(invented(chance) if chance.random() < _INVENTED else word for word in chosen)


def invented(chance: random.Random) -> str:
    """A word that is rarer the longer it is, after Zipf."""
    number = int(chance.paretovariate(0.5))
    word = ""
    while number and len(word) < 12:
        number, rest = divmod(number, len(_SYLLABLES))
        word += _SYLLABLES[rest]
    return word


def question(text: str, chance: random.Random) -> str:
    """A question in some of the words of a passage."""
    words = text.split()
    start = chance.randrange(len(words) - 9)
    piece = " ".join(word for word in words[start : start + 9] if chance.random() < 0.8)
    return chance.choice(_QUESTIONS).format(piece, chance.choice(words))


def hostile(words: Sequence[str], chance: random.Random) -> dict[str, str]:
    """Questions by what is wrong with them."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    found = {
        "frequent words": " ".join(chance.choices(words, k=400)),
        "one word repeated": "index " * 400,
        "words of one letter": " ".join(letters * 40),
        "letters joined": "a.b-c_d.e-f_" * 170,
        "a run of Chinese": "".join(chr(0x4E00 + chance.randrange(3_000)) for _ in range(_MOST_CHARS)),
        "a run of Thai": "".join(chr(0xE01 + chance.randrange(46)) for _ in range(_MOST_CHARS)),
        "kana": "あいうえおカキクケコ" * 200,
        "one huge word": "x" * _MOST_CHARS,
        "humps": "fooBarBazQux" * 170,
        "one huge identifier": "_".join(chance.choices(words, k=400)),
        "unknown words": " ".join("".join(chance.choices("qxzjkvw", k=12)) for _ in range(160)),
        "mistakes": " ".join(word[:2] + word[3:] for word in words if len(word) > 9 and word.isalpha()),
        "numbers": " ".join(map(str, range(600))),
        "file names": "a.md index.md notes.md " * 90,
        "syntax": 'NEAR("a" b) AND OR NOT * ^ { } : ' * 60,
    }
    return {name: text[:_MOST_CHARS] for name, text in found.items()}


async def _ask_hostile(questions: Mapping[str, str], kb: KnowledgeBase) -> str:
    costs: dict[str, float] = {}
    for name, text in questions.items():
        started = time.process_time()
        await kb.search(text)
        costs[name] = (time.process_time() - started) * 1000
    worst = sorted(costs, key=costs.__getitem__, reverse=True)[:_SHOWN]
    return "hostile questions: CPU " + ", ".join(f"{costs[name]:.1f} ms {name}" for name in worst)


async def _ask(questions: Sequence[str], kb: KnowledgeBase) -> str:
    costs, times = [], []
    for text in questions:
        started, cpu = time.perf_counter(), time.process_time()
        await kb.search(text)
        costs.append((time.process_time() - cpu) * 1000)
        times.append((time.perf_counter() - started) * 1000)
    cuts = statistics.quantiles(costs, n=100)
    slow = statistics.quantiles(times, n=100)
    return (
        f"{len(questions)} searches: CPU p50 {cuts[49]:.1f} ms  p99 {cuts[98]:.1f} ms  most {max(costs):.1f} ms,  "
        f"on the clock p50 {slow[49]:.1f} ms  p99 {slow[98]:.1f} ms"
    )
