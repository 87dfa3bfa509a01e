"""What a question asks for, and whether a sentence offers it: a date, a number, a name, a reason ... (pure).

Question words of other languages stand beside the English ones.
"""

import re
from collections.abc import Collection
from typing import Final, Literal

from service.agent.words import pattern, terms

AnswerType = Literal["time", "number", "name", "place", "reason", "procedure", "definition", "other"]

_DEFINITION: Final = pattern(
    r"^\W*what(?:['’]s| is| are| was| were) (?:an? |the )?[\w.\-/`'’]+(?: [\w.\-/`'’]+)?\W*$",
    r"\b(?:meaning of|stands? for|definition of|define)\b|\bmeaning\W*$",
    r"\bwhat (?:does|do) .{1,60} (?:mean|stand for)\b",
    r"^\W*was (?:ist|sind) (?:eine? )?\S+\W*$",
    r"^\W*qué (?:es|son) \S+(?: \S+)?\W*$|^\W*qu['’]est-ce qu|^\W*что такое\b",
    r"是什么[？?]?$|とは",
)
_NUMBER: Final = pattern(
    r"\bhow (?:many|much|long|far|old|tall|large|big|high|deep|often|fast|quickly|wide|heavy|hot|cold|soon)\b",
    r"\b(?:what|which) (?:\w+ )?(?:percent|percentage|number|amount|population|temperature|length|size|age)\b",
    r"\b(?:what|which) (?:\w+ )?(?:distance|share|rate|price|cost|port|limit|version)\b",
    r"\bwie ?(?:viele?|lange?|oft|hoch|groß|alt|weit)\b|\bcu[aá]nt[oa]s?\b|\bcombien\b|\bсколько\b",
    r"多少|几[个次年天名]|幾|いくつ|いくら|何[人個回年間つ本]|กี่|เท่าไ[หร]|เท่าใด",
)
_TIME: Final = pattern(
    r"\bwhen\b|\b(?:what|which) (?:\w+ )?(?:years?|date|month|decade|century|day|time)\b",
    r"\bwann\b|\bin welchem jahr\b|\bcu[aá]ndo\b|\bquand\b|\bкогда\b|\bв каком году\b",
    r"什么时候|何时|哪一?年|什麼時候|いつ|何年|何月|เมื่อ(?:ไ[หร]|ใด)|ปีใด|ปีไหน",
)
_NAME: Final = pattern(
    r"\bwh(?:o|om|ose)\b|\bwhat (?:is|was|are|were) the (?:\w+ )?names?\b",
    r"\b(?:what|which) (?:\w+ )?(?:person|man|woman|author|\w+ist|king|president|leader|emperor|writer|player)\b",
    r"\b(?:what|which) (?:\w+ )?(?:historian|poet|researcher|engineer|inventor|team|company|organi[sz]ation)\b",
    r"\bwe[rmn]\b|\bqui[eé]n(?:es)?\b|\bqui\b|\bкто\b|\bкого\b|谁|誰|だれ|ใคร",
)
_PLACE: Final = pattern(
    r"\bwhere\b|\b(?:what|which) (?:\w+ )?(?:city|country|state|place|location|river|region|area|county)\b",
    r"\b(?:what|which) (?:\w+ )?(?:continent|street|town|folder|directory|file)\b",
    r"\bwo(?:her|hin)?\b|\bd[oó]nde\b|\boù\b|\bгде\b|\bкуда\b|哪里|哪裡|在哪|何处|どこ|ที่ไหน|ที่ใด",
)
_REASON: Final = pattern(
    r"\bwhy\b|\bwhat (?:caused|causes|is the reason|was the reason)\b",
    r"\bwarum\b|\bwieso\b|\bweshalb\b|\bpor qué\b|\bpourquoi\b|\bпочему\b|\bзачем\b",
    r"为什么|為什麼|なぜ|どうして|ทำไม|เพราะเหตุใด",
)
_PROCEDURE: Final = pattern(
    r"\bhow (?:do|can|could|should|would|to|is it possible)\b|\bwie (?:kann|muss|soll|mache|starte|stelle)\b",
    r"\bc[oó]mo\b|\bcomment\b|\bкак\b|怎么|如何|どうやって|どのように|อย่างไร|ยังไง",
)
_ANYTHING: Final = pattern(r"\b(?:what|which|how|does|do|did|is|are|was|were|can|could|will|would|should)\b")
# Of the patterns that match, the one whose match begins first tells the type, among equals the first listed: in
# "how long does it take when ..." the duration is asked for.
_QUESTIONS: Final[tuple[tuple[AnswerType, re.Pattern[str]], ...]] = (
    ("definition", _DEFINITION),
    ("number", _NUMBER),
    ("time", _TIME),
    ("name", _NAME),
    ("place", _PLACE),
    ("reason", _REASON),
    ("procedure", _PROCEDURE),
    ("other", _ANYTHING),
)
# Without a question word, as people type into a search box, a noun may tell the type.
_TOPICS: Final[tuple[tuple[AnswerType, re.Pattern[str]], ...]] = (
    (
        "number",
        pattern(r"\b(?:default|maximum|minimum|max|min|limit|size|length|timeout|interval|port|number of)\b"),
    ),
    (
        "procedure",
        pattern(r"\b(?:commands?|examples?|config(?:uration)?|settings?|steps|set up|install(?:ation)?)\b"),
    ),
    ("reason", pattern(r"\b(?:reason|cause)\b")),
)

