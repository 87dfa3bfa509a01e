"""Which messages are no questions for the knowledge base: greetings, thanks, questions about the reader (pure)."""

from typing import Final, Literal

from service.agent.words import words

Intent = Literal["greeting", "thanks", "farewell", "assent", "about", "topics", "nothing", "question"]

_PHRASES: Final[tuple[tuple[Intent, str], ...]] = (
    (
        "about",
        """
        who are you, what are you, what is your name, what's your name, introduce yourself, how do you work
        what can you do, what do you do, how can you help, what can you help with, what are you able to do
        are you an ai, are you ai, are you a bot, are you a robot, are you human, are you a human, are you chatgpt
        are you a language model, are you an llm, which model are you, what model are you, which model do you use
        help, help me
        wer bist du, was bist du, was kannst du, was kannst du alles, was kannst du tun, hilfe
        quién eres, qué eres, qué puedes hacer, ayuda, qui es tu, que peux tu faire, que sais tu faire, aide
        кто ты, что ты умеешь, что ты можешь, помощь
        你是谁, 你能做什么, 你会什么, あなたは誰ですか, 何ができますか, คุณคือใคร, คุณเป็นใคร, คุณทำอะไรได้บ้าง
        """,
    ),
    (
        "topics",
        """
        topics, documents, what topics, which topics, list topics, list documents, list files, show topics
        show documents, show files, what topics do you have, what documents do you have, what files do you have
        which topics do you have, which documents do you have, which files do you have, what topics do you know
        what topics are there, which topics are there, what documents are there, which documents are there
        what files are there, which files are there, what sources do you have, what topics can i ask about
        what do you know, what do you know about, what can i ask, what can i ask you, what can i ask about
        what is about, what is it about, what can you tell me, what do you have, what is in here, what's in here
        what is in knowledge base, what's in knowledge base, what does knowledge base contain
        what does knowledge base cover, what is knowledge base about
        welche themen gibt es, welche dokumente gibt es, welche themen kennst du, welche dokumente hast du
        qué temas hay, qué documentos hay, qué temas tienes, quels sujets, quels documents, какие есть темы
        какие есть документы, 有哪些主题, 有什么主题, 有哪些文档, どんな資料がありますか, มีหัวข้ออะไรบ้าง
        """,
    ),
    (
        "thanks",
        """
        thanks, many thanks, thank you, thanks for help, thank you for help, thx, ty, cheers, that helps
        that was helpful, that's helpful, that is what i needed, that's what i needed, just what i needed
        that works, that worked, works now, it works, it works now, that answers my question, appreciate it
        danke, danke schön, danke sehr, vielen dank, herzlichen dank
        gracias, muchas gracias, merci, merci beaucoup, спасибо, большое спасибо, спасибо большое
        谢谢, 谢谢你, 多谢, 感谢, ありがとう, ありがとうございます, ありがとうございました
        ขอบคุณ, ขอบคุณครับ, ขอบคุณค่ะ, 감사합니다, شكرا
        """,
    ),
    (
        "greeting",
        """
        hi, hello, hey, hiya, howdy, greetings, good morning, good afternoon, good evening, good day
        how are you, how are you doing, how do you do, what's up
        hallo, moin, servus, guten tag, guten morgen, guten abend, wie geht's, wie geht es dir
        hola, buenos días, buenas tardes, buenas noches, bonjour, bonsoir, salut, ciao, olá
        привет, здравствуйте, добрый день, добрый вечер
        你好, 您好, こんにちは, おはようございます, こんばんは, สวัสดี, สวัสดีครับ, สวัสดีค่ะ, 안녕하세요, مرحبا
        """,
    ),
    (
        "farewell",
        """
        bye, goodbye, good bye, see you, see you later, good night, tschüss, auf wiedersehen, adiós
        hasta luego, au revoir, пока, до свидания, 再见, さようなら, ลาก่อน
        """,
    ),
    (
        "assent",
        """
        ok, okay, yes, no, nope, yeah, yep, sure, fine, great, cool, nice, perfect, good, awesome, got it, i see
        understood, alright, all right, never mind, sorry, test, ping
        ja, nein, gut, alles klar, sí, vale, oui, non, d'accord, да, нет, хорошо, 好, 好的, はい, いいえ, ครับ, ค่ะ
        """,
    ),
)
_FILLERS: Final = frozenset(
    (
        *(
            "there",
            "all",
            "everyone",
            "everybody",
            "again",
            "so",
            "very",
            "much",
            "a",
            "lot",
            "please",
            "me",
            "for",
        ),
        *("the", "your", "this", "today", "exactly", "zusammen", "bitte"),
    )
)
_LONGEST: Final = 7  # words of a phrase


def _plain(text: str) -> tuple[str, ...]:
    said = (word for token in words(text.casefold().replace("’", "'")) for word in token.split("-"))
    return tuple(word for word in said if word not in _FILLERS)


_INTENTS: Final[dict[tuple[str, ...], Intent]] = {
    _plain(phrase): intent
    for intent, phrases in reversed(_PHRASES)
    for line in phrases.splitlines()
    for phrase in line.split(",")
    if phrase.strip()
}
_WEIGHT: Final = {intent: place for place, (intent, _) in enumerate(_PHRASES)}


def intent(message: str) -> Intent:
    """What a message wants. All that does not consist of small talk as a whole is a question.

    Of several phrases in it the weightiest counts: "ok, thanks" is thanks, "hello, what can you do?" is about.
    """
    if not words(message):
        return "nothing"
    said, found, at = _plain(message), list[Intent](), 0
    while at < len(said):
        length = next((n for n in range(_LONGEST, 0, -1) if said[at : at + n] in _INTENTS), 0)
        if not length:
            return "question"
        found.append(_INTENTS[said[at : at + length]])
        at += length
    return min(found, key=lambda name: _WEIGHT[name], default="question")
