"""SIGTERM with open streams and running turns: the exit promise, and what the next start makes of it."""

import asyncio
import os
import signal
import time
from functools import partial
from typing import Final

import httpx2

from scripts.chaos_cases import census
from scripts.chaos_cases.event_source import EventSource
from scripts.chaos_cases.outcome import Outcome, Run, until
from scripts.chaos_cases.servers import Servers
from scripts.chaos_cases.speech import model_settings, question, speaking
from tests.fake_llm import FakeLLM, Request
from tests.fake_wire import Script, text_script

_STREAMS_END: Final = 1.0
_EXIT: Final = 25.0
_IDLE_EXIT: Final = 2.0
_UNREADY: Final = 0.5
_RESUMED: Final = 10.0


class _Model:
    """Speaks one word a second until it is told to hurry."""

    def __init__(self) -> None:
        self.slow = True

    def __call__(self, request: Request) -> Script:
        if self.slow and request.messages[-1]["role"] == "tool":
            return text_script("word " * 60, pause=1.0)
        return speaking(request)


async def _streams(base_url: str, paths: list[str]) -> list[EventSource]:
    """Open streams, 50 at a time."""
    found: list[EventSource] = []
    for start in range(0, len(paths), 50):
        opening = (EventSource.open(base_url, path) for path in paths[start : start + 50])
        found += await asyncio.gather(*opening)
    return found


async def _last_event(source: EventSource) -> float:
    """Read a stream to its end; gives when that came."""
    async for _ in source.events():
        pass
    return time.monotonic()


async def _unready(servers: Servers, signalled: float) -> float:
    """Give how long after the signal readiness was off: refused, or 503."""

    async def off() -> bool:
        try:
            return (await client.get("/readyz", headers={"Connection": "close"})).status_code == 503
        except httpx2.TransportError:
            return True

    async with servers.client() as client:
        await until(off, 2 * _EXIT)
    return time.monotonic() - signalled


async def _terminate(run: Run, servers: Servers, sources: list[EventSource], outcome: Outcome) -> None:
    ends = [asyncio.create_task(_last_event(source)) for source in sources]
    began = time.monotonic()
    os.kill(servers.pid, signal.SIGTERM)
    unready = asyncio.create_task(_unready(servers, began))
    await asyncio.sleep(0.3)
    os.kill(servers.pid, signal.SIGTERM)
    status = await asyncio.to_thread(servers.ended)
    outcome.most("exit s", time.monotonic() - began)
    outcome.most("readiness off s", await unready)
    outcome.check(status == 0, f"exit status {status}")
    last = max(await asyncio.gather(*ends)) - began if ends else 0.0
    outcome.most("last stream's end s", last)
    outcome.check(last <= run.longest(_STREAMS_END), f"a stream ended {last:.2f} s after SIGTERM")
    unready_after = outcome.figures["readiness off s"]
    outcome.check(unready_after <= run.longest(_UNREADY), f"ready for {unready_after} s")
    unclean = sum(not source.clean for source in sources)
    outcome.check(unclean == 0, f"{unclean} of {len(sources)} streams without the last chunk")
    outcome.count("streams", len(sources))
    outcome.check("Traceback" not in servers.log.read_text(), "a traceback was logged")
    for source in sources:
        await source.close()


async def _idle(servers: Servers, outcome: Outcome, longest: float) -> None:
    servers.start()
    began = time.monotonic()
    status = await asyncio.to_thread(servers.stop)
    outcome.most("idle exit s", time.monotonic() - began)
    outcome.check(status == 0, f"idle: exit status {status}")
    outcome.check(outcome.figures["idle exit s"] <= longest, f"idle exit took {outcome.figures['idle exit s']} s")


async def _busy(run: Run, servers: Servers, outcome: Outcome) -> list[str]:
    """Open streams, ask questions, SIGTERM; gives the answers' addresses."""
    streams, turns = run.amount(200, 60), run.amount(10, 5)
    answers = []
    await asyncio.to_thread(servers.start)
    async with servers.client() as client:
        chats = [(await client.post("/api/chats", json={})).json()["id"] for _ in range(turns)]
        for number, chat_id in enumerate(chats):
            body = {"content": question(f"number {number}", 3, 1)}
            posted = await client.post(f"/api/chats/{chat_id}/messages", json=body, headers={"Prefer": "wait=0"})
            answers.append(f"/api/chats/{chat_id}/messages/{posted.json()['id']}")
        paths = [f"/api/chats/{chats[n % turns]}/events" if n % 2 else "/api/events" for n in range(streams)]
        sources = await _streams(servers.base_url, paths)
    await _terminate(run, servers, sources, outcome)
    outcome.check(outcome.figures["exit s"] <= run.longest(_EXIT), f"exit took {outcome.figures['exit s']} s")
    outcome.figures["running turns"] = census.unfinished(servers.database)
    outcome.check(census.unfinished(servers.database) == turns, "turns that ended at SIGTERM")
    return answers


async def _completed(client: httpx2.AsyncClient, answer: str) -> bool:
    return bool((await client.get(answer)).json()["status"] == "completed")


async def shutdown(run: Run) -> Outcome:
    """Send SIGTERM twice to a server with 200 open streams and 10 running turns; the next start resumes them."""
    outcome, model = Outcome(), _Model()
    grace = {"SHUTDOWN_GRACE": "1" if run.short else "20"}
    with FakeLLM(answer=model) as fake, run.servers(model_settings(fake.base_url) | grace) as servers:
        await _idle(servers, outcome, run.longest(_IDLE_EXIT))
        answers = await _busy(run, servers, outcome)
        model.slow = False
        await asyncio.to_thread(servers.start)
        async with servers.client() as client:
            for answer in answers:
                completed = await until(partial(_completed, client, answer), run.longest(_RESUMED))
                outcome.check(completed, f"{answer} was not completed within {_RESUMED} s of the next start")
                outcome.count("resumed", completed)
        outcome.violations += census.complaints(servers.database)
    return outcome