_DATE: Final = re.compile(
    r"\b(?:1\d{3}|20\d{2})s?\b|\b\d{1,4} ?(?:AD|BCE?|CE)\b|\bcentur(?:y|ies)\b"
    r"|\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\b"
    r"|\b(?:Januar|Februar|März|Mai|Juni|Juli|Oktober|Dezember)\b"
    r"|\b(?:enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre)\b"
    r"|\b(?:janvier|février|mars|avril|juin|juillet|août|septembre|octobre|novembre|décembre)\b"
    r"|\d+ ?[年月日世]|พ\.ศ\.|ค\.ศ\."
)
_MOMENT: Final = pattern(r"\d|\b(?:after|before|during|since|until|when|once|as soon as|while|every)\b")
_DIGIT: Final = re.compile(r"\d|[一二三四五六七八九十百千万億亿两]")
_NUMERAL: Final = pattern(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty)\b",
    r"\b(?:hundreds?|thousands?|millions?|billions?|half|third|quarter|twice|dozen|several|few|many|no|none|once)\b",
)
_CAPITALISED: Final = re.compile(r"(?<![.!?] )(?<!^)\b[A-ZÀ-ÞА-Я][\w'’-]+")
_BECAUSE: Final = pattern(
    r"\b(?:because|due to|since|so that|in order to|results?|caus\w+|reasons?|led to|therefore|for|to avoid)\b",
    r"\b(?:otherwise|weil|da|denn|damit|porque|debido|car|parce|потому|из-за)\b",
    r"因为|由于|因此|ため|から|เพราะ|เนื่องจาก",
)
_INSTRUCTION: Final = pattern(
    r"`[^`]+`|\b(?:by|using|through|via)\b",
    r"^\W*(?:set|run|use|send|add|put|open|start|give|write|call|choose|create|remove|make|install|click|enter)\b",
    r"^\W*(?:point|move|copy|check|select|enable|disable|press|type|go|keep|list|raise|store|with|to)\b",
)
_DEFINING: Final = re.compile(
    r"[\w)*`\"”’']\s+(?:is|are|was|were|means?|stands? for|refers? to|describes?|denotes?|says|tells)\s"
    r"|[\w)*`\"”’']\s+(?:ist|sind|bezeichnet|bedeutet|es|son|significa|est|sont|désigne)\s|\s[—–]\s|是|とは|คือ"
)


_FORMS: Final[dict[AnswerType, tuple[tuple[re.Pattern[str], float], ...]]] = {
    "time": ((_DATE, 1.0), (_MOMENT, 0.3)),
    "number": ((_DIGIT, 1.0), (_NUMERAL, 0.7)),
    "reason": ((_BECAUSE, 1.0),),
    "procedure": ((_INSTRUCTION, 1.0),),
}
_NO_FORM: Final = 0.5  # where no form is expected


def answer_type(question: str) -> AnswerType:
    """What `question` asks for; "other" when its words do not tell."""
    matches = [(match.start(), kind) for kind, words in _QUESTIONS if (match := words.search(question))]
    if matches:
        return min(matches, key=lambda match: match[0])[1]
    return next((kind for kind, words in _TOPICS if words.search(question)), "other")


def offers(kind: AnswerType, sentence: str, asked: Collection[str]) -> float:
    """How well `sentence` has the form of an answer of this type, 0 to 1; `asked` are the question's terms."""
    if kind in ("name", "place"):
        return _names(sentence, asked)
    if kind == "definition":
        return _defines(sentence, asked)
    if kind == "other":
        return _NO_FORM
    return next((value for words, value in _FORMS[kind] if words.search(sentence)), 0.0)


def _names(sentence: str, asked: Collection[str]) -> float:
    """1 with two capitalised words that the question does not name."""
    fresh = [name for name in _CAPITALISED.findall(sentence) if not set(terms(name)) <= set(asked)]
    return min(1.0, len(fresh) / 2)


def _defines(sentence: str, asked: Collection[str]) -> float:
    """1 when the sentence opens with just what is asked for and goes on with "is", "means", "stands for" ..."""
    verb = _DEFINING.search(sentence)
    if verb is None:
        return 0.0
    subject = set(terms(sentence[: verb.start() + 1]))
    common = len(subject.intersection(asked))
    return 2 * common / (len(set(asked)) + len(subject)) if subject else 0.0
