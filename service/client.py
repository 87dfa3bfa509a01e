"""The command line's way to the service: the server that runs, or one of its own for as long as it needs it.

What a server is made of is loaded where none runs, which most commands are done before.
"""

import asyncio
import contextlib
import json
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx2

from service.answer_events import LAST, Received, answer_id_of, begun_anew
from service.errors import RequestRefused, ServerUnreachable, SettingsError
from service.running import Running, read_note
from service.settings import Settings

_TIMEOUT: Final = httpx2.Timeout(30, read=300)
_PATIENCE: Final = 30.0  # seconds without a server, as while it is started anew, until an answer is given up
_PAUSE: Final = 0.5
_PAGE: Final = 200
_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Client:
    """Calls the HTTP API. Each call raises ServerUnreachable with the problem's detail when it is refused."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    async def create_chat(self) -> str:
        """Make a chat; give its id."""
        return str((await self._json("POST", "/api/chats", json={}))["id"])

    async def chats(self, query: str, limit: int) -> list[dict[str, Any]]:
        """List chats, newest first; with a `query` those that hold all of its words."""
        return await self._pages("/api/chats", {"q": query} if query else {}, limit)

    async def export(self, chat_id: str) -> dict[str, Any]:
        """Give a chat with all of its messages."""
        return await self._json("GET", _chat(chat_id, "/export"))

    async def exported(self, chat_id: str, form: str) -> str:
        """Give a chat as one file: json or markdown."""
        return (await self._send("GET", _chat(chat_id, "/export"), params={"format": form})).text

    async def rename(self, chat_id: str, title: str) -> dict[str, Any]:
        """Give a chat another title."""
        return await self._json("PATCH", _chat(chat_id), json={"title": title})

    async def delete(self, chat_id: str) -> None:
        """Delete a chat."""
        await self._send("DELETE", _chat(chat_id))

    async def cancel(self, chat_id: str, message_id: str) -> None:
        """Stop an answer."""
        await self._send("POST", _chat(chat_id, f"/messages/{_part(message_id)}/cancel"))

    async def ask(self, chat_id: str, question: str) -> AsyncIterator[Received]:
        """Post a question; yield the events of its turn until the last one, also over a connection that breaks."""
        headers = {"Accept": "text/event-stream", "Idempotency-Key": str(uuid.uuid4())}
        request = {"method": "POST", "url": _chat(chat_id, "/messages"), "json": {"content": question}}
        heard, answer_id = time.monotonic(), ""
        while True:
            try:
                async for event in self._events(request, headers):
                    heard, headers["Last-Event-ID"] = time.monotonic(), event.id
                    answer_id = answer_id or answer_id_of(event)
                    for told in begun_anew(event, answer_id) if event.type == "stream.reset" else (event,):
                        yield told
                        if told.type in LAST:
                            return
            except httpx2.TransportError as error:
                if time.monotonic() > heard + _PATIENCE:
                    raise self._silent(error) from error
            if "Last-Event-ID" in headers:  # else nothing came, and the key makes it safe to post again
                request = {"method": "GET", "url": _chat(chat_id, "/events")}
            await asyncio.sleep(_PAUSE)

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

    async def create_key(
        self, name: str, scopes: Sequence[str], days: float | None, tokens_a_day: int | None
    ) -> dict[str, Any]:
        """Make a key."""
        body = {"name": name, "scopes": list(scopes), "days": days, "tokens_a_day": tokens_a_day}
        return await self._json("POST", "/api/keys", json=body)

    async def limit_key(self, name: str, tokens_a_day: int | None) -> list[dict[str, Any]]:
        """Change how many tokens a day a key may use; None is what the settings say."""
        path, body = f"/api/keys/{_part(name)}", {"tokens_a_day": tokens_a_day}
        found: list[dict[str, Any]] = (await self._json("PATCH", path, json=body))["items"]
        return found

    async def rotate_key(self, name: str, days: float | None, overlap_hours: float) -> dict[str, Any]:
        """Replace a key by another of its name."""
        body = {"days": days, "overlap_hours": overlap_hours}
        return await self._json("POST", f"/api/keys/{_part(name)}/rotate", json=body)

    async def revoke_key(self, name: str) -> list[dict[str, Any]]:
        """Revoke the keys of a name, or the one of an id."""
        found: list[dict[str, Any]] = (await self._json("DELETE", f"/api/keys/{_part(name)}"))["items"]
        return found

    async def document(self, name: str, lines: tuple[int, int | None], revision: str | None) -> dict[str, Any]:
        """Read lines of a document, first and last, None being its end; `next_line` says where to read on."""
        wanted = {"start_line": lines[0], "end_line": lines[1], "revision": revision}
        given = {key: value for key, value in wanted.items() if value is not None}
        path = "/".join(_part(part) for part in name.split("/"))
        return await self._json("GET", f"/api/kb/documents/{path}", params=given)

    async def documents(self, limit: int) -> list[dict[str, Any]]:
        """List documents by name."""
        return await self._pages("/api/kb/documents", {}, limit)

    async def _pages(self, path: str, parameters: Mapping[str, str], limit: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while len(found) < limit:
            wanted = {"limit": min(limit - len(found), _PAGE), **parameters, **cursor}
            page = await self._json("GET", path, params=wanted)
            found += page["items"]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        return found

    async def _events(self, request: Mapping[str, Any], headers: Mapping[str, str]) -> AsyncIterator[Received]:
        fields: dict[str, str] = {}
        async with self._http.stream(**request, headers=headers) as response:
            if response.status_code != httpx2.codes.OK:
                await response.aread()
                raise (RequestRefused if response.is_client_error else ServerUnreachable)(_detail(response))
            async for line in response.aiter_lines():
                name, _, value = line.partition(": ")
                if name:
                    fields[name] = value
                elif "data" in fields:
                    yield Received(fields["id"], fields["event"], json.loads(fields["data"]))
                    fields = {}

    async def _json(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        body: dict[str, Any] = (await self._send(method, path, **arguments)).json()
        return body

    async def _send(self, method: str, path: str, **arguments: Any) -> httpx2.Response:
        try:
            response = await self._http.request(method, path, **arguments)
        except httpx2.HTTPError as error:
            raise self._silent(error) from error
        if response.is_error:
            raise ServerUnreachable(_detail(response))
        return response

    def _silent(self, error: Exception) -> ServerUnreachable:
        why = f": {error}" if str(error) else ""
        return ServerUnreachable(f"the server at {self._http.base_url} does not answer{why}")


@contextlib.asynccontextmanager
async def connected(settings: Settings, server: str | None, *, indexed: bool = True) -> AsyncIterator[Client]:
    """Give a client of the server that runs, see `running`, else of one that lives as long as the block.

    With `indexed` an own server has brought its index up to date first.

    Raises ServerUnreachable when `server` does not answer, StorageError when an own server cannot open its data.
    """
    if running := await running_server(settings, server):
        async with _http(running) as http:
            yield Client(http)
        return
    from service.app import serving  # the whole service

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


@contextlib.asynccontextmanager
async def connected_if_running(settings: Settings) -> AsyncIterator[Client | None]:
    """Give a client of the server that runs; None without."""
    running = await running_server(settings, None)
    if running is None:
        yield None
        return
    async with _http(running) as http:
        yield Client(http)


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
    if not (running.key.isascii() and running.key.isprintable() and " " not in running.key):
        raise SettingsError(["API_KEY: got a value that is not shown; takes a key as `kb-agent keys` printed it"])
    headers = {"Authorization": f"Bearer {running.key}"} if running.key else {}
    return httpx2.AsyncClient(
        base_url=running.address, timeout=_TIMEOUT, headers=headers, **_surroundings(running.address)
    )


def _surroundings(address: str) -> dict[str, Any]:
    """On this machine there is no proxy and no TLS, so that no certificates need to be read: 20 ms each time."""
    if urlsplit(address).scheme == "http" and urlsplit(address).hostname in _HERE:
        return {"trust_env": False, "verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)}
    return {}


async def _answers(address: str) -> bool:
    """Whether a kb-agent answers at the address."""
    try:
        async with httpx2.AsyncClient(base_url=address, timeout=2, **_surroundings(address)) as http:
            response = await http.get("/livez")
    except httpx2.HTTPError:
        return False
    return response.status_code == httpx2.codes.OK and response.headers.get("x-request-id") is not None


def _chat(chat_id: str, what: str = "") -> str:
    return f"/api/chats/{_part(chat_id)}{what}"


def _part(text: str) -> str:
    """A part of an address; where it is dots they are written so that they do not lead to another one."""
    return quote(text, safe="") if text.strip(".") else "%2E" * len(text)


def _detail(response: httpx2.Response) -> str:
    try:
        problem = response.json()
        detail, told = str(problem["detail"]), problem.get("errors") or ()
        faults = [
            f"{fault['field'].partition('.')[2] or fault['field']}: {fault['detail']}"
            for fault in told
            if fault["detail"] != detail
        ]
        if faults and problem["code"] == "invalid_input":
            detail = faults.pop(0)  # the document's own only says that there are some
        if names := problem.get("did_you_mean"):
            faults.append(f"did you mean {', '.join(names)}?")
        if response.status_code == httpx2.codes.UNAUTHORIZED:
            faults.append("the command line takes it from API_KEY")
        return "\n  ".join([detail, *faults])
    except (ValueError, KeyError, TypeError):
        return f"the server answered {response.status_code}"
