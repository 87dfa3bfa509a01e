"""Whether the passages found answer the question at all (pure)."""

import math
from collections import defaultdict
from collections.abc import Sequence
from heapq import nlargest
from typing import Final, NamedTuple

from service.agent.matching import AskedTerms, Matches, PassageTerms
from service.agent.questions import Question

_CONSIDERED: Final = 5  # passages, the strongest
_NEAR: Final = 3  # terms apart that still count as said together


class Grounds(NamedTuple):
    """The evidence that a passage answers the question. Shares are of the weight of its terms."""

    strength: float  # BM25 of the passage as a share of the best possible
    breadth: float  # logarithm of how many telling terms it has
    order: float  # share of neighbouring terms that stand near one another in it
    focus: float  # largest share in two neighbouring sentences
    names_missing: float  # share of the question's names and numbers that it lacks
    heading: float  # how nearly a heading of it asks the question


# Logistic regression, fitted by `scripts/bench weights` on XQuAD's English questions, with and without the article
# that answers them, and on those over `knowledge`; rounded. The bias refuses 95 % of those without their article.
BIAS: Final = -5.9
WEIGHTS: Final = Grounds(strength=6.9, breadth=2.0, order=2.3, focus=4.6, names_missing=-3.2, heading=3.0)


def confidence(grounds: Grounds | None) -> float:
    """The logit of the probability that the question is answered; at 0 it is even."""
    if grounds is None:
        return -math.inf
    return BIAS + sum(value * weight for value, weight in zip(grounds, WEIGHTS, strict=True))


def grounds(question: Question, asked: AskedTerms, passages: Sequence[PassageTerms]) -> Grounds | None:
    """The grounds of the passage that speaks loudest for an answer; None where there is no passage."""
    strongest = nlargest(_CONSIDERED, passages, key=asked.strength)
    return max((_of_passage(question, asked, passage) for passage in strongest), key=confidence, default=None)


def _of_passage(question: Question, asked: AskedTerms, passage: PassageTerms) -> Grounds:
    matches = asked.matches(passage.counts)
    return Grounds(
        strength=asked.strength(passage),
        breadth=math.log1p(asked.words(term for term in matches if term not in asked.everyday)),
        order=_order(question, passage),
        focus=_focus(asked, passage),
        names_missing=_names_missing(question, matches),
        heading=_heading(asked, passage),
    )


def _heading(asked: AskedTerms, passage: PassageTerms) -> float:
    """The heading above the passage and those in it."""
    inside = (passage.passage.text[s.start : s.end] for s in passage.sentences if s.kind == "heading")
    return max(map(asked.likeness, (passage.passage.heading.rpartition(" > ")[2], *inside)))


def _order(question: Question, passage: PassageTerms) -> float:
    places: dict[str, list[int]] = defaultdict(list)
    for place, term in enumerate(passage.all):
        places[term].append(place)
    said = [asked for asked in question.terms if asked.step]
    pairs = together = 0
    for at, asked in enumerate(said):
        if at + asked.step < len(said):
            pairs += 1
            near, others = max(asked.step, _NEAR), places.get(said[at + asked.step].term, ())
            together += any(0 < other - place <= near for place in places.get(asked.term, ()) for other in others)
    return together / max(1, pairs)


def _focus(asked: AskedTerms, passage: PassageTerms) -> float:
    found = passage.by_sentence
    windows = zip(found, found[1:] or [[]], strict=False)
    return max((asked.share(asked.matches([*one, *other])) for one, other in windows), default=0.0)


def _names_missing(question: Question, matches: Matches) -> float:
    if not question.names:
        return 0.0
    return sum(name not in matches for name in question.names) / len(question.names)
