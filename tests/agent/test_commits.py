"""A turn whose commits are held back or refused by another connection to the same database file."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from service.agent.admission import Admission, Capacity
from service.agent.attempts import Unobserved
from service.agent.llm import Endpoint, SdkChatModel
from service.agent.loop import Limits
from service.agent.runner import TurnRunner, open_runner
from service.agent.tools import Toolbox
from service.chats.events import Event, EventLog, EventType, Scope
from service.chats.questions import Posted, QuestionStore
from service.chats.records import Message
from service.chats.store import ChatStore
from service.chats.turns import TurnStore
from service.database import FILE_NAME, Database, open_database
from service.kb.search import KnowledgeBase
from service.telemetry import Metrics
from tests.agent.asking import PATIENT, QUICK
from tests.fake_llm import FakeLLM
from tests.fake_wire import Wire, chunk, text_script

ANSWER = "Nobody knows."
QUIET = 60.0  # seconds after which a test gives up


class Ear(Unobserved):
    """Hears when the model's second reply begins and ends, which is the one with the text."""

    def __init__(self) -> None:
        self.began = [asyncio.Event(), asyncio.Event()]
        self.ended = [asyncio.Event(), asyncio.Event()]

    def first_content(self, seconds: float) -> None:  # noqa: ARG002 - the protocol's
        """Note the next reply's beginning."""
        next(event for event in self.began if not event.is_set()).set()

    def call_finished(self, *_: object) -> None:
        """Note the next reply's end."""
        next(event for event in self.ended if not event.is_set()).set()


@dataclass
class Desk:
    """A runner over an empty index, whose search waits at its end until `search_may_end`."""

    db: Database
    log: EventLog
    fake: FakeLLM
    ear: Ear = field(default_factory=Ear)
    search_may_end: asyncio.Event = field(default_factory=asyncio.Event)
    tried: asyncio.Event = field(default_factory=asyncio.Event)  # a commit was, well or in vain
    runner: TurnRunner = field(init=False)

    def __post_init__(self) -> None:
        toolbox = partial(
            Toolbox, KnowledgeBase(self.db, search_timeout=60.0), result_chars=8000, folder_note=self._note
        )
        endpoint = Endpoint(self.fake.base_url, "m")
        self.model = SdkChatModel(endpoint, PATIENT, replace(QUICK, limit=0), self.ear)
        metrics, admission = Metrics("0", "0"), Admission(Capacity(4, 4, 4))
        limits = Limits(llm_calls=8, tool_calls=8, seconds=60, window=32_000)
        self.runner = TurnRunner(TurnStore(self.db, self.log), self.model, toolbox, limits, metrics, admission)

    async def _note(self) -> str:
        await self.search_may_end.wait()
        return ""

    async def ask(self) -> Posted:
        """Post a question in a chat of its own and start its turn."""
        chat = await ChatStore(self.db, self.log).create("ann", None, {})
        questions = QuestionStore(self.db, self.log)
        with self.runner.place("ann") as at_once:
            posted = await questions.post("ann", chat.id, "Who knows?", self.model.name, begin=at_once)
            self.runner.start(posted.answer.id, "ann", posted.turn)
        return posted

    async def told(self, posted: Posted) -> list[Event]:
        """What followers of the chat were told."""
        return list(await self.log.replay(_scope(posted), 0))

    async def until_told(self, posted: Posted, *kinds: EventType) -> list[Event]:
        """Wait until they were told one of these."""
        with self.log.subscribe(_scope(posted)) as subscription:
            async with asyncio.timeout(QUIET):
                while not {event.type for event in await self.told(posted)} & set(kinds):
                    await subscription.wake.wait()
                    subscription.wake.clear()
        return await self.told(posted)

    async def until_shown(self, posted: Posted, text: str) -> None:
        """Wait until followers see this much of the answer."""
        with self.log.subscribe(_scope(posted)) as subscription:
            async with asyncio.timeout(QUIET):
                while not self.shown(posted).startswith(text):
                    await subscription.wake.wait()
                    subscription.wake.clear()

    def shown(self, posted: Posted) -> str:
        """The text that followers see while the answer is written."""
        live = self.log.live(posted.answer.chat_id)
        return live.text if live else ""

    async def stored(self, posted: Posted) -> Message:
        """The answer as the history has it."""
        return await ChatStore(self.db, self.log).message("ann", posted.answer.chat_id, posted.answer.id)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    with FakeLLM() as fake:
        fake.call("search_kb", {"query": "who knows"})
        tried = asyncio.Event()
        async with open_database(tmp_path, observe=lambda *_: tried.set()) as db:
            desk = Desk(db, EventLog(db), fake, tried=tried)
            async with desk.model, open_runner(desk.runner, 0.0, resume=True):
                yield desk


