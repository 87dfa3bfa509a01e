"""What the scripted model server writes: chunks, and scripts that stream them over a connection."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

TEXT = ("Events ", "are replayed ", "by id.")
ANSWER = "".join(TEXT)
ARGUMENTS = '{"query": "sse resume"}'
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
SSE = "text/event-stream; charset=utf-8"


def chunk(delta: object, finish: str | None = None, **fields: object) -> dict[str, Any]:
    """A chunk with one choice, as OpenAI sends it."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "fake", "choices": [choice], **fields}


def usage_chunk(usage: object = None) -> dict[str, Any]:
    """The chunk without choices that closes a stream with `include_usage`."""
    return chunk({}) | {"choices": [], "usage": USAGE if usage is None else usage}


def call_delta(index: object, call_id: str | None, name: str | None, arguments: str) -> dict[str, Any]:
    """A delta with one fragment of one tool call; what is None is left out."""
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    fragment: dict[str, Any] = {"type": "function", "function": function}
    if index is not None:
        fragment["index"] = index
    if call_id is not None:
        fragment["id"] = call_id
    return {"tool_calls": [fragment]}


class Wire:
    """What a script writes a response with. Without `head` a chunked event stream is begun."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._chunked = False
        self._begun = False
        self.open = True

    async def head(
        self, status: int = 200, content_type: str = SSE, *, chunked: bool = True, headers: Mapping[str, str] = {}
    ) -> None:
        """The status line and the headers. Not `chunked`: the body ends with the connection."""
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase if status != 529 else 'Overloaded'}"]
        lines += [f"content-type: {content_type}", *(f"{name}: {value}" for name, value in headers.items())]
        lines.append("transfer-encoding: chunked" if chunked else "connection: close")
        self._chunked, self._begun, self.open = chunked, True, chunked
        await self._write("\r\n".join([*lines, "", ""]).encode())

    async def send(self, data: bytes) -> None:
        """Raw bytes of the body, at once."""
        if not self._begun:
            await self.head()
        await self._write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    async def event(self, payload: object) -> None:
        """One event; a string goes out as it is, anything else as JSON."""
        text = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
        await self.send(f"data: {text}\n\n".encode())

    async def events(self, *payloads: object) -> None:
        """Events, each in a write of its own."""
        for payload in payloads:
            await self.event(payload)

    async def done(self) -> None:
        """`[DONE]` and the end of the body, in one write: who waits for the end only briefly gets it."""
        data = b"data: [DONE]\n\n"
        await self._write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if self._chunked else data)

    async def end(self) -> None:
        """The end of the body, as the framing wants it."""
        if self._chunked:
            await self._write(b"0\r\n\r\n")

    async def json(self, status: int, payload: object, headers: Mapping[str, str] = {}) -> None:
        """A whole JSON response."""
        await self.head(status, "application/json", headers=headers)
        await self.send(json.dumps(payload).encode())
        await self.end()

    async def cut_later(self) -> None:
        """Reset the connection once the other side had time to read: a reset may overtake what was sent.

        Nothing tells whether it has read, so the time is long enough for a machine that does much else.
        """
        await asyncio.sleep(1.5)
        self.cut()

    def cut(self) -> None:
        """Reset the connection."""
        self.open = False
        self._writer.transport.abort()

    async def _write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()


Script = Callable[[Wire], Awaitable[None]]


def text_script(text: str, *, finish: str = "stop", pause: float = 0.0) -> Script:
    """Streams `text` word by word, `pause` seconds apart, then usage."""
    words = [word if i == 0 else f" {word}" for i, word in enumerate(text.split(" "))]

    async def run(wire: Wire) -> None:
        await wire.event(chunk({"role": "assistant", "content": ""}))
        for word in words:
            await asyncio.sleep(pause)
            await wire.event(chunk({"content": word}))
        await wire.events(chunk({}, finish), usage_chunk())
        await wire.done()

    return run


def call_script(*calls: tuple[str, object]) -> Script:
    """Streams tool calls: name and arguments, the latter as text or as what JSON makes of them."""

    async def run(wire: Wire) -> None:
        await wire.event(chunk({"role": "assistant", "content": None}))
        for index, (name, arguments) in enumerate(calls):
            text = arguments if isinstance(arguments, str) else json.dumps(arguments)
            await wire.event(chunk(call_delta(index, f"call_{index}", name, "")))
            half = len(text) // 2
            await wire.events(*(chunk(call_delta(index, None, None, part)) for part in (text[:half], text[half:])))
        await wire.events(chunk({}, "tool_calls"), usage_chunk())
        await wire.done()

    return run


def refusal(status: int, error: object, headers: Mapping[str, str] = {}) -> Script:
    """A JSON error response."""

    async def run(wire: Wire) -> None:
        await wire.json(status, {"error": error}, headers)

    return run


def stream(*payloads: object, done: bool = True, pause: float = 0.0) -> Script:
    """These events, each after a `pause` in seconds, then [DONE]."""

    async def run(wire: Wire) -> None:
        await wire.head()
        for payload in payloads:
            await asyncio.sleep(pause)
            await wire.event(payload)
        await (wire.done() if done else wire.end())

    return run


def raw(*parts: bytes, status: int = 200, content_type: str = SSE, chunked: bool = True) -> Script:
    """These bytes as the body, each part in a write of its own."""

    async def run(wire: Wire) -> None:
        await wire.head(status, content_type, chunked=chunked)
        for part in parts:
            await wire.send(part)
        await wire.end()

    return run


def calls(*deltas: Mapping[str, object], finish: str = "tool_calls") -> Script:
    """A stream of tool-call fragments."""
    return stream(*(chunk(delta) for delta in deltas), chunk({}, finish), usage_chunk())


def content(*pieces: object, finish: str = "stop") -> Script:
    return stream(*(chunk({"content": piece}) for piece in pieces), chunk({}, finish), usage_chunk())


def texts() -> list[dict[str, object]]:
    return [chunk({"content": piece}) for piece in TEXT]


def body(text: str) -> bytes:
    return "".join(f"data: {json.dumps(c, ensure_ascii=False)}\n\n" for c in whole(text)).encode()


def whole(text: str) -> list[dict[str, object]]:
    return [chunk({"content": text}), chunk({}, "stop"), usage_chunk()]
