"""From a message to what it asks: its terms, the type of answer, and what the conversation adds to it (pure)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from service.agent.answer_types import AnswerType, answer_type
from service.agent.languages import language
from service.agent.words import Asked, asked, is_function_word, pattern, words
from service.chats.turns import Exchange
from service.kb.function_words import QUESTIONS

_GREETINGS: Final = (
    r"hi|hello|hey|hallo|guten (?:tag|morgen|abend)|hola|buenos días|bonjour|salut|привет|здравствуйте",
    r"thanks|thank you|danke|gracias|merci|спасибо|ok|okay|great|please|bitte|por favor|пожалуйста",
    r"(?:can|could|would) you (?:please )?(?:tell|explain to|show) me|(?:tell|show) me|do you know",
    r"i (?:would like|want|need) to know|i['’]d like to know|i have a question",
    r"(?:sum up|summari[sz]e|explain|describe|compare|tl;?dr(?: of)?)(?: (?:to|for) me)?",
    r"(?:give me )?an? (?:short |brief |quick )?(?:summary|overview|explanation|comparison|description) of",
)
_COURTESY: Final = pattern(
    rf"^\W*(?:(?:(?:{'|'.join(_GREETINGS)})\b|你好|您好|こんにちは|สวัสดี(?:ครับ|ค่ะ)?|请问|请)[\s,.!:;，。！–-]*)+"
)
_MEASURE: Final = pattern(r"\bhow (?:long|many|much|often|far|big|large|old|fast|quickly|soon)\b")
_CONTINUES: Final = pattern(
    r"^\W*(?:and|but|so|or|also|then|what about|how about|und|aber|oder|was ist mit|wie ist es mit)\b",
    r"^\W*(?:y|pero|et|mais|e|а|и|но)\b|^\W*(?:那么?|还有|では|それで|じゃあ|แล้ว)",
    r"^\W*(?:why|how|when|where|who|how come|warum|wieso|por qué|pourquoi|почему|为什么|なぜ|ทำไม)(?: not)?\W*$",
    r"\bhow (?:many|much|long|often|far)\W*$",
)
_POINTS_BACK: Final = pattern(
    r"\b(?:it|its|this|these|those|they|them|their|he|him|his|she|her|ones?)\b|\bthat(?=\W*$)",
    r"\b(?:is|does|was|about|with|of|for|to|after|before|do|change) that\b",
    r"\b(?:es|das|davon|damit|dies|eso|esto|ello|ça|cela|это|этого|этом)\b|他|它|这个|那个|それ|これ|มัน",
)
_MORE: Final = pattern(
    r"^\W*(?:(?:please )?(?:tell|show) me more|more(?: details?)?|go on|continue|what else|anything else|and then)"
    r"(?: (?:about|on) (?:it|that|this))?(?: please)?\W*$",
    r"^\W*(?:mehr|weiter|más|continúa|plus|еще|ещё|дальше|继续|更多|もっと|続けて|อีก)\W*$",
)
_PART: Final = pattern(
    r"(?<=[?？])\s*(?=\w)",
    r",?\s+(?=(?:and|und)\s+(?:also\s+)?(?:how|what|where|when|which|why|who|can|does|do|is|are)\b)",
    r",?\s+(?=und\s+(?:wie|was|wo|wann|welche[rsnm]?|warum|wer|kann)\b)",
)
_CONJUNCTION: Final = pattern(r"^\W*(?:and|but|so|und|aber|y|et|и)\b\s*")
_IDENTIFIER: Final = re.compile(r"\w[_./]\w|[a-z][A-Z]|^[A-Z]{2,}")
_BACK_REFERENCE_TERMS: Final = 4
_LONGEST: Final = 60
_INHERITED: Final = 16
_REACH: Final = 4
_PARTS: Final = 3  # questions in a message


@dataclass(frozen=True, slots=True)
class Question:
    """A question made comparable.

    `terms` are its own, in order; `inherited` come from what was asked before it. `names` are the terms of names,
    numbers and identifiers in it. `said` is the answer it follows up on, and `more` asks for what that left out.
    `parts` are the questions of a message that asks several.
    """

    text: str
    kind: AnswerType
    terms: tuple[Asked, ...]
    names: frozenset[str] = frozenset()
    inherited: tuple[Asked, ...] = ()
    query: str = ""
    said: str = ""
    more: bool = False
    parts: tuple["Question", ...] = ()


@lru_cache(maxsize=64)
def understand(message: str, earlier: tuple[Exchange, ...] = ()) -> Question:
    """Read a message as a question; `earlier` are the exchanges before it, oldest first. A turn asks it twice."""
    said = [part for part in _PART.split(message) if part]
    if not 1 < len(said) <= _PARTS:
        return _understood(message, earlier)
    before = list(earlier)
    parts: list[Question] = []
    for part in said:
        parts.append(_understood(part, before))
        before.append(Exchange(part, ""))
    return replace(_understood(message, earlier), parts=tuple(parts))


def _understood(message: str, earlier: Sequence[Exchange]) -> Question:
    text = _COURTESY.sub("", message, count=1) or message
    more = bool(_MORE.match(text))
    own = [] if more else content_words(text)
    follows = bool(earlier) and (more or depends(text))
    background = _background(earlier, text) if follows else []
    kind = answer_type(_CONJUNCTION.sub("", text))
    if follows and kind == "other":
        kind = answer_type(earlier[-1].question)  # "and with vLLM?" asks for what was asked before
    return Question(
        text=text,
        kind=kind,
        terms=_terms(own or background, _LONGEST),
        names=frozenset(_names(text)),
        inherited=_terms(background, _INHERITED) if own else (),
        query=" ".join((*own, *background)) if background else text,
        said=earlier[-1].answer if follows else "",
        more=more,
    )


def depends(text: str) -> bool:
    """Whether the message can only be understood from the conversation."""
    if _CONTINUES.search(text) or _MORE.match(text):
        return True
    return bool(_POINTS_BACK.search(text)) and len(content_words(text)) <= _BACK_REFERENCE_TERMS


def content_words(text: str) -> list[str]:
    """The words of `text` that say what it is about; digits alone, as in 2 + 2, say nothing."""
    subject = QUESTIONS.sub(" ", _MEASURE.sub(" ", text))
    found = [word for word in words(subject) if not is_function_word(word)]
    return [] if all(word.isdigit() and len(word) == 1 for word in found) else found


def _background(earlier: Sequence[Exchange], text: str) -> list[str]:
    """The content words of the question before, and of those it depended on itself.

    A name in `text` takes the place of the names before: "and with vLLM?" after a question about llama.cpp.
    """
    found: list[str] = []
    for exchange in reversed(earlier[-_REACH:]):
        before = _COURTESY.sub("", exchange.question, count=1)
        found += content_words(before)
        if not depends(before):
            break
    if any(True for _ in _names(text)):
        found = [word for word in found if not _is_name(word, capitals=True)]
    return list(dict.fromkeys(found))


def _terms(said: Sequence[str], limit: int) -> tuple[Asked, ...]:
    return tuple(term for word in said for term in asked(word))[:limit]


def _names(text: str) -> Iterator[str]:
    """Terms of the names, numbers and identifiers in a text; in German every noun has a capital."""
    capitals = language(text) != "de"
    for at, word in enumerate(words(text)):
        if not is_function_word(word) and _is_name(word, capitals=capitals and at > 0):
            yield from (found.term for found in asked(word) if found.step)


def _is_name(word: str, *, capitals: bool) -> bool:
    """A digit, punctuation inside as in file names and identifiers, or a capital where `capitals` tell names."""
    if any(character.isdigit() for character in word) or _IDENTIFIER.search(word):
        return True
    return capitals and word[0].isupper()
