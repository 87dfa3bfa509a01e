"""Deleting a chat at any moment of an answer leaves no row of it behind."""

import asyncio
import random
from contextlib import closing
from functools import partial
from typing import Final

import httpx2

from scripts.chaos_cases import census
from scripts.chaos_cases.event_source import EventSource
from scripts.chaos_cases.outcome import Outcome, Run, until
from scripts.chaos_cases.servers import Servers
from scripts.chaos_cases.speech import model_settings, question, speaking
from tests.fake_llm import FakeLLM

_AT_ONCE: Final = 4
_PROMISED: Final = 1.0  # seconds for the deletion and the end of the subscriber's stream
_PATIENCE: Final = 30.0
_LEFT: Final = """
    SELECT 'message', id FROM messages UNION ALL SELECT 'turn', id FROM turns
    UNION ALL SELECT 'step', turn_id FROM steps UNION ALL SELECT 'key', key FROM idempotency
    UNION ALL SELECT 'chat', id FROM chats UNION ALL SELECT 'event', type FROM events
    WHERE chat_id IS NOT NULL AND type <> 'chat.deleted'"""


async def _delete_one(
    servers: Servers, client: httpx2.AsyncClient, rng: random.Random, outcome: Outcome, *, soon: bool
) -> None:
    """Delete a chat at some instant; `soon`: while its answer is still being written."""
    path = f"/api/chats/{(await client.post('/api/chats', json={})).json()['id']}"
    source = await EventSource.open(servers.base_url, f"{path}/events")
    told = asyncio.create_task(_kinds(source))
    body = {"content": question(path, 80, 50) if soon else question(path, rng.randint(0, 9), 1)}
    asked = asyncio.create_task(_asked(client, path, body))
    if soon:
        await until(partial(_begun, client, path), _PATIENCE)
    await asyncio.sleep(rng.uniform(0, 0.25))
    async with asyncio.timeout(60):
        began = asyncio.get_running_loop().time()
        reply = await client.delete(path)
        kinds, answer = await told, await asked
    outcome.most("slowest s", asyncio.get_running_loop().time() - began)
    outcome.check(reply.status_code == 204, f"deletion gave {reply.status_code}")
    outcome.check(kinds[-1:] == ["chat.deleted"] and source.clean, f"the subscriber was told {kinds[-3:]}")
    ends = {"chat.deleted"} if soon else {"chat.deleted", "answer.completed", "refused"}
    outcome.check(answer[-1] in ends, f"who asked was told {answer[-3:]}")
    gone = (await client.get(f"{path}/messages")).status_code
    outcome.check(gone == 404, f"a deleted chat gave {gone}")
    outcome.count("deleted")
    outcome.count("while it was answered", "answer.completed" not in kinds)
    await source.close()


async def _kinds(source: EventSource) -> list[str]:
    return [event.type async for event in source.events()]


async def _begun(client: httpx2.AsyncClient, path: str) -> bool:
    return bool((await client.get(f"{path}/messages")).json()["items"])


async def _asked(client: httpx2.AsyncClient, path: str, body: dict[str, str]) -> list[str]:
    """Ask and follow the answer to the end of its stream; `refused` where the chat was gone before."""
    headers = {"Idempotency-Key": path, "Accept": "text/event-stream"}
    async with client.stream("POST", f"{path}/messages", json=body, headers=headers) as response:
        if response.status_code == httpx2.codes.NOT_FOUND:
            return ["refused"]
        return [line.removeprefix("event: ") async for line in response.aiter_lines() if line[:6] == "event:"]


async def delete(run: Run) -> Outcome:
    """Delete chats at random instants while answers stream; subscribers are told, and no row is left."""
    outcome, rng = Outcome(), run.random("delete")
    with FakeLLM(answer=speaking) as fake, run.servers(model_settings(fake.base_url)) as servers:
        servers.start()
        async with servers.client() as client:
            for _ in range(run.amount(100, 12) // _AT_ONCE):
                each = (_delete_one(servers, client, rng, outcome, soon=bool(n % 2)) for n in range(_AT_ONCE))
                await asyncio.gather(*each)
        with closing(census.copy(servers.database)) as database:
            rows = database.execute(_LEFT).fetchall()
        outcome.check(not rows, f"rows that were left: {rows[:5]}")
        slowest = outcome.figures["slowest s"]
        outcome.check(slowest <= run.longest(_PROMISED), f"took {slowest} s")
        outcome.violations += census.complaints(servers.database)
        errors = [
            line for line in servers.log.read_text().splitlines() if '"error"' in line or "Traceback" in line
        ]
        outcome.check(not errors, f"logged: {errors[:2]}")
    return outcome
