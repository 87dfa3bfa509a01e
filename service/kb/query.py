"""From a question to full-text expressions: its terms, which of them pick candidates, how they are written. Pure.

User text never becomes syntax: only analysed terms do, each quoted, at most MATCH_TERMS in an expression.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from service.kb.analysis import Token, analyse
from service.kb.function_words import QUESTIONS
from service.kb.postings import name_key, topic_key
from service.kb.words import Term, exact

MAX_CHARS: Final = 4_000  # of a question; what follows is not looked at
MAX_TERMS: Final = 64  # distinct terms of a question that count
MATCH_TERMS: Final = 12  # distinct terms in one full-text expression; more find no better
ENOUGH_RARE: Final = 8  # rare terms need no help to order the candidates
HELPING_SHARE: Final = 4  # terms up to so many times as frequent as the budget help to order the candidates
_FILE_NAME: Final = re.compile(r"[\w.\-]*\w\.[A-Za-z]\w{0,7}(?!\w)")
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class QueryTerm:
    """A term of the question; `count` is how often it was said."""

    term: Term
    count: int


@dataclass(frozen=True, slots=True)
class Query:
    """A question analysed. `names` are keys of file names that stand in it."""

    terms: tuple[QueryTerm, ...]
    names: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key the index can be asked for, once."""
        return tuple(dict.fromkeys((*self.names, *(asked.term.key for asked in self.terms))))


def parse(question: str) -> Query:
    """Analyse a question. Words of grammar are dropped while others remain; any text is a question."""
    text = _UNSTORABLE.sub(" ", question[:MAX_CHARS])
    terms = _terms(list(analyse(QUESTIONS.sub(" ", text)))) or _terms(list(analyse(text)))
    counts: dict[Term, int] = {}
    for term in terms:
        if term in counts or len(counts) < MAX_TERMS:
            counts[term] = counts.get(term, 0) + 1
    names = dict.fromkeys(name_key(match[0]) for match in _FILE_NAME.finditer(text))
    return Query(tuple(QueryTerm(term, count) for term, count in counts.items()), tuple(names)[:MATCH_TERMS])


def rarest(frequencies: Mapping[str, int], budget: int) -> tuple[str, ...]:
    """The rarest terms that occur, as many as stay within `budget` passages together, at least one."""
    chosen: list[str] = []
    for key in sorted((key for key, count in frequencies.items() if count), key=lambda k: (frequencies[k], k)):
        budget -= frequencies[key]
        if chosen and (budget < 0 or len(chosen) == MATCH_TERMS):
            break
        chosen.append(key)
    return tuple(chosen)


def candidates_for(frequencies: Mapping[str, int], budget: int) -> Iterator[str]:
    """Expressions that pick the candidates, to be tried until one finds enough. `frequencies` must not be empty.

    FTS5 scores every row that matches, at about a third of a microsecond each. So rare terms pick the rows, about
    `budget` of them, and less rare ones help to order these; where even the rarest is frequent, the rows that have
    all terms come first. The last expression goes beyond the budget, for when rare terms find next to nothing.
    """
    every = rarest(frequencies, sum(frequencies.values()))
    rare = rarest(frequencies, budget)
    others = every[len(rare) :] if len(rare) < ENOUGH_RARE else ()
    helping = [key for key in others if frequencies[key] <= HELPING_SHARE * budget]
    if frequencies[rare[0]] > budget and len(every) > 1:
        yield " AND ".join(_quoted(key) for key in every)
    yield f"({any_of(rare)}) AND ({any_of((*rare, *helping))})" if helping else any_of(rare)
    if len(rare) < len(every):
        yield any_of(every[: len(rare) + 1])


def any_of(keys: Iterable[str]) -> str:
    """The expression for passages with any of the terms. `keys` must not be empty."""
    return " OR ".join(_quoted(key) for key in keys)


def within_topic(expression: str, topic: str | None) -> str:
    """The expression kept to a topic; every passage carries its topic as a term of equal weight."""
    return expression if topic is None else f"({expression}) AND {_quoted(topic_key(topic))}"


def _terms(tokens: Sequence[Token]) -> list[Term]:
    terms = [term for token in tokens for term in token.terms()]
    return terms or [exact(key) for token in tokens for key in token.weak]


def _quoted(key: str) -> str:
    return '"' + key.replace('"', '""') + '"'
