"""SIGKILL at random instants under load: nothing accepted is lost, doubled or left without an end."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final

import httpx2

from scripts.chaos_cases import census
from scripts.chaos_cases.event_source import EventSource
from scripts.chaos_cases.ledger import Ledger
from scripts.chaos_cases.outcome import Outcome, Run, until
from scripts.chaos_cases.servers import Servers
from scripts.chaos_cases.speech import model_settings, speaking
from tests.fake_llm import FakeLLM

_CLIENTS: Final = 8
_CHATS: Final = 40
_LATEST: Final = 0.3  # seconds after readiness
_BETWEEN_CHECKS: Final = 25
_PROMISED: Final = 10.0  # seconds from readiness to the end of every accepted turn


class _Crashes:
    """The state that outlives the server's processes."""

    def __init__(self, run: Run, servers: Servers) -> None:
        self.servers = servers
        self.rng = run.random("kill")
        self.longest = run.longest(_PROMISED)
        self.outcome = Outcome()
        self.ledger = Ledger(self.outcome)
        self.chats: list[str] = []
        self.heard: dict[int, str] = {}

    async def make_chats(self) -> None:
        async with self.servers.client() as client:
            for _ in range(_CHATS):
                self.chats.append((await client.post("/api/chats", json={})).json()["id"])

    async def life(self) -> None:
        """One life of a server: load, then SIGKILL."""
        async with self._load():
            await asyncio.sleep(self.rng.uniform(0, _LATEST))
            self.servers.kill()
        self.outcome.count("kills")
        self.outcome.count("turns caught", await asyncio.to_thread(census.unfinished, self.servers.database))

    async def settle(self) -> None:
        """Start once more, repeat what got no reply, and check everything once all turns have ended."""
        await asyncio.to_thread(self.servers.start)
        async with self.servers.client() as client:
            ended = await until(self._idle, self.longest)
            self.outcome.check(ended, f"turns had no end {self.longest} s after readiness")
            self.outcome.most("slowest end s", time.monotonic() - self.servers.ready_at)
            await self.ledger.repeat_lost(client)
            await self._replay_some(client)
        self.servers.kill()
        await asyncio.to_thread(self._check)

    async def _idle(self) -> bool:
        return await asyncio.to_thread(census.unfinished, self.servers.database) == 0

    async def _replay_some(self, client: httpx2.AsyncClient) -> None:
        """Repeat postings that were accepted: they give the same answers."""
        accepted = sorted(self.ledger.accepted.items(), key=lambda pair: pair[0].key)
        for posting, answer in self.rng.sample(accepted, k=min(20, len(accepted))):
            await self.ledger.send(client, posting)
            message = (await client.get(f"/api/chats/{posting.chat_id}/messages/{answer}")).json()
            ended = message["status"] == "completed" or (message["error"] or {}).get("code") == "interrupted"
            self.outcome.check(ended, f"{answer}: {message['status']} {message['error']}")
            self.outcome.count("interrupted", message["status"] == "failed")

    def _check(self) -> None:
        self.ledger.compare(self.servers.database)
        self.outcome.violations += census.complaints(self.servers.database)
        logged = census.events(self.servers.database)
        ghosts = [event for event, kind in self.heard.items() if logged.get(event) != kind]
        self.outcome.check(not ghosts, f"events that were sent and are not in the log: {ghosts[:5]}")
        self.outcome.figures["events heard"] = len(self.heard)

    @contextlib.asynccontextmanager
    async def _load(self) -> AsyncIterator[None]:
        async with self.servers.client() as client:
            work = [self._post(client) for _ in range(_CLIENTS)]
            tasks = [asyncio.create_task(part) for part in (*work, self._listen())]
            try:
                yield
            finally:
                await asyncio.gather(*tasks)

    async def _post(self, client: httpx2.AsyncClient) -> None:
        status = 1
        while status:
            lost = self.ledger.lost
            again = lost and self.rng.random() < 0.5
            posting = lost.pop(self.rng.randrange(len(lost))) if again else self.ledger.new(self.rng, self.chats)
            wait = self.rng.choice(("respond-async", "respond-async", "wait=1"))
            status = await self.ledger.send(client, posting, wait)

    async def _listen(self) -> None:
        newest = max(self.heard, default=0)
        with contextlib.suppress(ConnectionError):
            source = await EventSource.open(self.servers.base_url, "/api/events", str(newest) if newest else "")
            async for event in source.events():
                number = int(event.id)
                later = number > newest and event.type != "stream.reset"
                self.outcome.check(later, f"event {number} {event.type} after {newest}")
                newest = number
                self.heard[number] = event.type
            source.drop()


async def kill(run: Run) -> Outcome:
    """Kill the server again and again, and check after every 25th time and at the end."""
    count = run.amount(500, 6)
    with FakeLLM(answer=speaking) as fake, run.servers(model_settings(fake.base_url)) as servers:
        crashes = _Crashes(run, servers)
        servers.start()
        await crashes.make_chats()
        for number in range(1, count + 1):
            if number > 1:
                await asyncio.to_thread(servers.start)
            await crashes.life()
            if number % _BETWEEN_CHECKS == 0 or number == count:
                await crashes.settle()
        return crashes.outcome
