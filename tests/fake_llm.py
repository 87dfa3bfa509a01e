"""A scripted OpenAI-compatible server on loopback: real HTTP, and every way it can go wrong.

    with FakeLLM() as fake:                      # or `async with`, or start() and stop()
        fake.call("search_kb", {"query": "x"})   # the first request gets a tool call,
        fake.say("Found it [1].")                # the second one text,
        fake.reply(FAULTS["500"])                # the third one a fault (tests/fake_faults.py)

With nothing queued a request whose `model` names a fault gets that fault, any other what `answer` makes of it.
The server runs in a thread with a loop of its own: tests may be synchronous and may drive another process.
"""

import asyncio
import json
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tests.fake_wire import Script, Wire, call_script, text_script

_MODELS = {"object": "list", "data": [{"id": "fake", "object": "model"}]}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def messages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.body.get("messages", [])
        return found


def searching(request: Request) -> Script:
    """A model that searches for the question, then quotes the first passage found and cites it."""
    last = request.messages[-1]
    if last["role"] == "tool":
        passages = json.loads(last["content"]).get("passages", [])
        if not passages:
            return text_script("I don't know. The knowledge base has nothing about that.")
        return text_script(f"{passages[0]['text'].strip().splitlines()[-1]} [{passages[0]['id']}]")
    if request.body.get("tools"):
        return call_script(("search_kb", {"query": last["content"]}))
    return text_script("Hello.")


class FakeLLM:
    """The server. `faults` are scripts by name; `answer` serves requests when nothing is queued."""

    def __init__(
        self, answer: Callable[[Request], Script] = searching, faults: Mapping[str, Script] | None = None
    ) -> None:
        self.requests: list[Request] = []
        self.pages: dict[str, object] = {}  # what is told at these paths beside the completions
        self.connections = 0
        self.disconnects = 0
        self.failures: list[BaseException] = []
        self._answer = answer
        self._faults = faults or {}
        self._queue: deque[Script] = deque()
        self._changed = threading.Condition()
        self._port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="fake-llm")

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def say(self, text: str, *, finish: str = "stop", pause: float = 0.0) -> None:
        """Answer the next request with text."""
        self.reply(text_script(text, finish=finish, pause=pause))

    def call(self, name: str, arguments: object) -> None:
        """Answer the next request with one tool call."""
        self.reply(call_script((name, arguments)))

    def reply(self, *scripts: Script) -> None:
        """Answer the next requests with these scripts."""
        self._queue.extend(scripts)

    def wait(self, met: Callable[[], bool], timeout: float = 60.0) -> bool:
        """Wait, in a thread, until `met` after a request or a disconnect; False when it did not come to that."""
        with self._changed:
            return self._changed.wait_for(met, timeout)

    def start(self) -> Self:
        self._thread.start()
        with self._changed:
            if not self._changed.wait_for(lambda: self._port or not self._thread.is_alive(), 60):
                raise RuntimeError("the fake model did not start")
        return self

    def stop(self) -> None:
        """End the server; raises what a script raised on its own account."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self.failures:
            raise self.failures[0]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            with self._changed:
                self._port = server.sockets[0].getsockname()[1]
                self._changed.notify_all()
            await self._stop.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ahead = b""
        self.connections += 1
        try:
            while (request := await _read_request(reader, ahead)) is not None:
                with self._changed:
                    self.requests.append(request)
                    self._changed.notify_all()
                wire = Wire(writer)
                running = asyncio.ensure_future(self._script(request)(wire))
                reading = asyncio.ensure_future(reader.read(1))
                await asyncio.wait({running, reading}, return_when=asyncio.FIRST_COMPLETED)
                left = reading.done() and not running.done() and _gone(reading)
                if left:
                    running.cancel()
                ahead = await self._settle(running, reading, left=left)
                if left or not wire.open:
                    return
        except asyncio.CancelledError:
            # The server stops; asyncio's own callback would report a cancelled connection as an error.
            writer.transport.abort()
        finally:
            writer.close()

    async def _settle(self, running: asyncio.Future[None], reading: asyncio.Future[bytes], *, left: bool) -> bytes:
        (failed,) = await asyncio.gather(running, return_exceptions=True)
        reading.cancel()
        (ahead,) = await asyncio.gather(reading, return_exceptions=True)
        with self._changed:
            self.disconnects += left or isinstance(failed, ConnectionError)
            if isinstance(failed, Exception) and not isinstance(failed, ConnectionError):
                self.failures.append(failed)
            self._changed.notify_all()
        return ahead if isinstance(ahead, bytes) else b""

    def _script(self, request: Request) -> Script:
        if request.method == "GET":
            return _page(self.pages.get(request.path, _MODELS))
        if self._queue:
            return self._queue.popleft()
        return self._faults.get(request.body.get("model", "")) or self._answer(request)


def _gone(reading: asyncio.Future[bytes]) -> bool:
    return reading.exception() is not None or not reading.result()


def _page(payload: object) -> Script:
    async def run(wire: Wire) -> None:
        await wire.json(200, payload)

    return run


async def _read_request(reader: asyncio.StreamReader, ahead: bytes) -> Request | None:
    try:
        head = ahead + await reader.readuntil(b"\r\n\r\n")
        lines: Sequence[str] = head.decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ")
        headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return Request(method, path, headers, json.loads(body) if body else {})
