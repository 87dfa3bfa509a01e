"""The modes in which a model server misbehaves, what becomes of a turn in each, and settings for them.

The tables are made from those of the model client's own tests.
"""

from dataclasses import dataclass
from typing import Final

from service.agent.failures import FAILURES
from tests.agent.test_llm_dialects import CALLS, TEXTS
from tests.agent.test_llm_faults import ENDINGS, FLOODS, SILENCES
from tests.fake_faults import ECHOED_KEY
from tests.fake_wire import ANSWER

RETRIES: Final = 1
SETTINGS: Final = {
    "LLM_MODEL": "scripted",
    "LLM_API_KEY": ECHOED_KEY,
    "LLM_MAX_RETRIES": str(RETRIES),
    "LLM_RETRY_BUDGET": "1",
    "LLM_BREAKER_FAILURES": "0",
    "MAX_RUNNING_TURNS": "16",
}
# Only modes that reach them are under limits that a busy machine could reach, too.
PATIENT: Final = SETTINGS | {"LLM_FIRST_BYTE_TIMEOUT": "60", "LLM_GAP_TIMEOUT": "60", "LLM_ATTEMPT_TIMEOUT": "60"}
HASTY: Final = SETTINGS | {
    "LLM_FIRST_BYTE_TIMEOUT": "4",
    "LLM_GAP_TIMEOUT": "4",
    "LLM_ATTEMPT_TIMEOUT": "8",
    "TURN_TIMEOUT": "19",
}


@dataclass(frozen=True, slots=True)
class Ending:
    """How the answer of a mode ends: requests of the model in all, and the failure's code.

    `replied` tells that the last of them brought a whole reply, though no answer.
    """

    requests: int
    code: str
    text: str = ""
    retryable: bool = False
    replied: bool = False


def failing(code: str, attempts: int, text: str = "", *, retryable: bool | None = None) -> Ending:
    """An answer that fails with `code` after a search and so many attempts."""
    return Ending(1 + attempts, code, text, FAILURES[code].retryable if retryable is None else retryable)


# Each fault and what becomes of the turn.
FAILED: Final[dict[str, Ending]] = {
    **{
        mode: failing(code, min(attempts, 1 + RETRIES), shown, retryable=False if mode == "302" else None)
        for mode, code, attempts, shown in ENDINGS
    },
    **{
        mode: failing(code, attempts, shown)
        for mode, _, code, attempts, shown in SILENCES
        if code != "attempt_timeout"
    },
    **{mode: failing(code, min(attempts, 1 + RETRIES)) for mode, code, attempts, _ in FLOODS},
    "429-after-1": failing("provider_rate_limited", 2),
    "429-after-20": failing("provider_rate_limited", 1),  # longer than this turn may take
    "drip-text": failing("attempt_timeout", 1, "word "),
    "length-args": Ending(2, "answer_cut", replied=True),
    "length-written": Ending(2, "answer_cut", replied=True),
    "filter-0": Ending(2, "refused", replied=True),
    "filter-n": Ending(2, "refused", ANSWER, replied=True),
}
# Modes that are odd and yet end in an answer: what it says.
ANSWERED: Final[dict[str, str]] = {mode: text for mode, text, _ in TEXTS} | {
    "length-text": ANSWER,
    "stall-after-finish": ANSWER,
    "stall-after-done": ANSWER,
}
# Dialects of calls: the calls that become steps.
CALLED: Final[dict[str, list[str]]] = {mode: [name for name, _ in calls] for mode, _, calls in CALLS} | {
    "text-call-after-text": ["search_kb"]
}
# What ends at a limit of time.
LATE: Final = {mode for mode, *_ in SILENCES} | {"drip-text", "429-after-20"}
# Text is shown as it comes, so these begin with it and are cut where their limit is.
LONG: Final = {"drip-text", "flood-text", "flood-held"}
