"""Response bodies cut into JSON texts: server-sent events, or one JSON body of a server that did not stream."""

from collections.abc import Sequence
from typing import Protocol

from service.agent.failures import failure

MAX_LINE_BYTES = 1024 * 1024


class BodyParser(Protocol):
    """Cuts a response body into JSON texts."""

    def feed(self, data: bytes) -> Sequence[bytes]:
        """The JSON texts that `data` completes."""
        ...

    def end(self) -> Sequence[bytes]:
        """What is left at the body's end, complete or not."""
        ...


class SseParser:
    """The data of server-sent events. Comments and other fields are skipped; lines end in LF, CR or CRLF."""

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._line_bytes = 0
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._after_cr = False
        self._first = True

    def feed(self, data: bytes) -> list[bytes]:
        """The data of each event that is complete now. Raises ModelError past 1 MiB of one line or event."""
        if not data:
            return []
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
        self._after_cr = data.endswith(b"\r")
        lines = data.splitlines()
        events: list[bytes] = []
        unfinished = lines.pop() if data and not data.endswith((b"\n", b"\r")) else b""
        for line in lines:
            self._take(line, events)
        if unfinished:
            self._keep(unfinished)
        return events

    def end(self) -> list[bytes]:
        """The event that no blank line closed, or nothing."""
        events: list[bytes] = []
        self._take(b"", events)
        self._take(b"", events)
        return events

    def _keep(self, part: bytes) -> None:
        self._line.append(part)
        self._line_bytes += len(part)
        if self._line_bytes > MAX_LINE_BYTES:
            raise failure("answer_too_long")

    def _take(self, line: bytes, events: list[bytes]) -> None:
        if self._line:
            self._keep(line)
            line = b"".join(self._line)
            self._line.clear()
            self._line_bytes = 0
        if self._first:
            line = line.removeprefix(b"\xef\xbb\xbf")
            self._first = False
        if line.startswith(b"data:"):
            self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            self._data_bytes += len(line)
            if self._data_bytes > MAX_LINE_BYTES:
                raise failure("answer_too_long")
        elif not line and self._data:
            events.append(b"\n".join(self._data))
            self._data.clear()
            self._data_bytes = 0


class WholeBody:
    """A body that is one JSON text: an error, or the answer of a server that does not stream."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._bytes = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Nothing yet. Raises ModelError past 1 MiB."""
        self._parts.append(data)
        self._bytes += len(data)
        if self._bytes > MAX_LINE_BYTES:
            raise failure("answer_too_long")
        return []

    def end(self) -> list[bytes]:
        """The text, where there is any."""
        return [b"".join(self._parts)] if self._parts else []
