"""The command line's way to the service: the server that runs, or one of its own for as long as it needs it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx2

from service.app import serving
from service.errors import ServerUnreachable
from service.running import Running, read_note
from service.settings import Settings

_TIMEOUT: Final = httpx2.Timeout(30, read=300)


@dataclass(frozen=True, slots=True)
class Received:
    """An event of a stream."""

    type: str
    data: dict[str, Any]


class Client:
    """Calls the HTTP API. Each call raises ServerUnreachable with the problem's detail when it is refused."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    async def create_chat(self) -> str:
        """Make a chat; give its id."""
        return str((await self._json("POST", "/api/chats", json={}))["id"])

    async def ask(self, chat_id: str, question: str) -> AsyncIterator[Received]:
        """Post a question; yield the events of its turn until the last one."""
        path, headers = f"/api/chats/{chat_id}/messages", {"Accept": "text/event-stream"}
        async with self._http.stream("POST", path, json={"content": question}, headers=headers) as response:
            if response.status_code != httpx2.codes.OK:
                await response.aread()
                raise ServerUnreachable(_detail(response))
            kind = ""
            async for line in response.aiter_lines():
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield Received(kind, json.loads(line.removeprefix("data: ")))

    async def search(self, query: str, topic: str | None, limit: int, *, explain: bool) -> dict[str, Any]:
        """Search the knowledge base; `explain` asks for the parts of each score."""
        parameters: dict[str, str | int | bool] = {"q": query, "limit": limit, "explain": explain}
        if topic:
            parameters["topic"] = topic
        return await self._json("GET", "/api/kb/search", params=parameters)

    async def status(self, wait_for: str | None = None) -> dict[str, Any]:
        """Tell where the index stands, once `wait_for` is searchable."""
        return await self._json("GET", "/api/kb/status", params={"wait_for": wait_for} if wait_for else {})

    async def gaps(self, state: str, limit: int) -> dict[str, Any]:
        """List questions that the knowledge base could not answer."""
        return await self._json("GET", "/api/kb/gaps", params={"state": state, "limit": limit})

    async def reindex(self) -> dict[str, Any]:
        """Compare the folder with the index now."""
        return await self._json("POST", "/api/kb/reindex")

    async def keys(self) -> list[dict[str, Any]]:
        """List all keys."""
        found: list[dict[str, Any]] = (await self._json("GET", "/api/keys"))["items"]
        return found

    async def create_key(self, name: str, scopes: Sequence[str], days: float | None) -> dict[str, Any]:
        """Make a key."""
        return await self._json("POST", "/api/keys", json={"name": name, "scopes": list(scopes), "days": days})

    async def rotate_key(self, name: str, days: float | None, overlap_hours: float) -> dict[str, Any]:
        """Replace a key by another of its name."""
        body = {"days": days, "overlap_hours": overlap_hours}
        return await self._json("POST", f"/api/keys/{quote(name, safe='')}/rotate", json=body)

    async def revoke_key(self, name: str) -> list[dict[str, Any]]:
        """Revoke the keys of a name, or the one of an id."""
        found: list[dict[str, Any]] = (await self._json("DELETE", f"/api/keys/{quote(name, safe='')}"))["items"]
        return found

    async def _json(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        try:
            response = await self._http.request(method, path, **arguments)
        except httpx2.HTTPError as error:
            raise ServerUnreachable(f"the server at {self._http.base_url} does not answer: {error}") from error
        if response.is_error:
            raise ServerUnreachable(_detail(response))
        body: dict[str, Any] = response.json()
        return body


@contextlib.asynccontextmanager
async def connected(settings: Settings, server: str | None, *, indexed: bool = True) -> AsyncIterator[Client]:
    """Give a client of `server`, else of the server at HOST and PORT, else of one that lives as long as the block.

    With `indexed` an own server has brought its index up to date first.

    Raises ServerUnreachable when `server` does not answer, StorageError when an own server cannot open its data.
    """
    if running := await running_server(settings, server):
        async with _http(running) as http:
            yield Client(http)
        return
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    own = settings.model_copy(update={"host": "127.0.0.1", "port": 0})
    async with serving(own, ready.set_result):
        address = await ready
        async with _http(read_note(own.data_dir) or Running(address, "")) as http:
            client = Client(http)
            if indexed:
                await client.reindex()
            yield client


async def running_server(settings: Settings, server: str | None) -> Running | None:
    """Find `server`, else the one that left a note in DATA_DIR, else the one at HOST and PORT; None where none is.

    Raises ServerUnreachable when `server` does not answer.
    """
    for running in _places(settings, server):
        if await _answers(running.address):
            return running
    if server is not None:
        raise ServerUnreachable(f"no kb-agent answers at {server}; is it running?")
    return None


def _places(settings: Settings, server: str | None) -> Iterator[Running]:
    """Where a server may be, with the key to show it. The local key goes to the address beside it only."""
    given = settings.api_key.get_secret_value() if settings.api_key else ""
    if server is not None:
        yield Running(server, given)
        return
    if note := read_note(settings.data_dir):
        yield Running(note.address, given or note.key)
    yield Running(f"http://{settings.host}:{settings.port}", given)


def _http(running: Running) -> httpx2.AsyncClient:
    headers = {"Authorization": f"Bearer {running.key}"} if running.key else {}
    return httpx2.AsyncClient(base_url=running.address, timeout=_TIMEOUT, headers=headers)


async def _answers(address: str) -> bool:
    """Whether a kb-agent answers at the address."""
    try:
        async with httpx2.AsyncClient(base_url=address, timeout=2) as http:
            response = await http.get("/livez")
    except httpx2.HTTPError:
        return False
    return response.status_code == httpx2.codes.OK and response.headers.get("x-request-id") is not None


def _detail(response: httpx2.Response) -> str:
    try:
        problem = response.json()
        faults = [
            f"{fault['field'].removeprefix('body.')}: {fault['detail']}" for fault in problem.get("errors") or ()
        ]
        if response.status_code == httpx2.codes.UNAUTHORIZED:
            faults.append("the command line takes it from API_KEY")
        return "\n  ".join([str(problem["detail"]), *faults])
    except (ValueError, KeyError, TypeError):
        return f"the server answered {response.status_code}"
