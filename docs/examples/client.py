"""A client of kb-agent to copy: chats, answers that survive a lost connection, search, errors as exceptions.

It needs httpx2 (httpx works too: only the import differs) and Python 3.11. As a program it asks one question:

    python client.py "How does a client resume a stream?" [http://127.0.0.1:8000] [key]
"""

import json
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx2

ENDS = frozenset({"answer.completed", "turn.failed", "turn.cancelled"})


class ApiError(Exception):
    """What the service refused. Decide on `code`; `retry_after` is given with 429 and 503."""

    def __init__(self, response: httpx2.Response) -> None:
        problem: dict[str, Any] = {}
        if response.headers.get("content-type", "").startswith("application/problem+json"):
            problem = response.json()
        self.status = response.status_code
        self.code: str = problem.get("code", "unknown")
        self.detail: str = problem.get("detail", response.text[:200])
        self.request_id: str = response.headers.get("x-request-id", "")
        self.message_id: str | None = problem.get("message_id")
        self.retry_after = float(response.headers.get("retry-after", 0))
        super().__init__(f"{self.status} {self.code}: {self.detail}")


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a stream."""

    id: str
    type: str
    data: dict[str, Any]


class Client:
    """Talks to one service; use it as a context manager."""

    def __init__(self, base_url: str = "http://127.0.0.1:8000", key: str | None = None) -> None:
        """`key` is an API key, where the service needs one."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx2.Client(base_url=base_url, headers=headers, timeout=75)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def create_chat(self, title: str | None = None) -> str:
        """Make a chat; gives its id."""
        chat: str = self._json("POST", "/api/chats", json={"title": title})["id"]
        return chat

    def ask(self, chat: str, question: str, *, attempts: int = 8) -> Iterator[Event]:
        """Ask, and yield the events of the answer; the last one is in `ENDS`.

        A connection that breaks is taken up again: by the same post while nothing came (the key makes that one
        question), by the last event's id after that, in the middle of a word if need be.
        """
        post = f"/api/chats/{chat}/messages"
        headers = {"Accept": "text/event-stream", "Idempotency-Key": str(uuid.uuid4())}
        last = turn = ""
        failures = 0
        while failures < attempts:
            method, path = ("GET", f"/api/chats/{chat}/events") if last else ("POST", post)
            body = None if last else {"content": question}
            try:
                with self._http.stream(method, path, json=body, headers=headers) as response:
                    _check(response)
                    for event in _events(response.iter_lines()):
                        headers["Last-Event-ID"] = last = event.id
                        failures = 0
                        turn = turn or _turn(event)
                        if event.type == "stream.reset":
                            raise ConnectionError("too much happened meanwhile; read the history")
                        if _turn(event) == turn:
                            yield event
                            if event.type in ENDS:
                                return
            except httpx2.TransportError:
                pass
            failures += 1
            time.sleep(min(2**failures / 10, 5))
        raise ConnectionError(f"the connection broke {attempts} times in a row")

    def answer(self, chat: str, question: str) -> dict[str, Any]:
        """Ask and wait: the finished message with its citations. Look at its `status` and `outcome`."""
        message: dict[str, Any] = {}
        for event in self.ask(chat, question):
            message = event.data.get("message", message)
        return message

    def history(self, chat: str) -> Iterator[dict[str, Any]]:
        """Yield all messages of a chat, oldest first."""
        cursor: str | None = None
        while True:
            wanted = {"limit": 100} | ({"cursor": cursor} if cursor else {})
            page = self._json("GET", f"/api/chats/{chat}/messages", params=wanted)
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def search(self, query: str, topic: str | None = None) -> list[dict[str, Any]]:
        """Search the knowledge base; best passages first."""
        hits: list[dict[str, Any]] = self._json(
            "GET", "/api/kb/search", params={"q": query} | ({"topic": topic} if topic else {})
        )["hits"]
        return hits

    def wait_for(self, name: str, timeout: float = 30) -> None:
        """Return once a file that was just written is searchable. Raises ApiError `file_skipped`, `not_live`."""
        self._json("GET", "/api/kb/status", params={"wait_for": name, "timeout": timeout})

    def _json(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        response = self._http.request(method, path, **arguments)
        _check(response)
        body: dict[str, Any] = response.json()
        return body


def _check(response: httpx2.Response) -> None:
    if response.is_error:
        response.read()
        raise ApiError(response)


def _turn(event: Event) -> str:
    """The answer that an event is about."""
    message = event.data.get("message", {})
    answer: str = event.data.get("message_id") or (message["id"] if message.get("role") == "assistant" else "")
    return answer


def _events(lines: Iterator[str]) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if name:
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield Event(fields["id"], fields["event"], json.loads(fields["data"]))
            fields = {}


def main(question: str, base_url: str = "http://127.0.0.1:8000", key: str | None = None) -> None:
    """Print an answer as it is written, then its sources."""
    with Client(base_url, key) as client:
        message: dict[str, Any] = {}
        for event in client.ask(client.create_chat(), question):
            if event.type == "answer.delta":
                print(event.data["text"], end="", flush=True)
            elif event.type == "answer.reset":
                print(f"\n({event.data['reason']}; again:)")
            message = event.data.get("message", message)
        print(f"\n\n{message['outcome']}, by {message['model']}")
        for citation in message["citations"]:
            print(citation["marker"], f"{citation['document']}:{citation['start_line']}", citation["quote"])


if __name__ == "__main__":
    main(*sys.argv[1:])
