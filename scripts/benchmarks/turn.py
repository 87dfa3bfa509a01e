"""What a turn costs us, side by side with a plain loop over the SDK, both before a model with instant tokens.

    scripts/bench turn [--turns N] [--clients N]

A turn is: post a question, search, 120 pieces of text as events, stored. CPU is that of the serving process alone.
Rounds alternate between the two; the figures are medians of the rounds, and what counts are the ratios.
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2

_ROUNDS = 5
_QUESTION = "How do I resume a stream?"
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20
KNOWLEDGE = Path(__file__).parents[2] / "knowledge"


@dataclass(frozen=True, slots=True)
class Contender:
    """A server under measurement."""

    name: str
    base_url: str
    pid: int

    def cpu(self) -> float:
        """CPU seconds so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self) -> float:
        """MB in memory now."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE_MB


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one round: CPU ms a turn, turns a second, ms to the first text."""

    cpu: float
    rate: float
    first: float


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench turn", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=30, help="turns a round alone; eight times as many together")
    parser.add_argument("--clients", type=int, default=64)
    options = parser.parse_args(argv)
    with contextlib.ExitStack() as stack:
        model, _ = stack.enter_context(program("scripts.benchmarks.instant_llm"))
        ours, naive = (
            stack.enter_context(service(model, MAX_RUNNING_TURNS="64")),
            stack.enter_context(_naive(model)),
        )
        asyncio.run(_compare(ours, naive, options.turns, options.clients))
    return 0


async def _compare(ours: Contender, naive: Contender, turns: int, clients: int) -> None:
    runs: tuple[tuple[str, Callable[[Contender], Awaitable[Figures]]], ...] = (
        ("alone", lambda who: _turns(who, turns, 1)),
        (f"{clients} clients", lambda who: _turns(who, turns * 8, clients)),
    )
    for who in (ours, naive):
        await _turns(who, 5, 1)
    for label, run in runs:
        rounds = [(await run(ours), await run(naive)) for _ in range(_ROUNDS)]
        _report(label, [one for one, _ in rounds], [other for _, other in rounds])
    short, long = await _histories(ours, max(1, turns // 2))
    print(f"history 1,000 against 20 messages: CPU a turn {long:.1f} / {short:.1f} ms = {long / short:.2f} x")


def _report(label: str, ours: Sequence[Figures], naive: Sequence[Figures]) -> None:
    for name in ("cpu", "rate", "first"):
        one = statistics.median(getattr(figures, name) for figures in ours)
        other = statistics.median(getattr(figures, name) for figures in naive)
        what = {"cpu": "CPU ms a turn", "rate": "turns/s", "first": "ms to first text"}[name]
        print(f"{label:>12}: {what:<17} ours {one:8.1f}   plain loop {other:8.1f}   = {one / other:.2f} x")


async def _turns(who: Contender, turns: int, clients: int) -> Figures:
    """Ask `turns` questions, each in a new chat, by so many clients at once."""
    limits = httpx2.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx2.AsyncClient(base_url=who.base_url, timeout=120, limits=limits) as http:
        waiting = iter(range(turns))
        before, began = who.cpu(), time.perf_counter()
        firsts: list[float] = []

        async def client() -> None:
            for _ in waiting:
                chat = (await http.post("/api/chats", json={})).json()["id"]
                firsts.append(await _ask(http, chat))

        await asyncio.gather(*(client() for _ in range(clients)))
        seconds = time.perf_counter() - began
        return Figures((who.cpu() - before) * 1000 / turns, turns / seconds, statistics.median(firsts))


async def _ask(http: httpx2.AsyncClient, chat: str) -> float:
    """Ask one question to its end; give the ms to the first text."""
    began, first = time.perf_counter(), 0.0
    headers = {"Accept": "text/event-stream"}
    path = f"/api/chats/{chat}/messages"
    async with http.stream("POST", path, json={"content": _QUESTION}, headers=headers) as response:
        response.raise_for_status()
        async for data in response.aiter_bytes():
            if not first and b"answer.delta" in data:
                first = (time.perf_counter() - began) * 1000
    return first


async def _histories(who: Contender, turns: int) -> tuple[float, float]:
    """Give the CPU ms of a turn in chats that held 20 messages, and in one that held 1,000."""
    async with httpx2.AsyncClient(base_url=who.base_url, timeout=120) as http:
        long = await _chat(http, 1000)
        rounds = []
        for _ in range(_ROUNDS):
            short = await _chat(http, 20)
            rounds.append([await _continued(who, http, chat, turns) for chat in (short, long)])
        one, other = (statistics.median(figures) for figures in zip(*rounds, strict=True))
        return one, other


async def _chat(http: httpx2.AsyncClient, messages: int) -> str:
    """Make a chat that holds so many messages."""
    chat = str((await http.post("/api/chats", json={})).json()["id"])
    for _ in range(messages // 2):
        await _ask(http, chat)
    return chat


async def _continued(who: Contender, http: httpx2.AsyncClient, chat: str, turns: int) -> float:
    before = who.cpu()
    for _ in range(turns):
        await _ask(http, chat)
    return (who.cpu() - before) * 1000 / turns


@contextlib.contextmanager
def service(model: str, **settings: str) -> Iterator[Contender]:
    """Run the service over the sample knowledge base, with the model at this address."""
    with tempfile.TemporaryDirectory() as place:
        settings |= {"KNOWLEDGE_DIR": str(KNOWLEDGE), "DATA_DIR": place, "LOG_LEVEL": "warning"}
        settings |= {"LLM_BASE_URL": model, "LLM_MODEL": "instant", "LLM_PROBE": "false"}
        with program("service", "serve", "--port", "0", **settings) as (base_url, pid):
            wait_ready(base_url)
            yield Contender("service", base_url, pid)


@contextlib.contextmanager
def _naive(model: str) -> Iterator[Contender]:
    with program("scripts.benchmarks.naive_loop", model, str(KNOWLEDGE)) as (base_url, pid):
        yield Contender("plain loop", base_url, pid)


@contextlib.contextmanager
def program(module: str, *arguments: str, **settings: str) -> Iterator[tuple[str, int]]:
    """Run a module that prints `ready: ADDRESS`; give the address and the process's id."""
    environment: Mapping[str, str] = {**os.environ, **settings}
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield line.split("ready: ")[1].strip(), process.pid
        finally:
            process.terminate()


def wait_ready(base_url: str) -> None:
    """Return when the service says that it is ready."""
    while httpx2.get(f"{base_url}/readyz").status_code != httpx2.codes.OK:
        time.sleep(0.05)
