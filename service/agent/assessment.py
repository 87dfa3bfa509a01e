"""The evidence of a turn, weighed once for a question: ranked sentences, confidence, what comes near (pure)."""

from collections.abc import Sequence
from functools import cached_property
from typing import Final

from service.agent.evidence import Passage
from service.agent.grounds import Grounds, confidence, grounds
from service.agent.matching import AskedTerms, analysed
from service.agent.questions import Question
from service.agent.scoring import Candidate, rank

_ANSWERABLE: Final = 0.0  # logit from which an answer is given
_HOPELESS: Final = -3.0  # logit below which reading on has never helped
_NEAR: Final = 0.1  # strength from which a document speaks of something like the question


class Assessment:
    """What the passages found say of a question."""

    def __init__(self, question: Question, passages: Sequence[Passage]) -> None:
        self._question = question
        self._passages = [analysed(passage) for passage in passages]
        self._asked = AskedTerms(question, self._passages)

    @cached_property
    def candidates(self) -> list[Candidate]:
        """Sentences, best first."""
        return rank(self._question, self._asked, self._passages)

    @cached_property
    def grounds(self) -> Grounds | None:
        """The evidence for an answer."""
        return grounds(self._question, self._asked, self._passages)

    @cached_property
    def confidence(self) -> float:
        """Logit of the probability that there is an answer among the passages."""
        return confidence(self.grounds)

    @property
    def answerable(self) -> bool:
        """Whether to answer."""
        return self.confidence > _ANSWERABLE and bool(self.candidates)

    @property
    def hopeless(self) -> bool:
        """Whether reading on cannot bring an answer."""
        return self.confidence < _HOPELESS

    @property
    def near_documents(self) -> tuple[str, ...]:
        """Names of documents that have telling terms of the question, strongest first."""
        strengths = {
            passage.passage.document: self._asked.strength(passage)
            for passage in reversed(self._passages)
            if set(self._asked.matches(passage.counts)) - self._asked.everyday
        }
        near = [name for name, strength in strengths.items() if strength >= _NEAR]
        return tuple(sorted(near, key=lambda name: -strengths[name]))
