"""A turn runner on a real store and a scripted model, and what its followers see."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from service.agent.admission import Admission, Capacity
from service.agent.attempts import Unobserved
from service.agent.llm import Endpoint, SdkChatModel
from service.agent.loop import Limits
from service.agent.model import ChatModel
from service.agent.runner import TurnRunner
from service.agent.tools import Toolbox
from service.chats.events import Event, EventLog, EventType, Scope
from service.chats.questions import Posted, QuestionStore
from service.chats.records import Message
from service.chats.store import ChatStore
from service.chats.turns import TurnStore
from service.database import FILE_NAME, Database
from service.kb.search import KnowledgeBase
from service.telemetry import Metrics
from tests.agent.asking import PATIENT, QUICK
from tests.fake_llm import FakeLLM

ANSWER = "Nobody knows."
LIMITS = Limits(llm_calls=8, tool_calls=8, seconds=60, window=32_000)
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
        endpoint = Endpoint(self.fake.base_url, "m")
        self.model = SdkChatModel(endpoint, PATIENT, replace(QUICK, limit=0), self.ear)
        self.metrics = Metrics("0", "0")
        self.runner = self.runner_with(self.model)

    def runner_with(self, model: ChatModel, limits: Limits = LIMITS) -> TurnRunner:
        """A runner before this model."""
        toolbox = partial(
            Toolbox, KnowledgeBase(self.db, search_timeout=60.0), result_chars=8000, folder_note=self._note
        )
        turns, admission = TurnStore(self.db, self.log), Admission(Capacity(4, 4, 4))
        return TurnRunner(turns, model, toolbox, limits, self.metrics, admission)

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
