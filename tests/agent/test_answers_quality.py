"""How well the built-in reader answers over the whole path; floors a little under what was measured."""

from pathlib import Path

import pytest

from scripts.benchmarks.answers import Result, ask, open_collection
from service.chats.records import Outcome

ROOT = Path(__file__).parents[2]
ARTICLES = ROOT.parent / "shared" / "eval" / "answers_en"
QUESTIONS = ROOT / "tests" / "data" / "knowledge"


async def answered(directory: Path, folder: Path | None, step: int) -> tuple[list[Result], float, float]:
    """Every `step`th question, the share of the answerable answered, the share of the others refused."""
    async with open_collection(directory, folder) as (kb, cases):
        results = [await ask(kb, case) for case in cases[::step]]
    answerable = [r for r in results if r.case.answers]
    others = [r for r in results if not r.case.answers]
    right = sum(r.verdict == "answered" for r in answerable)
    refused = sum(r.outcome is Outcome.NOT_IN_KB for r in others)
    return results, right / len(answerable), refused / len(others)


@pytest.mark.skipif(not ARTICLES.exists(), reason="needs the collection ../shared/eval/answers_en")
async def test_questions_about_articles_are_answered_or_refused() -> None:
    _, right, refused = await answered(ARTICLES, None, 2)
    assert right >= 0.81
    assert refused >= 0.95


async def test_questions_about_the_sample_knowledge_are_answered_or_refused() -> None:
    results, right, refused = await answered(QUESTIONS, ROOT / "knowledge", 1)
    assert right >= 0.76
    assert refused >= 0.75
    for result in results:
        assert bool(result.quotes) == (result.outcome in (Outcome.GROUNDED, Outcome.PARTIAL))
        assert result.text
