"""What the reader says in its own words: small talk, "not in the knowledge base", the list of topics (pure).

Statements of fact are in English; the sentences that everybody meets are in the language of the question where
the reader can tell it.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from service.agent.evidence import Evidence, Topic
from service.agent.languages import Language, language
from service.agent.smalltalk import Intent

_NOT_TOLD: Final[dict[Language, str]] = {
    "en": "The knowledge base does not tell this.",
    "de": "Die Wissensbasis sagt dazu nichts.",
    "es": "La base de conocimientos no lo dice.",
    "fr": "La base de connaissances ne le dit pas.",
    "ru": "В базе знаний об этом ничего не сказано.",
    "zh": "知识库中没有相关内容。",
    "ja": "ナレッジベースには記載がありません。",
    "th": "ฐานความรู้ไม่มีข้อมูลเรื่องนี้",
}
_NEAREST: Final[dict[Language, str]] = {
    "en": "Nearest documents: {names}.",
    "de": "Am nächsten kommen diese Dokumente: {names}.",
    "es": "Documentos más cercanos: {names}.",
    "fr": "Documents les plus proches : {names}.",
    "ru": "Ближайшие документы: {names}.",
    "zh": "最接近的文档：{names}。",
    "ja": "近い文書：{names}。",
    "th": "เอกสารที่ใกล้เคียง: {names}",
}
_ADVICE: Final[dict[Language, str]] = {
    "en": "Try other words, or ask “what topics are there?”.",
    "de": "Versuch andere Wörter oder die Sprache der Dokumente, oder frag „welche Themen gibt es?“.",
    "es": "Prueba con otras palabras o en el idioma de los documentos, o pregunta «¿qué temas hay?».",
    "fr": "Essayez d'autres mots ou la langue des documents, ou demandez « quels sujets ? ».",
    "ru": "Попробуйте другие слова или язык документов либо спросите «какие есть темы?».",
    "zh": "请换一种说法或用文档的语言提问，也可以问“有哪些主题”。",
    "ja": "別の言葉や文書の言語で試すか、「どんな資料がありますか」と聞いてください。",
    "th": "ลองใช้คำอื่นหรือภาษาของเอกสาร หรือถามว่า “มีหัวข้ออะไรบ้าง”",
}
_GREETING: Final[dict[Language, str]] = {
    "en": "Hello! Ask me something about the documents of this knowledge base.",
    "de": "Hallo! Frag mich etwas über die Dokumente dieser Wissensbasis.",
    "es": "¡Hola! Pregúntame algo sobre los documentos de esta base de conocimientos.",
    "fr": "Bonjour ! Posez-moi une question sur les documents de cette base de connaissances.",
    "ru": "Здравствуйте! Задайте вопрос о документах этой базы знаний.",
    "zh": "你好！请就知识库中的文档提问。",
    "ja": "こんにちは。ナレッジベースの文書について質問してください。",
    "th": "สวัสดี ถามเกี่ยวกับเอกสารในฐานความรู้นี้ได้เลย",
}
_THANKS: Final[dict[Language, str]] = {
    "en": "You are welcome.",
    "de": "Gern geschehen.",
    "es": "De nada.",
    "fr": "Je vous en prie.",
    "ru": "Пожалуйста.",
    "zh": "不客气。",
    "ja": "どういたしまして。",
    "th": "ยินดี",
}
_ABOUT: Final = (
    "I am the built-in reader of this service. I am no language model: I search the documents of the knowledge"
    " base and quote the sentences that answer a question, each with its source. I cannot summarise, compare,"
    " translate or calculate. To have a language model answer instead, set `LLM_BASE_URL` and `LLM_MODEL` (and"
    " `LLM_API_KEY` where the provider wants one) and restart the service."
)
_FAREWELL: Final = "Goodbye."
_ASSENT: Final = "All right. Ask when you want to know more."
_NOTHING: Final = "I see no words in this message. Ask a question in words."
_NAMED: Final = 3
_TOPIC_DOCUMENTS: Final = 5


def small_talk(kind: Intent, message: str) -> str:
    """The reply to a message that is no question for the knowledge base."""
    spoken = language(message)
    if kind == "greeting":
        return _GREETING[spoken]
    if kind == "thanks":
        return _THANKS[spoken]
    return {"about": _ABOUT, "farewell": _FAREWELL, "assent": _ASSENT}.get(kind, _NOTHING)


def not_told(question: str, evidence: Evidence, near: Sequence[str]) -> Iterator[str]:
    """Say that the knowledge base does not tell; `near` are documents that speak of something like it."""
    spoken = language(question)
    if evidence.empty:
        yield "The knowledge base has no documents at the moment."
        if evidence.state:
            yield f" {evidence.state}"
        return
    if evidence.error and not evidence.passages:
        yield f"The knowledge base could not be searched: {evidence.error}"
        return
    yield _NOT_TOLD[spoken]
    if near:
        names = ", ".join(f"`{name}`" for name in near[:_NAMED])
        yield " " + _NEAREST[spoken].format(names=names)
    elif evidence.near_terms:
        yield f" Similar words in it: {', '.join(evidence.near_terms)}."
    elif evidence.topic_names:
        yield f" Its topics: {', '.join(evidence.topic_names)}."
    yield f" {_ADVICE[spoken]}"
    if evidence.state:
        yield f" {evidence.state}"


def listing(topics: Sequence[Topic], state: str) -> Iterator[str]:
    """Say which topics and documents there are."""
    if not topics:
        yield state or "The knowledge base is empty."
        return
    yield "The knowledge base has these topics:\n"
    for topic in topics:
        title = f" ({topic.title})" if topic.title and topic.title != topic.name else ""
        about = f": {topic.description.rstrip('.')}." if topic.description else ":"
        names = ", ".join(f"`{name}`" for name in topic.names[:_TOPIC_DOCUMENTS])
        rest = topic.documents - min(len(topic.names), _TOPIC_DOCUMENTS)
        more = f" and {rest} more" if rest > 0 else ""
        yield f"\n- **{topic.name}**{title}{about} {names}{more}"
