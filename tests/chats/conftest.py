"""A real store on a real database."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.chats.events import EventLog
from service.chats.questions import Posted, QuestionStore
from service.chats.records import Outcome, Status
from service.chats.store import ChatStore
from service.chats.turns import Ending, Turn, TurnStore
from service.database import Database, open_database


@dataclass(frozen=True, slots=True)
class Chats:
    """The layer under test."""

    db: Database
    log: EventLog
    store: ChatStore
    questions: QuestionStore
    turns: TurnStore

    async def asked(self, question: str = "Which port?", owner: str = "ann") -> Posted:
        """Make a chat and post a question to it."""
        chat = await self.store.create(owner, None, {})
        return await self.questions.post(owner, chat.id, question, "some-model")

    async def begun(self, question: str = "Which port?") -> Turn:
        """Make a chat, post a question and begin its turn."""
        posted = await self.asked(question)
        turn = await self.turns.begin(posted.answer.id, "some-model")
        assert turn is not None
        return turn


def completed(content: str) -> Ending:
    """A plain good ending."""
    return Ending(Status.COMPLETED, Outcome.CONVERSATIONAL, content)


@pytest.fixture
async def chats(tmp_path: Path) -> AsyncIterator[Chats]:
    async with open_database(tmp_path) as db:
        log = EventLog(db)
        yield Chats(db, log, ChatStore(db, log), QuestionStore(db, log), TurnStore(db, log))
