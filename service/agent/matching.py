"""A question's terms against the passages found: their weights, and which words match them (pure)."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from service.agent.evidence import Passage
from service.agent.questions import Question, content_words
from service.agent.sentences import split
from service.agent.words import (
    EVERYDAY_TERMS,
    MISTAKEN,
    alike,
    head,
    is_slip,
    may_be_mistaken,
    measure,
    mistaken,
    terms,
)

Matches = Mapping[str, float]
"""The question's terms that were found, each with the likeness of its best form: 1 the same, less for alike."""

_EVERYDAY: Final = 0.4  # of the weight of a term that is common in any text
_INHERITED: Final = 0.5  # of the weight of a term that comes from the conversation
# How much of a question is found where it is answered, beside one in words: of the pairs of characters in Chinese
# some join the end of a word to the next, and of the triples in Thai many are common. By `Asked.step`; measured.
_EXPECTED: Final = {2: 0.65, 6: 1.15}
_K1: Final = 1.2  # BM25's constants, as FTS5 has them
_B: Final = 0.75
_TYPICAL_SIZE: Final = 80  # of a passage, in words that are not grammar


_KNOWN: Final = 64  # passages that stay analysed, so that those of a search are not analysed again after a read


class PassageTerms:
    """A passage with its sentences analysed once."""

    def __init__(self, passage: Passage) -> None:
        self.passage = passage
        self.sentences = split(passage.text)
        self.by_sentence = [terms(passage.text[s.start : s.end]) for s in self.sentences]
        self.title = terms(passage.title)
        self.heading = terms(passage.heading)
        self.all = [*self.title, *self.heading, *(term for found in self.by_sentence for term in found)]
        self.counts = Counter(self.all)
        self.size = measure(self.all)


@lru_cache(maxsize=_KNOWN)
def analysed(passage: Passage) -> PassageTerms:
    """The terms of a passage."""
    return PassageTerms(passage)


class AskedTerms:
    """The question's terms with their weights among the passages found.

    A weight is 1 plus the inverse document frequency of BM25 over these passages, less for everyday terms and
    for those inherited from the conversation.
    """

    def __init__(self, question: Question, passages: Sequence[PassageTerms]) -> None:
        inherited = {asked.term: asked.share * _INHERITED for asked in question.inherited}
        shares = inherited | {asked.term: asked.share for asked in question.terms}
        holding = Counter(term for passage in passages for term in passage.counts)
        self._forms = _forms(tuple(shares), holding)
        met = {asked for term in holding for asked, _ in self._forms.get(term, ())}
        self.shares = {t: share for t, share in shares.items() if t in met or not is_slip(t)} or shares
        self.terms = tuple(self.shares)
        self.everyday = EVERYDAY_TERMS.intersection(self.terms)
        if len(self.everyday) == len(self.terms):
            self.everyday = frozenset()  # where nothing else is asked, they have to tell
        self.weights = {
            term: _rarity(holding[term], len(passages)) * share * (_EVERYDAY if term in self.everyday else 1)
            for term, share in self.shares.items()
        }
        expected = {asked.term: _EXPECTED.get(asked.step, 1.0) for asked in (*question.inherited, *question.terms)}
        self.total = sum(weight * expected[term] for term, weight in self.weights.items()) or 1.0

    def matches(self, found: Iterable[str]) -> Matches:
        """Which of the question's terms are among `found`."""
        matches: dict[str, float] = {}
        for term in found:
            for asked, likeness in self._forms.get(term, ()):
                if likeness > matches.get(asked, 0.0):
                    matches[asked] = likeness
        return matches

    def share(self, matches: Matches, *known: Matches) -> float:
        """The share of all weight that `matches` has beyond what is `known`, 0 to 1."""
        gained = 0.0
        for term, likeness in matches.items():
            already = max((other.get(term, 0.0) for other in known), default=0.0)
            gained += self.weights[term] * max(0.0, likeness - already)
        return min(1.0, gained / self.total)

    def words(self, matches: Iterable[str]) -> float:
        """How many words of the question the terms stand for."""
        return sum(self.shares[term] for term in matches)

    def strength(self, passage: PassageTerms) -> float:
        """BM25 of a passage as a share of what one full of every term would get, 0 to 1."""
        room = _K1 * (1 - _B + _B * passage.size / _TYPICAL_SIZE)
        held: dict[str, float] = defaultdict(float)
        for term, count in passage.counts.items():
            for asked, likeness in self._forms.get(term, ()):
                held[asked] += likeness * count
        return min(
            1.0, sum(self.weights[term] * count / (count + room) for term, count in held.items()) / self.total
        )

    def likeness(self, heading: str) -> float:
        """How nearly a heading asks the question: harmonic mean of both shares, 0 to 1."""
        said = [term for word in content_words(heading) for term in terms(word)]
        matches = self.matches(said)
        if not matches:
            return 0.0
        recall = self.share(matches)
        precision = sum(term in self._forms for term in said) / len(said)
        return 2 * recall * precision / (recall + precision)


def _rarity(holding: int, passages: int) -> float:
    return 1 + math.log(1 + (passages - holding + 0.5) / (holding + 0.5))


def _forms(asked: Sequence[str], vocabulary: Iterable[str]) -> dict[str, list[tuple[str, float]]]:
    """For each term of the passages the asked terms it stands for; a mistake is seen in what is found nowhere."""
    forms: dict[str, list[tuple[str, float]]] = defaultdict(list)
    by_head: dict[str, list[str]] = defaultdict(list)
    for term in asked:
        by_head[head(term)].append(term)
    met = set[str]()
    for term in vocabulary:
        for candidate in by_head.get(head(term), ()):
            if likeness := alike(candidate, term):
                forms[term].append((candidate, likeness))
                met.add(candidate)
    for candidate in asked:
        if candidate not in met and may_be_mistaken(candidate):
            for term in vocabulary:
                if mistaken(candidate, term):
                    forms[term].append((candidate, MISTAKEN))
    return dict(forms)
