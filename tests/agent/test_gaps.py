"""Gaps: which questions leave one, how they are grouped, and what closes them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import pytest

from service.agent.draft import Draft
from service.agent.endings import outcome_of
from service.agent.evidence import situation
from service.agent.gaps import GapWatch, finding
from service.agent.loop import Limits, answer
from service.agent.model import ChatModel, Message
from service.agent.reader import BuiltInReader
from service.agent.tools import Toolbox
from service.chats.events import EventLog
from service.chats.gaps import Gap, GapStore
from service.chats.questions import QuestionStore
from service.chats.records import Outcome, Status
from service.chats.store import ChatStore
from service.chats.turns import Ending, TurnStore
from service.database import Database
from service.kb import rows
from service.kb.search import KnowledgeBase
from tests.agent.asking import client
from tests.fake_llm import FakeLLM
from tests.kb.shelf import add, fill, opened

LIMITS = Limits(llm_calls=8, tool_calls=8, seconds=60, window=8192)
PORTS = {"ports.md": "# Ports\n\nThe lighthouse service listens on port 8123.\n"}
ZEPPELIN = "# Zeppelins\n\nThe zeppelin of the lighthouse is painted silver.\n"
QUESTION = "How is the zeppelin painted?"


async def no_note() -> str:
    return ""


@dataclass
class Asking:
    """A knowledge base that is asked and may be edited."""

    db: Database
    model: ChatModel
    gaps: GapStore
    watch: GapWatch
    kb: KnowledgeBase

    async def ask(self, question: str, chat_id: str | None = None) -> tuple[str, Outcome]:
        """Ask in a chat, as the runner does; give the chat and the outcome."""
        log = EventLog(self.db)
        turns = TurnStore(self.db, log)
        chat = chat_id or (await ChatStore(self.db, log).create("ann", None, {})).id
        posted = await QuestionStore(self.db, log).post("ann", chat, question, "m")
        turn = await turns.begin(posted.answer.id, "m")
        assert turn is not None
        earlier = reversed(turn.earlier)
        said = [(Message("user", e.question), Message("assistant", e.answer)) for e in earlier]
        messages = [message for pair in said for message in pair] + [Message("user", question)]
        toolbox = Toolbox(self.kb, result_chars=8_000, folder_note=no_note)
        draft = Draft("m")
        async with aclosing(answer(self.model, toolbox, messages, LIMITS, draft)) as events:
            async for _ in events:
                pass
        outcome = outcome_of(draft, Status.COMPLETED, None)
        found = finding(situation(messages), draft, toolbox, outcome)
        await turns.finish(turn, Ending(Status.COMPLETED, outcome, draft.text, draft.citations, finding=found))
        return chat, outcome

    async def edit(self, name: str, text: str) -> int:
        """Change a document; give how many gaps that closed."""
        await add(self.db, name, text)
        await self.db.write(rows.advance_revision)
        return await self.watch.check()

    async def listed(self) -> list[Gap]:
        return list((await self.gaps.page(None, 10, state="all")).items)


@asynccontextmanager
async def asking(model: ChatModel, texts: Mapping[str, str | bytes] = PORTS) -> AsyncIterator[Asking]:
    async with opened() as db:
        await fill(db, texts)
        kb = KnowledgeBase(db, search_timeout=60)
        gaps = GapStore(db)
        yield Asking(db, model, gaps, GapWatch(gaps, kb), kb)


@pytest.fixture
async def base() -> AsyncIterator[Asking]:
    async with asking(BuiltInReader()) as found:
        yield found


async def test_questions_with_the_same_words_are_one_gap(base: Asking) -> None:
    for question in (QUESTION, "Zeppelin painting?", "how were zeppelins PAINTED", "Who feeds the parrot?"):
        assert (await base.ask(question))[1] is Outcome.NOT_IN_KB
    first, second = await base.listed()
    assert (first.count, first.question, first.state) == (3, "how were zeppelins PAINTED", "open")
    assert set(first.terms) == {"zeppelins", "painted"}
    assert first.first_seen <= first.last_seen
    assert (second.count, second.question) == (1, "Who feeds the parrot?")
    assert await base.gaps.count_open() == 2


async def test_answers_and_small_talk_leave_no_gap(base: Asking) -> None:
    assert (await base.ask("On which port does the lighthouse service listen?"))[1] is Outcome.GROUNDED
    assert (await base.ask("hello"))[1] is Outcome.CONVERSATIONAL
    assert await base.listed() == []


async def test_a_gap_tells_terms_that_exist(base: Asking) -> None:
    await base.ask("What does the lightouse keeper eat?")
    await base.ask("Is there a serviette?")
    near = {term for gap in await base.listed() for term in gap.near_terms}
    assert {"service"} & near or {"lighthouse"} & near


async def test_an_edit_that_answers_closes_a_gap_and_another_does_not(base: Asking) -> None:
    await base.ask(QUESTION)
    assert await base.edit("ports.md", "# Ports\n\nThe lighthouse service listens on port 9000.\n") == 0
    assert await base.gaps.unchecked(2, 10) == ()
    assert await base.edit("zeppelin.md", ZEPPELIN) == 1
    (gap,) = await base.listed()
    assert (gap.state, gap.resolved_by) == ("resolved", "zeppelin.md")
    assert (await base.gaps.page(None, 10)).items == ()
    assert (await base.gaps.page(None, 10, state="resolved")).items == (gap,)


async def test_a_gap_opens_again_when_the_answer_is_lost(base: Asking) -> None:
    await base.ask(QUESTION)
    await base.edit("zeppelin.md", ZEPPELIN)
    await base.edit("zeppelin.md", "# Kites\n\nThere are none any more.\n")
    await base.ask(QUESTION)
    (gap,) = await base.listed()
    assert (gap.state, gap.count, gap.resolved_by) == ("open", 2, None)


async def test_an_answer_closes_the_gap_of_its_question(base: Asking) -> None:
    await base.ask(QUESTION)
    await add(base.db, "zeppelin.md", ZEPPELIN)
    assert (await base.ask(QUESTION))[1] is Outcome.GROUNDED
    assert [(gap.state, gap.count) for gap in await base.listed()] == [("resolved", 1)]


async def test_a_follow_up_is_grouped_by_what_it_is_about(base: Asking) -> None:
    chat, _ = await base.ask(QUESTION)
    await base.ask("And why is it?", chat)
    assert len(await base.listed()) == 1


async def test_a_deleted_chats_questions_vanish(base: Asking) -> None:
    first, _ = await base.ask(QUESTION)
    second, _ = await base.ask("zeppelin painted")
    chats = ChatStore(base.db, EventLog(base.db))
    await chats.delete("ann", second)
    assert [(gap.count, gap.question) for gap in await base.listed()] == [(1, QUESTION)]
    await chats.delete("ann", first)
    assert await base.listed() == []
    assert await base.gaps.count_open() == 0


async def test_gaps_come_in_pages_those_asked_most_first(base: Asking) -> None:
    for question in ("parrot", "parrot", "sextant", "barometer", "barometer", "barometer"):
        await base.ask(f"{question}?")
    first = await base.gaps.page(None, 2)
    rest = await base.gaps.page(None, 2, first.next_key or 0)
    found = [(gap.question, gap.count) for gap in (*first.items, *rest.items)]
    assert found == [("barometer?", 3), ("parrot?", 2), ("sextant?", 1)]
    assert rest.next_key is None


async def test_what_the_model_had_before_it_closes_no_gap(fake: FakeLLM) -> None:
    """A model that gave up over the right passage leaves a gap that only new text can close."""
    async with client(fake) as model, asking(model, PORTS | {"zeppelin.md": ZEPPELIN}) as base:
        fake.call("search_kb", {"query": "zeppelin painted"})
        fake.say("I do not know.")
        await base.ask(QUESTION)
        assert await base.edit("other.md", "# Other\n\nNothing of interest.\n") == 0
        assert await base.edit("zeppelin.md", ZEPPELIN + "\nIt was painted by Ada.\n") == 1
