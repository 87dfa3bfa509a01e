"""A turn while it runs: what it has come to, and the one write of it that may be under way."""

import asyncio
import time
from dataclasses import dataclass, field

from service.agent.draft import Draft
from service.agent.evidence import Situation
from service.agent.tools import Toolbox
from service.chats.turns import Asked, Turn
from service.errors import StorageError


@dataclass(slots=True)
class Run:
    """What a running turn has come to; `turn` once its attempt has begun."""

    turn_id: str
    draft: Draft
    toolbox: Toolbox
    turn: Turn | None = None
    asked: Situation | None = None
    calling: Asked | None = None  # is stored with the first step it asked for
    storing: asyncio.Future[None] | None = None  # the write that is under way while the turn goes on
    saved: float = field(default_factory=time.monotonic)

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
