"""Readers that never read while events flow: memory and the write-ahead log stay bounded, others miss nothing."""

import asyncio
import socket
import time
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx2

from scripts.chaos_cases.event_source import EventSource
from scripts.chaos_cases.outcome import Outcome, Run, until
from scripts.chaos_cases.servers import Servers

_WRITERS: Final = 8
_NOTE: Final = "n" * 400
_MEMORY: Final = 20_000  # kB of growth
_LOG_BYTES: Final = 64 * 2**20
_LAG: Final = 0.5  # seconds at the 99th percentile, from the sending of a change until its event
_HEARD: Final = 60.0  # seconds after the last change
_DROPPED: Final = 60.0  # seconds after which a reader that took nothing is gone


def _deaf(base_url: str) -> socket.socket:
    """Open a stream and never read from it."""
    address = urlsplit(base_url)
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect((address.hostname, address.port))
    reader.sendall(f"GET /api/events HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
    return reader


class _Flow:
    """Changes of one chat, and a reader that hears of each."""

    def __init__(self, servers: Servers, client: httpx2.AsyncClient, outcome: Outcome) -> None:
        self.servers = servers
        self.client = client
        self.outcome = outcome
        self.sent: dict[str, float] = {}
        self.lags: list[float] = []

    async def write(self, path: str, writer: int, count: int) -> None:
        for number in range(count):
            name = f"{writer}/{number}"
            self.sent[name] = time.monotonic()
            reply = await self.client.patch(path, json={"metadata": {"name": name, "note": _NOTE}})
            self.outcome.check(reply.status_code == 200, f"a change got {reply.status_code}: {reply.text[:100]}")
            log = self.servers.database.with_name(self.servers.database.name + "-wal")
            self.outcome.most("WAL MB", log.stat().st_size / 2**20)

    async def hear(self, source: EventSource, count: int) -> None:
        newest = 0
        async for event in source.events():
            self.outcome.check(int(event.id) > newest, f"event {event.id} after {newest}")
            newest = int(event.id)
            if event.type == "chat.updated":
                self.lags.append(time.monotonic() - self.sent[event.data["chat"]["metadata"]["name"]])
            if len(self.lags) == count:
                return


async def slow(run: Run) -> Outcome:
    """Keep readers that never read, and change a chat again and again."""
    outcome, count = Outcome(), run.amount(10_000, 320) // _WRITERS
    with run.servers({}) as servers:
        servers.start()
        async with servers.client() as client:
            path = f"/api/chats/{(await client.post('/api/chats', json={})).json()['id']}"
            flow = _Flow(servers, client, outcome)
            begin = (await client.get(path)).json()["last_event_id"]
            source = await EventSource.open(servers.base_url, "/api/events", begin)
            await asyncio.gather(*(flow.write(path, -1 - n, 20) for n in range(_WRITERS)))
            flow.lags.clear()
            before = resident(servers.pid)
            deaf = [_deaf(servers.base_url) for _ in range(run.amount(50, 20))]
            hearing = asyncio.create_task(flow.hear(source, (count + 20) * _WRITERS))
            await asyncio.gather(*(flow.write(path, n, count) for n in range(_WRITERS)))
            await asyncio.wait({hearing}, timeout=_HEARD)
            hearing.cancel()
            missed = len(flow.sent) - len(flow.lags)
            outcome.check(missed == 0, f"the reader that reads missed {missed} of {len(flow.sent)} events")
            outcome.figures["RSS growth MB"] = round((resident(servers.pid) - before) / 1000, 1)
            _judge(flow, resident(servers.pid) - before, run.longest(_LAG))
            if not run.short:
                await _dropped(client, outcome)
            await source.close()
            for reader in deaf:
                reader.close()
    outcome.figures |= {"deaf readers": len(deaf), "events": len(flow.lags)}
    return outcome


def _judge(flow: _Flow, growth: int, longest: float) -> None:
    lags = sorted(flow.lags[20 * _WRITERS :])
    late = lags[int(len(lags) * 0.99)] if lags else float("inf")
    flow.outcome.most("lag p99 ms", late * 1000)
    flow.outcome.check(late <= longest, f"event lag p99 {late * 1000:.0f} ms")
    flow.outcome.check(growth <= _MEMORY, f"memory grew by {growth} kB")
    most = flow.outcome.figures["WAL MB"]
    flow.outcome.check(most * 2**20 <= _LOG_BYTES, f"the write-ahead log grew to {most} MB")


async def _dropped(client: httpx2.AsyncClient, outcome: Outcome) -> None:
    """Wait until only the reader that reads is left."""
    began = time.monotonic()
    dropped = await until(partial(_one_stream, client), _DROPPED)
    outcome.figures["dropped after s"] = round(time.monotonic() - began, 1)
    outcome.check(dropped, f"readers that took nothing for {_DROPPED} s still have their stream")


async def _one_stream(client: httpx2.AsyncClient) -> bool:
    lines = (await client.get("/metrics")).text.splitlines()
    return float(next(line.split()[-1] for line in lines if line.startswith("kb_agent_event_streams "))) <= 1


def resident(pid: int) -> int:
    """Resident memory of a process in kB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS:")))
