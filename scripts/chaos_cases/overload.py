"""More questions than the service takes: some are answered, the rest told to wait, and it stays responsive."""

import asyncio
import json
import sys
import time
from typing import Final

import httpx2

from scripts.chaos_cases import census
from scripts.chaos_cases.event_source import EventSource
from scripts.chaos_cases.outcome import Outcome, Run
from scripts.chaos_cases.slow import resident
from scripts.chaos_cases.speech import model_settings, question, speaking
from tests.fake_llm import FakeLLM

_WORDS, _PACE = 60, 30  # of an answer: words, and milliseconds between them
_PAUSE: Final = 0.5  # seconds before a client looks again, or asks again
_ALIVE: Final = 0.05  # seconds /livez takes at the 99th percentile
_MEMORY: Final = 300_000  # kB
_ASKED: Final = frozenset({202, 429})


class _Asker:
    """Asks again and again, each question when the one before has its answer."""

    def __init__(self, client: httpx2.AsyncClient, outcome: Outcome, accepted: list[float]) -> None:
        self.client = client
        self.outcome = outcome
        self.accepted = accepted

    async def ask(self, chat_id: str, delay: float, end: float) -> None:
        path, number = f"/api/chats/{chat_id}/messages", 0
        await asyncio.sleep(delay)
        while time.monotonic() < end:
            began, number = time.monotonic(), number + 1
            body = {"content": question(f"{chat_id} {number}", _WORDS, _PACE)}
            reply = await self.client.post(path, json=body, headers={"Prefer": "respond-async"})
            self.outcome.check(reply.status_code in _ASKED, f"a post got {reply.status_code}: {reply.text[:100]}")
            self.outcome.count(f"status {reply.status_code}")
            if reply.status_code == 202:
                self.accepted.append(time.monotonic() - began)
                await self._answered(f"{path}/{reply.json()['id']}")
            else:
                self.outcome.check("retry-after" in reply.headers, "a 429 without Retry-After")
                await asyncio.sleep(_PAUSE)

    async def _answered(self, path: str) -> None:
        message = {"status": "queued"}
        while message["status"] in {"queued", "running"}:
            await asyncio.sleep(_PAUSE)
            message = (await self.client.get(path)).json()
        self.outcome.check(message["status"] == "completed", f"an answer ended as {message['status']}")


async def overload(run: Run) -> Outcome:
    """Ask with more clients than there are places while streams are open, and see how the process answers."""
    outcome, accepted = Outcome(), list[float]()
    askers, streams, seconds = 12 if run.short else 200, run.amount(500, 20), run.amount(60, 3)
    limits = {"MAX_RUNNING_TURNS": "4", "MAX_QUEUED_TURNS": "4", "MAX_TURNS_PER_CALLER": "8"} if run.short else {}
    with FakeLLM(answer=speaking) as fake, run.servers(model_settings(fake.base_url) | limits) as servers:
        await asyncio.to_thread(servers.start)
        async with servers.client() as client:
            chats = [(await client.post("/api/chats", json={})).json()["id"] for _ in range(askers)]
            paths = [f"/api/chats/{chats[n % askers]}/events" for n in range(streams)]
            sources = [await EventSource.open(servers.base_url, path) for path in paths]
            reading = [asyncio.create_task(_read(source)) for source in sources]
            prober = await _prober(servers.base_url)
            asker, end = _Asker(client, outcome, accepted), time.monotonic() + seconds
            delay = run.random("overload").uniform
            await asyncio.gather(*(asker.ask(chat, delay(0, seconds / 4), end) for chat in chats))
            waits = json.loads((await prober.communicate(b""))[0])
            outcome.most("RSS MB", resident(servers.pid) / 1000)
            for task in reading:
                task.cancel()
        outcome.violations += census.complaints(servers.database)
    outcome.check(outcome.figures.get("status 429", 0) > 0, "it was never too much")
    outcome.figures |= {"streams": streams, "probes": len(waits)}
    late = _late(waits)
    outcome.most("/livez p99 ms", late * 1000)
    outcome.check(late <= run.longest(_ALIVE), f"/livez p99 {late * 1000:.0f} ms")
    outcome.most("post p99 ms, the busy clients' own waits included", _late(accepted) * 1000)
    outcome.check(outcome.figures["RSS MB"] * 1000 <= _MEMORY, f"it took {outcome.figures['RSS MB']} MB")
    return outcome


def _late(waits: list[float]) -> float:
    return sorted(waits)[int(len(waits) * 0.99)]


async def _read(source: EventSource) -> None:
    async for _ in source.events():
        pass


async def _prober(base_url: str) -> asyncio.subprocess.Process:
    """Ask for /livez every 20 ms in a process of its own, whose loop nothing else delays."""
    pipe = asyncio.subprocess.PIPE
    arguments = (sys.executable, "-m", "scripts.chaos_cases.prober", base_url)
    return await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe)
