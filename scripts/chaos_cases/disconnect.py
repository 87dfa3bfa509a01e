"""Clients that drop at random bytes and come back: their text equals the stored message, over restarts too."""

import asyncio
import random
import re
from contextlib import suppress
from functools import partial
from typing import Final

import httpx2

from scripts.chaos_cases import census
from scripts.chaos_cases.event_source import EventSource
from scripts.chaos_cases.outcome import Outcome, Run, until
from scripts.chaos_cases.servers import Servers
from scripts.chaos_cases.speech import model_settings, question, speaking
from tests.fake_llm import FakeLLM
from tests.server import Event

_CLIENTS: Final = 8
_TERMINAL: Final = frozenset({"answer.completed", "turn.failed", "turn.cancelled"})
_POSITION: Final = re.compile(r"(\d+)(?:\.(\d+))?")
_LONGEST: Final = 3_000  # bytes read before a drop
_LONGEST_RUN: Final = 900.0  # seconds


class _Reader:
    """What a page does with events: it keeps the id, folds the text, compares it when the answer ends."""

    def __init__(self, outcome: Outcome, last_id: str) -> None:
        self.outcome = outcome
        self.last_id = last_id
        self.text = ""
        self.ended: dict[str, str] = {}

    def fold(self, event: Event) -> None:
        """Take one event in."""
        place, before = _position(event.id), _position(self.last_id)
        self.outcome.check(place > before, f"{event.type} {event.id} came after {self.last_id}")
        self.last_id = event.id
        match event.type:
            case "answer.delta":
                offset = event.data["offset"]
                self.outcome.check(offset == len(self.text), f"delta at {offset}, text has {len(self.text)}")
                self.text += event.data["text"]
            case "turn.started" | "answer.reset":
                self.outcome.count("withdrawn", event.type == "answer.reset")
                self.text = ""
            case "stream.reset":
                self.outcome.check(False, f"stream.reset {event.id}")
            case kind if kind in _TERMINAL:
                message = event.data["message"]
                same = self.text.encode() == message["content"].encode()
                self.outcome.check(
                    same, f"{kind} {message['id']}: read {self.text!r}, stored {message['content']!r}"
                )
                self.outcome.check(message["id"] not in self.ended, f"{message['id']} ended twice")
                self.ended[message["id"]] = self.text
                self.text = ""


class _Disconnects:
    def __init__(self, servers: Servers, rng: random.Random, drops: int) -> None:
        self.servers = servers
        self.rng = rng
        self.drops = drops
        self.outcome = Outcome()
        self.up = asyncio.Event()

    @property
    def done(self) -> int:
        return int(self.outcome.figures.get("drops", 0))

    async def client(self, number: int, chat: dict[str, str]) -> None:
        """Ask and read one answer after another until there were enough drops, then read the last to its end."""
        reader, chat_id = _Reader(self.outcome, chat["last_event_id"]), chat["id"]
        asked = 0
        while self.done < self.drops:
            asked += 1
            answer = await self._ask(chat_id, f"client-{number}-{asked}")
            while answer not in reader.ended:
                await self._read(reader, chat_id)
            await self._compare(chat_id, answer, reader)

    async def _ask(self, chat_id: str, key: str) -> str:
        words = self.rng.choice((20, 80, 250))
        body = {"content": question(key, words, self.rng.randint(1, 6))}
        while True:
            await self.up.wait()
            with suppress(httpx2.TransportError):
                async with self.servers.client() as client:
                    headers = {"Idempotency-Key": key, "Prefer": "respond-async"}
                    reply = await client.post(f"/api/chats/{chat_id}/messages", json=body, headers=headers)
                    return str(reply.json()["id"])

    async def _read(self, reader: _Reader, chat_id: str) -> None:
        await self.up.wait()
        with suppress(OSError):
            source = await EventSource.open(self.servers.base_url, f"/api/chats/{chat_id}/events", reader.last_id)
            most = self.rng.randint(1, _LONGEST) if self.done < self.drops else None
            before = len(reader.ended)
            async for event in source.events(most):
                reader.fold(event)
                if len(reader.ended) > before:
                    break
            source.drop()
            self.outcome.count("drops")
            self.outcome.count("inside an answer", bool(reader.text))

    async def _compare(self, chat_id: str, answer: str, reader: _Reader) -> None:
        await self.up.wait()
        with suppress(httpx2.TransportError):
            async with self.servers.client() as client:
                stored = (await client.get(f"/api/chats/{chat_id}/messages/{answer}")).json()
            same = reader.ended[answer].encode() == stored["content"].encode()
            self.outcome.check(same, f"{answer}: read {reader.ended[answer]!r}, stored {stored['content']!r}")
            self.outcome.count("answers compared")
            self.outcome.count(stored["status"])

    async def _reached(self, drops: int) -> bool:
        return self.done >= drops

    async def restarts(self, count: int) -> None:
        """Restart at even distances, twice in a row each second time so that a turn is interrupted for good."""
        for number in range(1, count + 1):
            await until(partial(self._reached, self.drops * number // (count + 1)), _LONGEST_RUN)
            for _ in range(1 + number % 2):
                self.up.clear()
                self.servers.kill()
                await asyncio.to_thread(self.servers.start)
                self.up.set()
                self.outcome.count("restarts")
                await asyncio.sleep(self.rng.uniform(0.05, 0.4))


async def disconnect(run: Run) -> Outcome:
    """Drop connections at random bytes while answers stream, and restart the server meanwhile."""
    with FakeLLM(answer=speaking) as fake, run.servers(model_settings(fake.base_url)) as servers:
        work = _Disconnects(servers, run.random("disconnect"), run.amount(1000, 60))
        servers.start()
        work.up.set()
        async with servers.client() as client:
            ids = [(await client.post("/api/chats", json={})).json()["id"] for _ in range(_CLIENTS)]
            chats = [(await client.get(f"/api/chats/{chat_id}")).json() for chat_id in ids]
        async with asyncio.TaskGroup() as group:
            for number, chat in enumerate(chats):
                group.create_task(work.client(number, chat))
            group.create_task(work.restarts(run.amount(10, 1)))
        work.outcome.violations += census.complaints(servers.database)
        return work.outcome


def _position(text: str) -> tuple[int, int]:
    match = _POSITION.fullmatch(text)
    return (int(match[1]), int(match[2] or 0)) if match else (-1, -1)
