"""System calls that fail or kill, by strace: kill points in the writer's path, EIO on sync, a full disk."""

import asyncio
import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from typing import Final

import httpx2

from scripts.chaos_cases import census
from scripts.chaos_cases.ledger import Ledger, Posting
from scripts.chaos_cases.outcome import Outcome, Run, until
from scripts.chaos_cases.servers import Servers
from scripts.chaos_cases.speech import model_settings, question, speaking
from tests.fake_llm import FakeLLM

_CALLS: Final = ("pwrite64", "fdatasync")
_PROMISED: Final = 10.0  # seconds until every accepted turn has ended
_BACK: Final = 5.0  # seconds until writes are taken again
_CHATS: Final = 12


class _Faults:
    """A server under strace, and what was posted to it."""

    def __init__(self, run: Run, servers: Servers) -> None:
        self.servers = servers
        self.rng = run.random("inject")
        self.ended, self.back = run.longest(_PROMISED), run.longest(_BACK)
        self.outcome = Outcome()
        self.ledger = Ledger(self.outcome)
        self.chats: list[str] = []

    async def make_chats(self) -> None:
        async with self.servers.client() as client:
            for _ in range(_CHATS):
                self.chats.append((await client.post("/api/chats", json={})).json()["id"])

    async def kill_point(self, call: str, number: int) -> None:
        """Load until the n-th call kills the server, then start it again and repeat what got no reply."""
        with _strace(self.servers.pid, f"{call}:signal=KILL:when={number}"):
            async with self.servers.client() as client:
                status = 1
                while status:
                    status = await self.ledger.send(client, self.ledger.new(self.rng, self.chats, 10))
            killed = await asyncio.to_thread(self.servers.ended)
        self.outcome.check(killed == -signal.SIGKILL, f"{call} {number}: exit status {killed}")
        self.outcome.count(f"kills at {call}")
        await asyncio.to_thread(self.servers.start)
        async with self.servers.client() as client:
            await self.ledger.repeat_lost(client)
            await self._settled(f"{call} {number}")

    async def failing(self, fault: str, calls: str) -> None:
        """Let every write fail for a while: 503 and never a 2xx; afterwards all is well without a restart."""
        async with self.servers.client() as client:
            slow = [await self._slow_turn(client, chat_id) for chat_id in self.chats[:3]]
            postings = [self.ledger.new(self.rng, [chat_id]) for chat_id in self.chats[3:]]
            with _strace(self.servers.pid, f"{calls}:error={fault}:when=1+"):
                await asyncio.gather(*(self._refused(client, posting, fault) for posting in postings))
                await self._reads_go_on(client, fault)
            began = time.monotonic()
            back = await until(partial(self.ledger.taken, client, postings[0], "respond-async"), self.back)
            self.outcome.check(back, f"{fault}: no write was taken within {self.back} s")
            self.outcome.most(f"back after {fault} s", time.monotonic() - began)
            self.ledger.lost += postings
            await self.ledger.repeat_lost(client)
            await self._settled(fault)
            for path in slow:
                message = (await client.get(path)).json()
                self.outcome.count(f"running turns {message['status']} after {fault}")
            self.outcome.check((await client.get("/readyz")).status_code == 200, f"{fault}: not ready afterwards")

    def judge(self) -> None:
        self.ledger.compare(self.servers.database)
        self.outcome.violations += census.complaints(self.servers.database)

    async def _slow_turn(self, client: httpx2.AsyncClient, chat_id: str) -> str:
        path = f"/api/chats/{chat_id}/messages"
        body = {"content": question(f"{chat_id} {self.rng.random()}", self.rng.randint(1, 80), 15)}
        posted = await client.post(path, json=body, headers={"Prefer": "respond-async"})
        return f"{path}/{posted.json()['id']}"

    async def _refused(self, client: httpx2.AsyncClient, posting: Posting, fault: str) -> None:
        headers = {"Idempotency-Key": posting.key, "Prefer": "respond-async"}
        path = f"/api/chats/{posting.chat_id}/messages"
        reply = await client.post(path, json={"content": posting.content}, headers=headers)
        told = (reply.status_code, reply.json().get("code"))
        self.outcome.check(told == (503, "storage_error"), f"{fault}: a write got {told}")
        self.outcome.count(f"503 at {fault}", told[0] == 503)

    async def _reads_go_on(self, client: httpx2.AsyncClient, fault: str) -> None:
        for path in (f"/api/chats/{self.chats[0]}/messages", "/api/kb/search?q=lighthouse", "/livez"):
            reply = await client.get(path)
            self.outcome.check(reply.status_code == 200, f"{fault}: {path} got {reply.status_code}")
        ready = (await client.get("/readyz")).status_code
        self.outcome.check(ready == 503, f"{fault}: readiness was {ready}")

    async def _settled(self, after: str) -> None:
        ended = await until(self._idle, self.ended)
        self.outcome.check(ended, f"{after}: turns had no end after {self.ended} s")

    async def _idle(self) -> bool:
        return await asyncio.to_thread(census.unfinished, self.servers.database) == 0


@contextlib.contextmanager
def _strace(pid: int, injection: str) -> Iterator[None]:
    """Attach to all threads of a process while the block lasts."""
    traced = f"trace={injection.partition(':')[0]}"
    command = ["strace", "-f", "-o", "/dev/null", "-e", traced, "-e", f"inject={injection}", "-p", str(pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    line = tracer.stderr.readline() if tracer.stderr else ""
    if "attached" not in line:
        raise RuntimeError(f"strace does not attach: {line}")
    try:
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate()


async def inject(run: Run) -> Outcome:
    """Kill the server at its n-th write and sync, fail its syncs with EIO, fill its disk for a while."""
    if shutil.which("strace") is None:
        return Outcome(skipped="there is no strace: apt-get install strace")
    with FakeLLM(answer=speaking) as fake, run.servers(model_settings(fake.base_url)) as servers:
        faults = _Faults(run, servers)
        servers.start()
        await faults.make_chats()
        await faults.failing("EIO", "fdatasync")
        await faults.failing("ENOSPC", "pwrite64")
        for number in range(1, run.amount(40, 1) + 1):
            for call in _CALLS:
                await faults.kill_point(call, number if not run.short else faults.rng.randint(1, 40))
        faults.judge()
        return faults.outcome
