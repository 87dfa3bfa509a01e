"""One connection to an event stream on a bare socket: it can stop at any byte, and sees how the body ends."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

from tests.server import Event

_CHUNK = re.compile(rb"([0-9a-fA-F]+)\r\n")


class EventSource:
    """An open stream. `clean` once the last chunk of the body has come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: int) -> None:
        self.status = status
        self.clean = False
        self._reader = reader
        self._writer = writer
        self._raw = b""
        self._text = b""

    @classmethod
    async def open(cls, base_url: str, path: str, last_id: str = "") -> Self:
        """Connect and read the head of the response. Raises OSError when that fails."""
        address = urlsplit(base_url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        lines = [f"GET {path} HTTP/1.1", f"Host: {address.netloc}", "Accept: text/event-stream"]
        lines += [f"Last-Event-ID: {last_id}"] if last_id else []
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode())
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, OSError) as error:
            writer.transport.abort()
            raise ConnectionError("the server left before it answered") from error
        return cls(reader, writer, int(head.split(b" ")[1]))

    async def events(self, most: int | None = None) -> AsyncIterator[Event]:
        """Give whole events until the body ends, the connection breaks, or `most` bytes were read."""
        left = most if most is not None else 2**62
        while left > 0 and not self.clean:
            try:
                data = await self._reader.read(min(left, 4096))
            except OSError:
                return
            if not data:
                return
            left -= len(data)
            self._raw += data
            self._unwrap()
            for event in self._parsed():
                yield event

    def drop(self) -> None:
        """Leave with a reset."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Leave in order."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    def _unwrap(self) -> None:
        """Take whole chunks off the wire."""
        while match := _CHUNK.match(self._raw):
            size = int(match[1], 16)
            end = match.end() + size
            if len(self._raw) < end + 2:
                return
            self._text += self._raw[match.end() : end]
            self._raw = self._raw[end + 2 :]
            if size == 0:
                self.clean = True
                return

    def _parsed(self) -> list[Event]:
        events = []
        while b"\n\n" in self._text:
            block, _, self._text = self._text.partition(b"\n\n")
            fields = dict(line.split(": ", 1) for line in block.decode().split("\n") if line[:1] != ":")
            if "data" in fields:
                events.append(Event(fields["id"], fields["event"], json.loads(fields["data"])))
        return events
