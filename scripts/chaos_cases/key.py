"""Fifty threads with one idempotency key make one message, also with a SIGKILL between them."""

import asyncio
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx2

from scripts.chaos_cases import census
from scripts.chaos_cases.ledger import Ledger, Posting
from scripts.chaos_cases.outcome import Outcome, Run
from scripts.chaos_cases.servers import Servers
from scripts.chaos_cases.speech import model_settings, speaking
from tests.fake_llm import FakeLLM

_THREADS: Final = 50
_ALL_AT_ONCE: Final = {"MAX_TURNS_PER_CALLER": str(2 * _THREADS)}  # a limit of its own is not what is tested
_LATEST: Final = 0.25  # seconds from the start of the threads to the SIGKILL


def _post(client: httpx2.Client, posting: Posting, barrier: threading.Barrier) -> httpx2.Response | None:
    headers = {"Idempotency-Key": posting.key, "Prefer": "respond-async"}
    path = f"/api/chats/{posting.chat_id}/messages"
    barrier.wait(90)
    try:
        return client.post(path, json={"content": posting.content}, headers=headers)
    except httpx2.TransportError:
        return None


async def _storm(servers: Servers, posting: Posting, outcome: Outcome, kill_after: float | None) -> set[str]:
    """Post from all threads at once; gives the ids they were told."""
    barrier = threading.Barrier(_THREADS + 1)
    with (
        httpx2.Client(base_url=servers.base_url, timeout=90, trust_env=False) as client,
        ThreadPoolExecutor(_THREADS) as pool,
    ):
        posts = [pool.submit(_post, client, posting, barrier) for _ in range(_THREADS)]
        await asyncio.to_thread(barrier.wait, 90)
        if kill_after is not None:
            await asyncio.sleep(kill_after)
            servers.kill()
        replies = await asyncio.gather(*map(asyncio.wrap_future, posts))
    told = [reply for reply in replies if reply is not None]
    outcome.count("posts", _THREADS)
    outcome.count("replies", len(told))
    wrong = [reply.status_code for reply in told if reply.status_code not in {201, 202}]
    outcome.check(not wrong, f"{posting.key} got {wrong}")
    fresh = sum(reply.is_success and "Idempotent-Replayed" not in reply.headers for reply in told)
    outcome.check(fresh <= 1, f"{posting.key} was new to {fresh} threads")
    return {reply.json()["id"] for reply in told if reply.status_code in {201, 202}}


async def _round(servers: Servers, ledger: Ledger, rng: random.Random, *, killed: bool) -> None:
    async with servers.client() as client:
        chat_id = (await client.post("/api/chats", json={})).json()["id"]
    posting = ledger.new(rng, [chat_id])
    told = await _storm(servers, posting, ledger.outcome, rng.uniform(0, _LATEST) if killed else None)
    if killed:
        ledger.outcome.count("kills")
        await asyncio.to_thread(servers.start)
        told |= await _storm(servers, posting, ledger.outcome, None)
    ledger.outcome.check(len(told) == 1, f"{posting.key} made {sorted(told)}")
    ledger.outcome.count("keys")
    async with servers.client() as client:
        await ledger.send(client, posting, "wait=20")


async def key(run: Run) -> Outcome:
    """Post one key from fifty threads at once, in half of the rounds with a SIGKILL and the threads again."""
    rng = run.random("key")
    ledger = Ledger(Outcome())
    with FakeLLM(answer=speaking) as fake, run.servers(model_settings(fake.base_url) | _ALL_AT_ONCE) as servers:
        servers.start()
        for number in range(run.amount(20, 2)):
            await _round(servers, ledger, rng, killed=number % 2 == 1)
        ledger.compare(servers.database)
        ledger.outcome.violations += census.complaints(servers.database)
    return ledger.outcome
