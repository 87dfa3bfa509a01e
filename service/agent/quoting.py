"""From ranked sentences to the text of an answer: which to quote, and whole blocks where they belong (pure)."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from service.agent.citations import may_be_marker
from service.agent.evidence import Passage
from service.agent.scoring import Candidate
from service.agent.sentences import Sentence, split

_MOST: Final = 3  # sentences in an answer
_ENOUGH: Final = 0.9  # of the probability that an answer stands in those chosen
_WORTH: Final = 0.05  # a sentence less probable than this is not added
_RIVALS: Final = 40  # candidates that share the probability
_ITEMS: Final = 12
_BRACKETS: Final = re.compile(r"[\[【]([^\[\]【】\n]{1,200})[\]】]")
_FENCE: Final = re.compile(r"[ \t]*(`{3,}|~{3,})")


@dataclass(frozen=True, slots=True)
class Quote:
    """`passage.text[start:end]`, to be shown verbatim."""

    passage: Passage
    sentence: Sentence

    @property
    def text(self) -> str:
        """The words as they stand in the passage."""
        return self.passage.text[self.sentence.start : self.sentence.end]


def choose(candidates: Sequence[Candidate]) -> tuple[Quote, ...]:
    """The sentences to quote, best passage first and in reading order within a passage.

    Scores are those of a conditional logit, so their softmax is the probability that a sentence holds the
    answer. Sentences are taken until an answer is likely among them.
    """
    rivals = [candidate for candidate in candidates[:_RIVALS] if candidate.score > -math.inf]
    if not rivals:
        return ()
    odds = [math.exp(c.score - rivals[0].score) for c in rivals]
    total, covered = sum(odds), 0.0
    chosen: list[Candidate] = []
    for candidate, share in zip(rivals, odds, strict=True):
        if chosen and (len(chosen) == _MOST or covered >= _ENOUGH or share / total < _WORTH):
            break
        covered += share / total
        if all(candidate.text != other.text for other in chosen):
            chosen.append(candidate)
    return tuple(_in_order(chosen))


def _in_order(chosen: Sequence[Candidate]) -> Iterator[Quote]:
    """Sentences with the blocks they introduce, or are introduced by."""
    passages = list(dict.fromkeys(candidate.passage for candidate in chosen))
    for passage in passages:
        sentences = split(passage.text)
        wanted: set[int] = set()
        for candidate in chosen:
            if candidate.passage == passage:
                wanted |= _with_block(passage.text, sentences, sentences.index(candidate.sentence))
        yield from (Quote(passage, sentences[at]) for at in sorted(wanted))


def _with_block(text: str, sentences: Sequence[Sentence], at: int) -> set[int]:
    """A sentence that ends with a colon brings what follows it; a code block brings the sentence before it."""
    wanted = {at}
    if sentences[at].kind == "code" and at and _introduces(text, sentences[at - 1]):
        wanted.add(at - 1)
    if sentences[at].kind == "row":
        wanted.add(_header(sentences, at))
    if _introduces(text, sentences[at]):
        kind = sentences[at + 1].kind if at + 1 < len(sentences) else "prose"
        limit = {"code": 1, "item": _ITEMS, "row": _ITEMS}.get(kind, 0)
        for following in range(at + 1, min(at + 1 + limit, len(sentences))):
            if sentences[following].kind != kind:
                break
            wanted.add(following)
    return wanted


def _introduces(text: str, sentence: Sentence) -> bool:
    return sentence.kind in ("prose", "item") and text[sentence.end - 1] in ":："


def _header(sentences: Sequence[Sentence], at: int) -> int:
    while at and sentences[at - 1].kind == "row":
        at -= 1
    return at


def pieces(quotes: Sequence[Quote]) -> Iterator[str]:
    """The answer's text piece by piece, each quote followed by its marker."""
    before: Quote | None = None
    rows: list[Quote] = []
    for at, quote in enumerate(quotes):
        following = quotes[at + 1] if at + 1 < len(quotes) else None
        if quote.sentence.kind == "row":
            rows.append(quote)
            if following is not None and following.sentence.kind == "row" and following.passage == quote.passage:
                continue
            yield _gap(before, rows[0]) + _table(rows)
            rows = []
        else:
            yield _gap(before, quote) + _rendered(quote)
        before = quote


def _gap(before: Quote | None, quote: Quote) -> str:
    if before is None:
        return ""
    together = before.passage == quote.passage
    if together and before.sentence.kind == quote.sentence.kind == "item":
        return "\n"
    if (
        together
        and before.sentence.kind == quote.sentence.kind == "prose"
        and before.sentence.block == quote.sentence.block
    ):
        return " "
    return "\n\n"


def _rendered(quote: Quote) -> str:
    marker = f"[{quote.passage.id}]"
    if quote.sentence.kind == "code":
        return f"{_fenced(quote.text)}\n{marker}"
    bullet = "- " if quote.sentence.kind == "item" else ""
    return f"{bullet}{_unmarked(quote.text)} {marker}"


def _table(rows: Sequence[Quote]) -> str:
    lines = [row.text for row in rows]
    columns = max(1, lines[0].strip().strip("|").count("|") + 1)
    lines.insert(1, "|" + " --- |" * columns)
    return "\n".join(lines) + f"\n\n[{rows[0].passage.id}]"


def _fenced(code: str) -> str:
    fence = _FENCE.match(code)
    if fence is None:
        return f"```\n{code}\n```"
    closed = code.count("\n") and code.rstrip().endswith(fence[1])
    return code if closed else f"{code}\n{fence[1]}"


def _unmarked(text: str) -> str:
    """What stands in a document is no marker of ours, whatever it looks like."""
    return _BRACKETS.sub(lambda found: f"\\[{found[1]}\\]" if may_be_marker(found[1]) else found[0], text)
