"""Which language a message is most likely in, by its script and its commonest words (pure)."""

import re
from typing import Final, Literal

from service.agent.words import words

Language = Literal["en", "de", "es", "fr", "ru", "zh", "ja", "th"]

_SCRIPTS: Final[tuple[tuple[Language, re.Pattern[str]], ...]] = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
)
_COMMON: Final[dict[Language, str]] = {
    "en": """
        the is are of to in what how do does which who when where why can my i it and for with
    """,
    "de": """
        der die das den dem des ist sind ein eine einen wie was wer wann wo warum welche welcher welches wurde kann
        ich und nicht für von im mit hallo danke guten
    """,
    "es": """
        el la los las es son un una cómo como qué quién cuándo dónde cuánto cuántos por puedo y no para del hola
        gracias buenos buenas
    """,
    "fr": """
        le la les est sont un une des du comment que quoi qui quand où pourquoi quel quelle puis je et ne pas pour
        bonjour merci salut
    """,
}
_WORDS: Final = {name: frozenset(common.split()) for name, common in _COMMON.items()}


def language(text: str) -> Language:
    """The language of `text`, English where nothing tells."""
    for name, script in _SCRIPTS:
        if script.search(text):
            return name
    said = words(text.casefold())
    return max(_WORDS, key=lambda name: sum(word in _WORDS[name] for word in said))
