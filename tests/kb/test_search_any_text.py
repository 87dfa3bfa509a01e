"""Any text is a query, and none outlasts its deadline."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.errors import ReadDeadlineExceeded
from service.kb.query import MATCH_TERMS, MAX_TERMS, parse
from service.kb.search import KnowledgeBase
from tests.kb.shelf import fill, opened, shelf

# What people and fuzzers type; each of these is an error or another query where it reaches FTS5 as it is.
HOSTILE = [
    "", " ", "*", '"', "'", "''", '""', "don't", "C++", "c#", "node.js", "what is foo-bar?", "100%",
    "user@x.com", "https://example.com/a?b=c#d", "refund:", "title:refund", "-title:refund", "terms:alpha",
    "a AND", "OR", "NOT", "AND OR NOT", "NEAR(a b)", "NEAR(a* b* c*, 5)", "(", ")", "((((", "a)b(",
    "^start", "a^b", "+", "a + b", "{a b}:c", "[a]", "a\\b", "a/b", "a|b", "a&b", "a~1", "a!b",
    ";drop table documents;", "--", "/*", "%", "_", "?", "a?", "¿qué?", "\0", "a\0b", "\ud800", "a\udfffb",
    "\ufeff", "\u200b", "\u202e", "\n\t\r", "e\u0301" * 50, "\U0001f600", "İ" * 40, "w*",
    " OR ".join(["w*"] * 100), " ".join(f"t{n}" for n in range(5_000)), '"' * 2_001, "a" * 2_000,
    "a " * 1_000, "the " * 250, "zebra " * 400, "漢" * 2_000, "ก" * 2_000, "a_" * 1_000, "1." * 1_000,
    "'a" * 1_000, "(" * 2_000, "NOT " * 500, "x.md " * 400,
]  # fmt: skip


class TestAnyText:
    @pytest.fixture(scope="class")
    @staticmethod
    def texts() -> dict[str, str]:
        words = ["the", "zebra", "a", "w1", "t1", "alpha", "漢漢", "กกก", "1.1", "a_a", "title", "refund"]
        return {
            f"{n}.md": " ".join(words[(n * i) % len(words)] + ("s" * (i % 3)) for i in range(1, 80))
            for n in range(900)
        }

    async def test_hostile_queries_never_fail_and_ask_for_no_more_than_a_search_may(
        self, texts: dict[str, str]
    ) -> None:
        async with shelf(texts) as kb:
            for question in HOSTILE:  # `scripts/bench scale` tells what they take
                query = parse(question)
                assert len(query.terms) <= MAX_TERMS
                assert len(query.names) <= MATCH_TERMS
                await kb.search(question)

    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.text(max_size=60), max_size=12))
    async def test_no_text_makes_a_search_fail(self, questions: list[str]) -> None:
        async with shelf({"a.md": "alpha beta", "b.md": "beta gamma 漢字 C++"}) as kb:
            for question in questions:
                result = await kb.search(question, topic=question[:3] or None)
                for hit in result.hits:
                    assert all(0 <= a < b <= len(hit.excerpt) for a, b in hit.highlights)


class TestDeadline:
    async def test_a_search_that_takes_too_long_is_an_error_and_not_no_hits(self) -> None:
        texts = {f"{n}.md": "\n\n".join(f"## S{i}\n\nalpha beta {n}" for i in range(20)) for n in range(200)}
        async with shelf(texts, seconds=1e-9) as kb:
            with pytest.raises(ReadDeadlineExceeded):
                await kb.search("alpha beta")

    async def test_searches_are_observed_with_their_step(self) -> None:
        seen: list[tuple[str, float]] = []
        async with opened() as db:
            await fill(db, {"a.md": "lantern"})
            kb = KnowledgeBase(db, search_timeout=60, observe=lambda step, seconds: seen.append((step, seconds)))
            await kb.search("lantern")
            await kb.search("zzzzz")

        assert [step for step, _ in seen] == ["terms", "none"]
        assert all(0 < seconds < 60 for _, seconds in seen)