@contextlib.contextmanager
def held(db: Database) -> Iterator[None]:
    """Let nothing be committed while the block lasts: another connection writes."""
    with contextlib.closing(sqlite3.connect(db.path.with_name(FILE_NAME), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def passed(event: asyncio.Event) -> None:
    async with asyncio.timeout(QUIET):
        await event.wait()


def _scope(posted: Posted) -> Scope:
    return Scope("ann", posted.answer.chat_id)


async def test_no_text_is_shown_before_the_step_that_led_to_it_is_stored(desk: Desk) -> None:
    desk.fake.reply(text_script(ANSWER))
    posted = await desk.ask()
    await desk.until_told(posted, EventType.STEP_STARTED)
    with held(desk.db):
        desk.search_may_end.set()
        await passed(desk.ear.began[1])
        assert desk.shown(posted) == ""
        assert (await desk.stored(posted)).content == ""
        assert (await desk.told(posted))[-1].type is EventType.STEP_STARTED

    events = await desk.until_told(posted, EventType.ANSWER_COMPLETED)

    assert [event.type for event in events[-2:]] == [EventType.STEP_COMPLETED, EventType.ANSWER_COMPLETED]
    assert (await desk.stored(posted)).content == ANSWER


async def test_the_end_is_not_told_before_it_is_stored(desk: Desk) -> None:
    rest = threading.Event()

    async def halting(wire: Wire) -> None:
        await wire.event(chunk({"content": "Nobody "}))
        await asyncio.to_thread(rest.wait, QUIET)
        await wire.events(chunk({"content": "knows."}), chunk({}, "stop"))
        await wire.done()

    desk.fake.reply(halting)
    desk.search_may_end.set()
    posted = await desk.ask()
    await desk.until_shown(posted, "Nobody")
    with held(desk.db):
        rest.set()
        await desk.until_shown(posted, ANSWER)
        await passed(desk.ear.ended[1])
        assert (await desk.stored(posted)).status == "running"
        assert (await desk.told(posted))[-1].type is EventType.STEP_COMPLETED

    events = await desk.until_told(posted, EventType.ANSWER_COMPLETED)

    assert events[-1].type is EventType.ANSWER_COMPLETED
    assert (await desk.stored(posted)).content == ANSWER


async def test_a_step_that_cannot_be_stored_ends_the_turn_and_nothing_is_shown_after_it(desk: Desk) -> None:
    desk.fake.reply(text_script(ANSWER))
    await desk.db.write(lambda tx: tx.execute("PRAGMA busy_timeout = 0"))
    posted = await desk.ask()
    await desk.until_told(posted, EventType.STEP_STARTED)
    with held(desk.db):
        desk.search_may_end.set()
        await passed(desk.ear.ended[1])
        assert desk.shown(posted) == ""

    events = await desk.until_told(posted, EventType.TURN_FAILED, EventType.ANSWER_COMPLETED)

    answer = await desk.stored(posted)
    assert events[-1].type is EventType.TURN_FAILED
    assert answer.error is not None
    assert (answer.error.code, answer.content, answer.steps) == ("storage_error", "", ())


async def test_a_turn_that_is_stopped_meanwhile_keeps_no_text_of_a_step_that_was_not_stored(desk: Desk) -> None:
    desk.fake.reply(text_script(ANSWER))
    await desk.db.write(lambda tx: tx.execute("PRAGMA busy_timeout = 3000"))
    posted = await desk.ask()
    await desk.until_told(posted, EventType.STEP_STARTED)
    desk.tried.clear()
    with held(desk.db):
        desk.search_may_end.set()
        await passed(desk.ear.began[1])
        stopping = asyncio.create_task(desk.runner.cancel(posted.answer.id))
        await passed(desk.ear.ended[1])
        await passed(desk.tried)
        assert not stopping.done()
    await stopping

    answer = await desk.stored(posted)
    assert (answer.status, answer.content) == ("cancelled", "")
