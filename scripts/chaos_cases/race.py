"""Cancel against completion: exactly one of them wins, and cancelling again changes nothing."""

import asyncio
import random
import time
from typing import Any, Final

import httpx2

from scripts.chaos_cases import census
from scripts.chaos_cases.outcome import Outcome, Run, until
from scripts.chaos_cases.speech import model_settings, question, speaking
from tests.fake_llm import FakeLLM

_AT_ONCE: Final = 4
_LET_GO: Final = 1.0  # seconds from cancelling to the end of the model's stream
_PATIENCE: Final = 60.0
_FINAL: Final = frozenset({"completed", "cancelled"})


class _Races:
    def __init__(self, client: httpx2.AsyncClient, rng: random.Random) -> None:
        self.client = client
        self.rng = rng
        self.outcome = Outcome()
        self.usual = 0.25  # seconds that an answer takes

    async def runner(self, count: int) -> None:
        chat_id = (await self.client.post("/api/chats", json={})).json()["id"]
        for number in range(count):
            await self._race(f"/api/chats/{chat_id}/messages", question(f"{chat_id} {number}", 25, 5))

    async def _race(self, path: str, content: str) -> None:
        began = time.monotonic()
        posted = await self.client.post(path, json={"content": content}, headers={"Prefer": "respond-async"})
        answer = f"{path}/{posted.json()['id']}"
        await asyncio.sleep(max(0.0, self._delay() - (time.monotonic() - began)))
        replies = await asyncio.gather(*(self._cancel(answer) for _ in range(3)))
        replies += [await self._cancel(answer), (await self.client.get(answer)).json()]
        statuses = {reply["status"] for reply in replies}
        self.outcome.check(len(statuses) == 1 and statuses <= _FINAL, f"{answer} was told as {sorted(statuses)}")
        texts = {reply["content"] for reply in replies}
        self.outcome.check(len(texts) == 1, f"{answer} had {len(texts)} texts")
        self.outcome.count("races")
        self.outcome.count(f"{replies[-1]['status']}")
        self._adapt(replies[-1]["status"])

    def _delay(self) -> float:
        spread = 1.0 if self.rng.random() < 0.2 else 0.1
        return self.usual * self.rng.uniform(1 - spread, 1 + spread)

    def _adapt(self, status: str) -> None:
        """Stay where both happen."""
        self.usual *= 0.95 if status == "completed" else 1.05

    async def _cancel(self, answer: str) -> dict[str, Any]:
        reply = await self.client.post(f"{answer}/cancel")
        self.outcome.check(reply.status_code == 200, f"cancel gave {reply.status_code}: {reply.text[:200]}")
        message: dict[str, Any] = reply.json()
        return message


async def _stopped(client: httpx2.AsyncClient, fake: FakeLLM, outcome: Outcome) -> None:
    """Cancel an answer in its middle, and see when the model is let go."""
    path = f"/api/chats/{(await client.post('/api/chats', json={})).json()['id']}/messages"
    body = {"content": question(path, 2000, 50)}
    posted = await client.post(path, json=body, headers={"Prefer": "respond-async"})
    answer = f"{path}/{posted.json()['id']}"

    async def begun() -> bool:
        return bool((await client.get(answer)).json()["content"])

    async def closed() -> bool:
        return fake.disconnects > before

    outcome.check(await until(begun, _PATIENCE), f"{answer} did not begin")
    before, began = fake.disconnects, time.monotonic()
    text = (await client.post(f"{answer}/cancel")).json()["content"]
    outcome.check(await until(closed, _PATIENCE), f"{answer}: the model was not let go")
    outcome.most("model let go s", time.monotonic() - began)
    outcome.check(bool(text), f"{answer}: its text is gone")


async def race(run: Run) -> Outcome:
    """Cancel answers just when they complete, three times at once and once more; then some in their middle."""
    with FakeLLM(answer=speaking) as fake, run.servers(model_settings(fake.base_url)) as servers:
        servers.start()
        async with servers.client() as client:
            races = _Races(client, run.random("race"))
            await asyncio.gather(*(races.runner(run.amount(200, 24) // _AT_ONCE) for _ in range(_AT_ONCE)))
            for _ in range(run.amount(20, 1)):
                await _stopped(client, fake, races.outcome)
        late = races.outcome.figures["model let go s"]
        races.outcome.check(late <= run.longest(_LET_GO), f"a cancelled answer's model was let go after {late} s")
        races.outcome.violations += census.complaints(servers.database)
        return races.outcome
