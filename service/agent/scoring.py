"""How well each sentence found answers the question (pure)."""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from service.agent.answer_types import offers
from service.agent.evidence import Passage
from service.agent.matching import AskedTerms, Matches, PassageTerms
from service.agent.questions import Question
from service.agent.sentences import Sentence

_EARLIER: Final = 0.5  # what the sentence before the last, and the one after, count beside the last one
_AFTER: Final = 0.4
_SPOKEN_OF: Final = 1.0  # added to the score in a document that the answer before has quoted
_SAID: Final = 0.5  # off the score of a sentence that it has quoted
_TELLING: Final = 20  # characters from which a sentence is known again
_IN_EXAMPLES: Final = 0.5
_SHORT_CODE: Final = 6  # lines, fences included
_NONE: Final[Matches] = {}


class Signals(NamedTuple):
    """What speaks for a sentence. Shares are of the weight of the question's terms."""

    own: float  # share in the sentence
    words: float  # the same, with all words weighing the same
    around: float  # share only in the sentences beside it
    section: float  # share only in its heading
    title: float  # share only in the title of its document
    topic: float  # how nearly its heading asks the question
    lead: float  # the same, less with every sentence below the heading
    passage: float  # strength of its passage, 1 for the strongest
    form: float  # how well it has the form of the expected answer


# Conditional logit, fitted by `scripts/bench weights` on those of XQuAD's English questions that come with answers
# and on those over `knowledge`; rounded. Fitted without the article that is asked about, the weights do as well.
WEIGHTS: Final = Signals(
    own=6.1, words=3.1, around=4.1, section=2.4, title=2.5, topic=2.6, lead=3.3, passage=4.4, form=1.6
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence, table row or code block. `score` is a logit: the softmax over all candidates is probability."""

    passage: Passage
    sentence: Sentence
    signals: Signals
    score: float

    @property
    def text(self) -> str:
        """The words as they stand in the passage."""
        return self.passage.text[self.sentence.start : self.sentence.end]


def rank(question: Question, asked: AskedTerms, passages: Sequence[PassageTerms]) -> list[Candidate]:
    """Every sentence of the passages but headings, best first."""
    strengths = [asked.strength(passage) for passage in passages]
    strongest = max(strengths, default=0.0) or 1.0
    candidates = [
        Candidate(passage.passage, sentence, signals, _score(signals))
        for passage, strength in zip(passages, strengths, strict=True)
        for sentence, signals in _signals(question, asked, passage, strength / strongest)
    ]
    if question.said:
        spoken_of = {p.passage.document for p in passages if _is_quoted(p, question.said)}
        candidates = [_in_conversation(question, candidate, spoken_of) for candidate in candidates]
    return sorted(candidates, key=lambda candidate: -candidate.score)


def _is_quoted(passage: PassageTerms, said: str) -> bool:
    spans = ((sentence.start, sentence.end) for sentence in passage.sentences)
    return any(end - start >= _TELLING and passage.passage.text[start:end] in said for start, end in spans)


def _in_conversation(question: Question, candidate: Candidate, spoken_of: Collection[str]) -> Candidate:
    """A follow-up stays with the documents of the answer before, but seldom asks for its sentences again."""
    score = candidate.score
    if candidate.passage.document in spoken_of:
        score += _SPOKEN_OF
    if candidate.text in question.said:
        score = -math.inf if question.more else score - _SAID
    return replace(candidate, score=score)


def _score(signals: Signals) -> float:
    return sum(signal * weight for signal, weight in zip(signals, WEIGHTS, strict=True))


def _signals(
    question: Question, asked: AskedTerms, passage: PassageTerms, strength: float
) -> Iterator[tuple[Sentence, Signals]]:
    matches = [asked.matches(found) for found in passage.by_sentence]
    text, title = passage.passage.text, asked.matches(passage.title)
    section, topic = asked.matches(passage.heading), asked.likeness(passage.passage.heading.rpartition(" > ")[2])
    below, length = 0, asked.words(asked.terms) or 1.0
    for at, (sentence, own) in enumerate(zip(passage.sentences, matches, strict=True)):
        words = text[sentence.start : sentence.end]
        if sentence.kind == "heading":
            section, topic, below = {**section, **own}, asked.likeness(words), 0
            continue
        below += 1
        before = matches[at - 1] if at else _NONE
        size = _worth(question, words) if sentence.kind == "code" else 1.0
        yield (
            sentence,
            Signals(
                own=asked.share(own) * size,
                words=asked.words(own) / length * size,
                around=_around(asked, matches, at),
                section=asked.share(section, own, before),
                title=asked.share(title, own, before, section),
                topic=topic,
                lead=topic / below,
                passage=strength,
                form=offers(question.kind, words, asked.terms),
            ),
        )


def _worth(question: Question, code: str) -> float:
    """What a word in code counts: in a long block many words stand by chance, and examples quote questions."""
    length = _SHORT_CODE / max(_SHORT_CODE, code.count("\n") + 1)
    return length if question.kind == "procedure" else length * _IN_EXAMPLES


def _around(asked: AskedTerms, matches: Sequence[Matches], at: int) -> float:
    own = matches[at]
    before = matches[at - 1] if at else _NONE
    earlier = matches[at - 2] if at > 1 else _NONE
    after = matches[at + 1] if at + 1 < len(matches) else _NONE
    return (
        asked.share(before, own)
        + _EARLIER * asked.share(earlier, own, before)
        + _AFTER * asked.share(after, own, before)
    )
