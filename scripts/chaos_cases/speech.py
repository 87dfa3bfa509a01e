"""What the scripted model says: it searches, then speaks at the length and pace that the question asks for.

A question that ends in `~80x3` gets 80 words, 3 ms apart; its text is made from the question and holds characters
of one to four bytes.
"""

import random
import re
from typing import Final

from tests.fake_llm import Request
from tests.fake_wire import Script, call_script, text_script

_PACE: Final = re.compile(r"~(\d+)x(\d+)$")
_WORDS: Final = (
    "light",
    "Überläufe",
    "→",
    "東京",
    "😀",
    "naïve",
    "a\u0301",
    "port",
    "8123.",
    "\n",
    "*keeper*",
    "\u2028",
)


def speaking(request: Request) -> Script:
    """Answer one request: a search first, then the text."""
    last = request.messages[-1]
    question = next(m["content"] for m in reversed(request.messages) if m["role"] == "user")
    if last["role"] != "tool" and request.body.get("tools"):
        return call_script(("search_kb", {"query": "lighthouse port"}))
    pace = _PACE.search(question)
    words, pause = (int(pace[1]), int(pace[2])) if pace else (5, 0)
    return text_script(text_of(question, words), pause=pause / 1000)


def text_of(question: str, words: int) -> str:
    """Make the text of an answer."""
    rng = random.Random(question)  # noqa: S311 - has to be repeatable, not secret
    return " ".join(["Port 8123 [1]", *rng.choices(_WORDS, k=words)])


def question(name: str, words: int, pause: int) -> str:
    """Make a question: its answer has so many words, so many milliseconds apart."""
    return f"Which port does the lighthouse listen on, asks {name}? ~{words}x{pause}"


def model_settings(base_url: str) -> dict[str, str]:
    """Settings of a server that asks this model."""
    return {"LLM_MODEL": "fake", "LLM_BASE_URL": base_url}
