"""A mistake in the service's own code: the turn ends nevertheless, and the chat goes on."""

from functools import partial
from typing import Any

import pytest

from service.agent.admission import Admission, Capacity
from service.agent.loop import Limits
from service.agent.runner import TurnRunner
from service.agent.tools import Toolbox
from service.chats.events import EventType
from service.chats.questions import QuestionStore
from service.chats.turns import TurnStore
from service.kb.search import DocumentText, KnowledgeBase, SearchResult
from tests.agent.desk import Desk
from tests.kb.shelf import fill


class Mistaken(KnowledgeBase):
    """An index with a mistake in one of its methods."""

    mistake = ""

    async def search(self, *arguments: Any, **named: Any) -> SearchResult:
        if self.mistake == "search":
            raise ZeroDivisionError("on purpose")
        return await super().search(*arguments, **named)

    async def read(self, *arguments: Any, **named: Any) -> DocumentText:
        if self.mistake == "read":
            raise ZeroDivisionError("on purpose")
        return await super().read(*arguments, **named)


async def no_note() -> str:
    return ""


@pytest.mark.parametrize(("mistake", "content"), [("search", ""), ("read", "It is 8123. [1]")])
async def test_a_mistake_ends_the_turn_with_what_was_shown(desk: Desk, mistake: str, content: str) -> None:
    await fill(desk.db, {"ports.md": "# Ports\n\nWho knows the port? It is 8123.\n"})
    kb = Mistaken(desk.db, search_timeout=5)
    kb.mistake = mistake
    toolbox = partial(Toolbox, kb, result_chars=8_000, folder_note=no_note)
    limits = Limits(llm_calls=8, tool_calls=8, seconds=60, window=32_000)
    turns, admission = TurnStore(desk.db, desk.log), Admission(Capacity(4, 4, 4))
    desk.runner = TurnRunner(turns, desk.model, toolbox, limits, desk.metrics, admission)
    desk.fake.say("It is 8123. [1]")  # where the search went well, after which the cited text is read to be kept

    posted = await desk.ask()
    await desk.until_told(posted, EventType.TURN_FAILED)

    answer = await desk.stored(posted)
    assert answer.error is not None
    assert (answer.error.code, answer.content, len(answer.citations)) == ("internal_error", content, bool(content))
    counted = desk.metrics.registry.get_sample_value
    assert counted("kb_agent_turn_failures_total", {"code": "internal_error"}) == 1
    again = await QuestionStore(desk.db, desk.log).post("ann", posted.answer.chat_id, "And now?", "m")
    assert again.answer.status == "queued"
