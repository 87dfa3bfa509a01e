"""What open event streams cost, and how soon the last of them hears of an event.

    scripts/bench subscribers [--streams N] [--events N]

Starts a service, tells CPU and memory until it was ready, opens idle streams on one chat, then renames the chat
again and again. A time is from sending the change to the last stream's event, with the work of this reader, which
shares the machine.
"""

import argparse
import asyncio
import contextlib
import statistics
import time
from collections.abc import Sequence
from functools import partial
from urllib.parse import urlsplit

import httpx2

from scripts.benchmarks.turn import Contender, service

_MODEL = "http://127.0.0.1:9/v1"  # is never asked, but its client is loaded
_AT_ONCE = 50  # streams that are opened together: what a thousand requests at once take is not what idle ones hold


class _Hearing:
    """Counts the streams that have heard what is waited for."""

    def __init__(self) -> None:
        self.mark = b""
        self.heard = 0
        self.all = asyncio.Event()
        self.wanted = 0

    def listen(self, mark: bytes, wanted: int) -> None:
        self.mark, self.heard, self.wanted = mark, 0, wanted
        self.all.clear()

    def hear(self) -> None:
        self.heard += 1
        if self.heard == self.wanted:
            self.all.set()


class _Stream(asyncio.Protocol):
    """One subscriber."""

    def __init__(self, hearing: _Hearing, request: bytes) -> None:
        self._hearing = hearing
        self._request = request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._hearing.mark in data:
            self._hearing.hear()


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench subscribers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--events", type=int, default=100)
    options = parser.parse_args(argv)
    places = str(options.streams + 10)
    with contextlib.ExitStack() as stack:
        limits = {"MAX_STREAMS": places, "MAX_STREAMS_PER_CALLER": places}
        ours = stack.enter_context(service(_MODEL, **limits))
        print(f"ready: {ours.cpu():.2f} s of CPU, {ours.memory():.0f} MB")
        asyncio.run(_measure(ours, options.streams, options.events))
    return 0


async def _measure(ours: Contender, streams: int, events: int) -> None:
    address = urlsplit(ours.base_url)
    host, port = str(address.hostname), int(address.port or 0)
    async with httpx2.AsyncClient(base_url=ours.base_url, timeout=60) as http:
        chat = (await http.post("/api/chats", json={})).json()["id"]
        head = f"GET /api/chats/{chat}/events HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode()
        hearing = _Hearing()
        subscriber = partial(_Stream, hearing, head)
        before = ours.memory()
        loop = asyncio.get_running_loop()
        opened = []
        for first in range(0, streams, _AT_ONCE):
            some = range(first, min(first + _AT_ONCE, streams))
            hearing.listen(b"retry: ", len(some))
            dialled = [loop.create_connection(subscriber, host, port) for _ in some]
            opened += [transport for transport, _ in await asyncio.gather(*dialled)]
            await asyncio.wait_for(hearing.all.wait(), 60)
        grown = (ours.memory() - before) * 1000 / streams
        print(f"memory: {grown:.1f} MB for each 1,000 idle streams")
        cpu = ours.cpu()
        times = [await _tell(http, chat, hearing, number, streams) for number in range(events)]
        cost = (ours.cpu() - cpu) / events / streams * 1e6
        p99 = statistics.quantiles(times, n=100)[98]
        print(f"event to the last of {streams}: median {statistics.median(times):.0f} ms, p99 {p99:.0f} ms")
        print(f"CPU: {cost:.0f} us for each stream and event")
        for transport in opened:
            transport.close()


async def _tell(http: httpx2.AsyncClient, chat: str, hearing: _Hearing, number: int, streams: int) -> float:
    """Rename the chat; give the ms until every stream has heard of it."""
    title = f"title {number:05}."
    hearing.listen(title.encode(), streams)
    began = time.perf_counter()
    (await http.patch(f"/api/chats/{chat}", json={"title": title})).raise_for_status()
    await asyncio.wait_for(hearing.all.wait(), 60)
    return (time.perf_counter() - began) * 1000
