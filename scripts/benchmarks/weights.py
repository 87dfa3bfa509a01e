"""Fits the weights of the built-in reader (service/agent/scoring.py, grounds.py) and tells how they generalise.

    scripts/bench weights DIR --paragraphs DIR --questions DIR --folder FOLDER

DIR is a BEIR collection with answers, whose document ids are `<article>-<number>`; the paragraphs are a larger one
without answers, in which five documents on end are an article; the questions over FOLDER are documentation.
Questions are made unanswerable by leaving out their article, or only their document. Whatever is reported as
cross-validated was fitted without the question's article.
"""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scripts.benchmarks.answers import Case, all_well, holds, open_collection
from scripts.benchmarks.regression import Vector, conditional_logit, dot, logistic
from service.agent import grounds, scoring
from service.agent.assessment import Assessment
from service.agent.evidence import situation
from service.agent.grounds import Grounds
from service.agent.model import Message, ToolCall
from service.agent.questions import understand
from service.agent.quoting import choose
from service.agent.reader import PASSAGES, surroundings
from service.agent.scoring import Candidate, Signals
from service.agent.tools import Toolbox
from service.kb.search import KnowledgeBase

_FOLDS = 8
_PENALTY = 0.1
_NEAR_MISS = 0.3  # weight of a question whose article is there without the document that answers
_DOCUMENTATION = 8.0  # weight of a documentation question: there are few
_REFUSED = 0.955  # share of the questions without their article that the bias is set to refuse
_ARTICLE = 5  # paragraphs

Fit = tuple[Vector, Vector, float]
"""Weights of a sentence's signals, weights of the grounds, bias."""
ArticleOf = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Example:
    """What the reader sees for a question. `group` stays together in a fold."""

    case: Case
    group: str
    grounds: Grounds | None
    candidates: tuple[Candidate, ...]
    answerable: bool = False
    weight: float = 1.0
    natural: bool = False  # as asked, nothing left out
    far: bool = False  # unanswerable, with nothing like it there


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench weights", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--paragraphs", type=Path, required=True)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args(argv)
    more = asyncio.run(collect(options.paragraphs, None, _by_number))
    groups = {example.case.text: example.group for example in more}
    articles = [
        replace(e, group=groups[e.case.text]) for e in asyncio.run(collect(options.directory, None, _by_name))
    ]
    manual = [
        replace(e, weight=_DOCUMENTATION) for e in asyncio.run(collect(options.questions, options.folder, None))
    ]
    examples = [*more, *articles, *manual]
    whole = fitted(examples)
    print("scoring.WEIGHTS", _named(Signals._fields, whole[0]))
    print("grounds.WEIGHTS", _named(Grounds._fields, whole[1]), f"BIAS {whole[2]:.2f}")
    present = ([*scoring.WEIGHTS], [*grounds.WEIGHTS], grounds.BIAS)
    found = crossed(examples)
    for name, part in (("articles", articles), ("paragraphs", more), ("documentation", manual)):
        print(f"{name}: weights in the source {_figures(part, [present] * len(part))}")
        print(f"{name}: fitted, in sample     {_figures(part, [whole] * len(part))}")
        print(f"{name}: cross-validated       {_figures(part, [found[e.group] for e in part])}")
    return 0


async def collect(directory: Path, folder: Path | None, article_of: ArticleOf | None) -> list[Example]:
    """Every question as it is; with articles, the answerable also without their article and their document."""
    async with open_collection(directory, folder) as (kb, cases):
        return [e for case in cases if not case.context async for e in _variants(kb, case, article_of)]


async def _variants(kb: KnowledgeBase, case: Case, article_of: ArticleOf | None) -> AsyncIterator[Example]:
    answerable = bool(case.documents)
    if article_of is None:
        group = min(case.documents, default=case.text)
        yield await _example(kb, Example(case, group, None, (), answerable, natural=True))
        return
    articles = frozenset(map(article_of, case.documents)) if answerable else frozenset[str]()
    whole = Example(case, min(articles, default=""), None, (), answerable, natural=True, far=not answerable)
    yield await _example(kb, whole)
    if answerable:
        without = replace(whole, answerable=False, natural=False)
        near_miss = replace(without, weight=_NEAR_MISS)
        yield await _example(kb, near_miss, lambda name: name in case.documents)
        yield await _example(kb, replace(without, far=True), lambda name: article_of(name) in articles)


