"""Questions become full-text expressions: never syntax, never too many terms, rare ones first."""

import sqlite3
from collections.abc import Iterator
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.kb.query import MATCH_TERMS, MAX_TERMS, any_of, candidates_for, parse, rarest, within_topic


@pytest.fixture(scope="module")
def index() -> Iterator[sqlite3.Connection]:
    """An index with the real schema and a few rows."""
    connection = sqlite3.connect(":memory:")
    folder = resources.files("service").joinpath("sql", "migrations")
    connection.executescript(folder.joinpath("0002_knowledge.sql").read_text("utf-8"))
    rows = enumerate(["alpha beta", "beta gamma", "alpha beta gamma", ":0123 beta c++ 1.29.3 a_b /read-me.md"], 1)
    connection.executemany("INSERT INTO passages_fts (rowid, terms) VALUES (?, ?)", rows)
    yield connection
    connection.close()


def found(index: sqlite3.Connection, expression: str) -> set[int]:
    return {
        row for (row,) in index.execute("SELECT rowid FROM passages_fts WHERE passages_fts MATCH ?", (expression,))
    }


def keys(question: str) -> list[str]:
    return [asked.term.key for asked in parse(question).terms]


class TestParse:
    def test_words_of_grammar_are_dropped_while_others_remain(self) -> None:
        assert keys("How do I resume the stream?") == ["resum", "stream"]
        assert keys("Wie viele Punkte hatte das Team?") == ["punkt", "hatt", "team"]
        assert keys("What is the what?") == ["what", "is", "the"]

    def test_repeated_words_are_counted_once_each(self) -> None:
        query = parse("buffalo buffalo grass buffalo")

        assert [(asked.term.key, asked.count) for asked in query.terms] == [("buffalo", 3), ("grass", 1)]

    @pytest.mark.parametrize(
        ("question", "expected"),
        [
            ("黑豹队丢了多少分？", ["黑豹", "豹队", "队丢", "丢了", "黑", "豹", "队", "丢", "了", "分"]),
            ("什么", ["什么", "什", "么"]),
            ("ใคร", ["ใคร"]),
        ],
    )
    def test_question_words_of_unspaced_scripts_are_cut_out_while_others_remain(
        self, question: str, expected: list[str]
    ) -> None:
        assert keys(question) == expected

    @pytest.mark.parametrize(
        ("question", "names"),
        [
            ("what does guides/Read-Me.md say", ["/read-me.md"]),
            ("settings.toml and run.sh", ["/settings.toml", "/run.sh"]),
            ("ops/Отчёт.md 手册.md", ["/отчет.md", "/手册.md"]),
            ("version 1.29.3 of it", []),
            ("no name here.", []),
        ],
    )
    def test_file_names_in_a_question_are_noticed(self, question: str, names: list[str]) -> None:
        assert list(parse(question).names) == names

    def test_only_so_many_terms_count(self) -> None:
        query = parse(" ".join(f"word{n}" for n in range(5_000)))

        assert len(query.terms) == MAX_TERMS

    def test_what_cannot_be_stored_is_a_space(self) -> None:
        assert keys("alpha\0beta\ud800gamma") == ["alpha", "beta", "gamma"]

    def test_nothing_asked_is_no_terms(self) -> None:
        assert parse("").keys == parse(" ?! … \0").keys == ()


class TestCandidates:
    def test_rare_terms_come_first_and_stay_within_the_budget(self) -> None:
        frequencies = {"common": 900, "rare": 3, "absent": 0, "middle": 90}

        assert rarest(frequencies, 100) == ("rare", "middle")
        assert rarest(frequencies, 1) == ("rare",)
        assert rarest(frequencies, 10_000) == ("rare", "middle", "common")

    def test_an_expression_has_only_so_many_terms(self) -> None:
        expressions = list(candidates_for({f"t{n}": n + 1 for n in range(100)}, 10**9))

        assert len(expressions) == 1
        assert expressions[0].count('"') == 2 * MATCH_TERMS

    def test_terms_that_fit_the_budget_pick_by_any_of_them(self) -> None:
        assert list(candidates_for({"a": 1, "b": 2}, 10)) == ['"a" OR "b"']

    def test_less_rare_terms_help_to_order_what_rare_ones_pick(self, index: sqlite3.Connection) -> None:
        first, last = candidates_for({"alpha": 10, "beta": 30, "gamma": 10_000}, 20)

        assert (first, last) == ('("alpha") AND ("alpha" OR "beta")', '"alpha" OR "beta"')
        assert found(index, first) == {1, 3}
        assert found(index, last) == {1, 2, 3, 4}

    def test_where_all_are_frequent_rows_with_all_of_them_come_first(self, index: sqlite3.Connection) -> None:
        first, second, last = candidates_for({"alpha": 1000, "beta": 3000}, 20)

        assert (first, second, last) == ('"alpha" AND "beta"', '"alpha"', '"alpha" OR "beta"')
        assert found(index, first) == found(index, second) == {1, 3}

    def test_a_single_frequent_term_is_asked_for_once(self) -> None:
        assert list(candidates_for({"the": 10_000}, 20)) == ['"the"']

    def test_a_topic_narrows_an_expression(self, index: sqlite3.Connection) -> None:
        expression = any_of(["beta"])

        assert within_topic(expression, None) == expression
        assert found(index, expression) == {1, 2, 3, 4}
        assert found(index, within_topic(expression, "another")) == set()

    @pytest.mark.parametrize("term", ["c++", "1.29.3", "a_b", "/read-me.md", ":0123"])
    def test_terms_with_signs_are_one_term_of_the_index(self, index: sqlite3.Connection, term: str) -> None:
        assert found(index, any_of([term])) == {4}

    def test_a_quote_in_a_term_stays_within_it(self, index: sqlite3.Connection) -> None:
        assert found(index, any_of(['beta" OR "gamma'])) == set()


@given(st.text(max_size=2500), st.integers(0, 10_000))
def test_no_question_makes_an_expression_that_sqlite_refuses(
    index: sqlite3.Connection, text: str, budget: int
) -> None:
    query = parse(text)
    frequencies = {key: len(key) * 100 for key in query.keys}

    for expression in candidates_for(frequencies, budget) if frequencies else []:
        found(index, within_topic(expression, text))
        assert expression.count('"') <= 4 * MATCH_TERMS


@given(st.text(st.sampled_from("ab\"'*^()+-:{}[]~?\\/.,#@ \0\n"), max_size=80))
def test_no_sign_is_syntax(index: sqlite3.Connection, text: str) -> None:
    for expression in candidates_for(dict.fromkeys(parse(text).keys, 1), 100) if parse(text).keys else []:
        assert found(index, expression) <= {1, 2, 3, 4}


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.integers(0, 10**6), max_size=40), st.integers(0, 10**6))
def test_rare_terms_are_those_that_occur_least(frequencies: dict[str, int], budget: int) -> None:
    chosen = rarest(frequencies, budget)
    counts = [frequencies[key] for key in chosen]

    assert counts == sorted(counts)
    assert 0 not in counts
    assert len(chosen) <= MATCH_TERMS
    assert bool(chosen) == any(frequencies.values())
    assert sum(counts[:-1]) <= budget or len(counts) == 1
