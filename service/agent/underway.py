"""A turn while it runs: what it has come to, and the one write of it that may be under way."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from service.agent.draft import Draft
from service.agent.evidence import Situation
from service.agent.tools import Toolbox
from service.chats.records import Step
from service.chats.steps import Asked, Started
from service.chats.turns import Turn
from service.errors import StorageError

_SOON: Final = 0.1  # seconds; nobody sees that a call began so much later


@dataclass(slots=True)
class Run:
    """What a running turn has come to; `turn` once its attempt has begun."""

    turn_id: str
    draft: Draft
    toolbox: Toolbox
    turn: Turn | None = None
    asked: Situation | None = None
    calling: Asked | None = None  # is stored with the first step it asked for
    started: Started | None = None  # a call that is not stored yet
    storing: asyncio.Future[None] | None = None  # the write that is under way while the turn goes on
    saved: float = field(default_factory=time.monotonic)
    _alarm: asyncio.TimerHandle | None = None

    def begin_call(self, step: Step, store: Callable[[Started], asyncio.Future[None]]) -> None:
        """Store that a call begins, unless it ends soon: then it is left to be stored with its end."""
        self.started, self.calling = Started(step, self.calling), None
        self._alarm = asyncio.get_running_loop().call_later(_SOON, self._store, store)

    def take_started(self) -> Started | None:
        """Give the call that is not stored yet, which is then the caller's matter."""
        started, self.started = self.started, None
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        return started

    async def stored(self) -> None:
        """Wait for the write that is under way. Raises what it raised: nothing may follow what is not stored."""
        if self.storing is None:
            return
        if not self.storing.done():
            await asyncio.wait({self.storing})  # who is cancelled here leaves the write to whoever waits next
        storing, self.storing = self.storing, None
        try:
            storing.result()
        except StorageError:
            self.draft.withdraw()  # nobody has seen it, and the step it rests on is not there
            raise

    def _store(self, store: Callable[[Started], asyncio.Future[None]]) -> None:
        if started := self.take_started():
            self.storing = store(started)
