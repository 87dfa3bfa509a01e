"""How well the built-in reader answers over the whole path; floors a little under what was measured."""

from pathlib import Path

import pytest

from scripts.benchmarks.answers import Result, ask, holds, open_collection, read_cases
from service.chats.records import Outcome

ROOT = Path(__file__).parents[2]
ARTICLES = ROOT.parent / "shared" / "eval" / "answers_en"
QUESTIONS = ROOT / "tests" / "data" / "knowledge"
KNOWLEDGE = ROOT / "knowledge"


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
    assert refused >= 0.96


async def test_questions_about_the_sample_knowledge_are_answered_or_refused() -> None:
    results, right, refused = await answered(QUESTIONS, KNOWLEDGE, 1)
    assert right >= 0.76
    assert refused >= 0.78
    for result in results:
        assert bool(result.quotes) == (result.outcome in (Outcome.GROUNDED, Outcome.PARTIAL))
        assert result.text


def test_the_answers_to_the_questions_stand_in_the_sample_knowledge() -> None:
    documents = {str(path.relative_to(KNOWLEDGE)): path.read_text() for path in KNOWLEDGE.rglob("*.md")}
    for case in read_cases(QUESTIONS):
        assert not case.answers or any(holds(documents[name], case.answers) for name in case.documents), case
        for answer in case.answers:
            assert any(holds(text, [answer]) for text in documents.values()), answer