async def _example(kb: KnowledgeBase, example: Example, left_out: Callable[[str], bool] | None = None) -> Example:
    """Search and read as the reader does, as if the documents `left_out` were not there."""
    toolbox, question = Toolbox(kb, result_chars=8000, folder_note=all_well), understand(example.case.text)
    found = await _called(toolbox, "search_kb", {"query": question.query, "limit": 20})
    passages = [p for p in found.get("passages", ()) if left_out is None or not left_out(p["document"])]
    messages = [Message("user", question.text), *_result("search_kb", found | {"passages": passages[:PASSAGES]})]
    if passages:
        for arguments in surroundings(situation(messages).evidence.passages):
            messages += _result("read_kb_doc", await _called(toolbox, "read_kb_doc", arguments))
    assessment = Assessment(question, situation(messages).evidence.passages)
    candidates = assessment.candidates if example.case.answers and example.answerable else ()
    return replace(example, grounds=assessment.grounds, candidates=tuple(candidates))


async def _called(toolbox: Toolbox, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    result = await toolbox.run(ToolCall(name, name, json.dumps(dict(arguments))))
    content: dict[str, Any] = json.loads(result.message.content)
    return content


def _result(name: str, content: dict[str, Any]) -> list[Message]:
    call = ToolCall(name, name, "{}")
    return [Message("assistant", "", (call,)), Message("tool", json.dumps(content), call_id=name)]


def _by_name(document: str) -> str:
    return document.rpartition("-")[0]


def _by_number(document: str) -> str:
    return str(int("".join(filter(str.isdecimal, document))) // _ARTICLE)


def fitted(examples: Iterable[Example]) -> Fit:
    """The weights, with the bias that refuses what is to be refused."""
    known = [e for e in examples if e.grounds is not None]
    choices = [[(c.signals, holds(c.text, e.case.answers)) for c in e.candidates] for e in known if e.candidates]
    *evidence, _ = logistic([(e.grounds, e.answerable, e.weight) for e in known if e.grounds], _PENALTY)
    levels = sorted(dot(e.grounds, evidence) for e in known if e.grounds and e.far)
    return conditional_logit(choices, _PENALTY), evidence, -levels[int(_REFUSED * len(levels))]


def crossed(examples: Sequence[Example]) -> dict[str, Fit]:
    """For each group the weights fitted without it."""
    groups = sorted({e.group for e in examples})
    found: dict[str, Fit] = {}
    for fold in range(_FOLDS):
        held = set(groups[fold::_FOLDS])
        found |= dict.fromkeys(held, fitted(e for e in examples if e.group not in held))
    return found


def _figures(part: Sequence[Example], fits: Sequence[Fit]) -> str:
    answerable = [(e, fit) for e, fit in zip(part, fits, strict=True) if e.natural and e.answerable]
    others = [(e, fit) for e, fit in zip(part, fits, strict=True) if not e.answerable and (e.natural or e.far)]
    accepted = [(e, fit) for e, fit in answerable if _accepted(e, fit)]
    quoted = [(e, _quoted(e, fit)) for e, fit in accepted]
    answered = sum(holds(" ".join(quotes), e.case.answers) for e, quotes in quoted)
    refused = sum(not _accepted(e, fit) for e, fit in others)
    figures = f"accepted {len(accepted) / len(answerable):.3f} refused {refused / len(others):.3f}"
    if answered:
        sentences = sum(len(quotes) for _, quotes in quoted) / len(accepted)
        figures += f" answered {answered / len(answerable):.3f} sentences/answer {sentences:.2f}"
    return figures


def _accepted(example: Example, fit: Fit) -> bool:
    return example.grounds is not None and dot(example.grounds, fit[1]) + fit[2] > 0


def _quoted(example: Example, fit: Fit) -> list[str]:
    scored = (replace(c, score=dot(c.signals, fit[0])) for c in example.candidates)
    return [quote.text for quote in choose(sorted(scored, key=lambda c: -c.score))]


def _named(names: Sequence[str], values: Sequence[float]) -> str:
    return ", ".join(f"{name}={value:.2f}" for name, value in zip(names, values, strict=True))
