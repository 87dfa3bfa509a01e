"""What clients sent and what they were told, and the comparison with what the database holds."""

import asyncio
import random
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx2

from scripts.chaos_cases.census import copy
from scripts.chaos_cases.outcome import Outcome, until
from scripts.chaos_cases.speech import question

_AT_ONCE = 12
_TAKEN = 60.0  # seconds; an earlier question of its chat may have to end first
_COUNTS = """
    SELECT q.content, count(*), max(t.id) FROM messages q JOIN turns t ON t.question_id = q.id
    WHERE q.role = 'user' GROUP BY q.content"""


@dataclass(frozen=True, slots=True)
class Posting:
    """A question with its idempotency key; each text is used once."""

    key: str
    chat_id: str
    content: str


@dataclass(slots=True)
class Ledger:
    """Postings by what came back: accepted with the answer's id, refused for certain, or no reply."""

    outcome: Outcome
    accepted: dict[Posting, str] = field(default_factory=dict)
    refused: set[Posting] = field(default_factory=set)
    lost: list[Posting] = field(default_factory=list)
    number: int = 0

    def new(self, rng: random.Random, chats: list[str], most_words: int = 120) -> Posting:
        """Make a posting that nobody sent before."""
        self.number += 1
        text = question(f"number {self.number}", rng.randint(0, most_words), rng.randint(0, 5))
        return Posting(f"key-{self.number}", rng.choice(chats), text)

    async def send(self, client: httpx2.AsyncClient, posting: Posting, wait: str = "respond-async") -> int:
        """Post it once and note what came back; gives the status, 0 when no reply came."""
        headers = {"Idempotency-Key": posting.key, "Prefer": wait}
        path = f"/api/chats/{posting.chat_id}/messages"
        try:
            reply = await client.post(path, json={"content": posting.content}, headers=headers)
        except httpx2.TransportError:
            self.lost.append(posting)
            self.outcome.count("lost replies")
            return 0
        self._note(posting, reply)
        return reply.status_code

    async def repeat_lost(self, client: httpx2.AsyncClient) -> None:
        """Post again whatever got no reply, until each has one."""
        lost, self.lost = self.lost, []
        free = asyncio.Semaphore(_AT_ONCE)

        async def repeat(posting: Posting) -> None:
            async with free:
                taken = await until(partial(self.taken, client, posting), _TAKEN)
            self.outcome.check(taken, f"{posting.key} was not taken within {_TAKEN} s")

        await asyncio.gather(*map(repeat, lost))

    async def taken(self, client: httpx2.AsyncClient, posting: Posting, wait: str = "wait=10") -> bool:
        """Post it once; gives whether it was accepted."""
        return await self.send(client, posting, wait) in {201, 202}

    def compare(self, database: Path) -> None:
        """Check that each accepted posting is there once under the id it was told, and no other more than once."""
        with closing(copy(database)) as connection:
            stored = {content: (count, answer) for content, count, answer in connection.execute(_COUNTS)}
        for posting, answer in self.accepted.items():
            found = stored.get(posting.content)
            self.outcome.check(found == (1, answer), f"{posting.key} was accepted as {answer}; stored: {found}")
        for posting in self.refused - self.accepted.keys():
            found = stored.get(posting.content)
            self.outcome.check(found is None, f"{posting.key} was refused; stored: {found}")
        twice = [content for content, (count, _) in stored.items() if count > 1]
        self.outcome.check(not twice, f"stored more than once: {twice[:3]}")
        self.outcome.figures["acked"] = len(self.accepted)

    def _note(self, posting: Posting, reply: httpx2.Response) -> None:
        status = reply.status_code
        if status in {200, 201, 202}:
            answer = reply.json()["id"]
            before = self.accepted.setdefault(posting, answer)
            self.outcome.check(before == answer, f"{posting.key} gave {before}, then {answer}")
            self.refused.discard(posting)
            self.outcome.count("replayed", "Idempotent-Replayed" in reply.headers)
        elif status == 409 and reply.json()["code"] == "turn_in_progress":
            self.outcome.count("409 turn_in_progress")
            self.refused.add(posting)
        else:
            self.outcome.check(False, f"{posting.key} got {status}: {reply.text[:200]}")
