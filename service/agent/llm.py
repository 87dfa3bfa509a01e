"""`ChatModel` on any OpenAI-compatible endpoint: the SDK knows what to send and where, the stream is read raw.

For every chunk the SDK would build a pydantic object, which was half of a turn's CPU, and each request anew from
its parts, which was half of what a request took.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self, cast

import aiohttp
import httpx2
import openai
from pydantic_core import to_json

from service.agent.attempts import CallObserver, Retries, Timeouts, Unobserved, Watch
from service.agent.chunks import ReplyBuilder
from service.agent.failures import failure, from_exception
from service.agent.model import Reply, Request, TextPiece, Usage
from service.agent.resilience import Guard
from service.agent.sse import BodyParser, SseParser, WholeBody
from service.errors import ModelError, SettingsError
from service.telemetry import tracing

# The transport lets the last two through where it knows no counterpart.
_BROKEN = (httpx2.HTTPError, aiohttp.ClientError, OSError)
_PATH = "chat/completions"
_MAX_ERROR_BYTES = 16 * 1024
_FIRST_REFUSAL = 300  # a redirect is one too: nothing goes anywhere but where the settings say


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the model is and what every request to it says. `max_tokens` bounds one reply."""

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    max_tokens: int = 1024
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: float | None = None


class SdkChatModel:
    """A `ChatModel` that asks an OpenAI-compatible endpoint. Make one a process; close it at the end.

    Raises SettingsError for a key that cannot stand in a header.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        timeouts: Timeouts,
        retries: Retries,
        observer: CallObserver | None = None,
        guard: Guard | None = None,
    ) -> None:
        key = endpoint.api_key or "none"
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise SettingsError(["LLM_API_KEY: got a value that is not shown; takes ASCII without white space"])
        self._endpoint = endpoint
        self.name = endpoint.model
        self._timeouts = timeouts
        self._retries = retries
        self._observer = observer or Unobserved()
        self._guard = guard
        # All but connecting is bounded by Watch, which tells content from silence.
        timeout = httpx2.Timeout(None, connect=timeouts.connect)
        self._http = openai.DefaultAioHttpClient(follow_redirects=False, timeout=timeout)
        sdk = openai.AsyncOpenAI(base_url=endpoint.base_url, api_key=key, http_client=self._http)
        # The SDK takes these from OPENAI_* variables; the settings alone decide what is sent where.
        sdk.organization = sdk.project = None
        self._url = sdk.base_url.join(_PATH)
        self._extensions = {"timeout": timeout.as_dict()}
        said = {**sdk.default_headers, **sdk.auth_headers}
        # Compressed streams are held back by whoever compresses them.
        said["Accept-Encoding"] = "identity"
        self._headers = httpx2.Headers({name: value for name, value in said.items() if isinstance(value, str)})

    async def aclose(self) -> None:
        """Close the connections. Calls that still run fail."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def stream(self, request: Request) -> AsyncGenerator[TextPiece | Reply]:
        """See `ChatModel.stream`. What fails before the first piece is tried again."""
        content = to_json(self._body(request))
        made = 0
        with _observed(self._observer) as outcome:
            if self._guard:
                self._guard.enter(time.monotonic())
            while outcome.result != "ok":
                shown = False
                try:
                    async with aclosing(self._attempt(content, request)) as pieces:
                        async for piece in pieces:
                            shown = True
                            if isinstance(piece, Reply):
                                outcome.result, outcome.usage = "ok", piece.usage
                                self._succeeded()
                            yield piece
                except ModelError as error:
                    delay = self._retry_delay(error, made, request.ends, shown=shown)
                    if delay is None:
                        raise
                    self._observer.call_retried(error.code)
                    tracing.current().add_event("retry", {"error.type": error.code})
                    await asyncio.sleep(delay)
                    made += 1

    def _succeeded(self) -> None:
        if self._guard:
            self._guard.succeeded()

    def _retry_delay(self, error: ModelError, made: int, ends: float, *, shown: bool) -> float | None:
        """Seconds until the next attempt after one that failed; None: give up."""
        now = time.monotonic()
        if self._guard:
            self._guard.failed(error.code, now)
        delay = None if shown else self._retries.delay(error, made)
        if delay is None or now + delay >= ends or (self._guard and not self._guard.may_retry()):
            return None
        return delay

    def _body(self, request: Request) -> dict[str, Any]:
        most = self._endpoint.max_tokens
        body: dict[str, Any] = {
            "model": self._endpoint.model,
            "stream": True,
            "messages": [message.wire() for message in request.messages],
            "stream_options": {"include_usage": True},
            self._endpoint.max_tokens_field: min(request.max_tokens or most, most),
        }
        if self._endpoint.temperature is not None:
            body["temperature"] = self._endpoint.temperature
        if request.tools:
            body["tools"] = [tool.wire() for tool in request.tools]
            body["tool_choice"] = "auto"
        return body

    async def _attempt(self, content: bytes, request: Request) -> AsyncGenerator[TextPiece | Reply]:
        watch = Watch(self._timeouts, self._observer)
        try:
            response = await self._open(content, watch)
            async with aclosing(response), aclosing(_body(response)) as network:
                parser, builder = _readers(response, self._endpoint.model, request)
                ended = False
                while not ended:
                    text, fault = "", None
                    try:
                        data = await _next(network, watch)
                        ended = data is None
                        for payload in parser.end() if data is None else parser.feed(data):
                            text += builder.add(payload)
                    except ModelError as error:
                        # What goes wrong after the answer's end does not unmake it; its last line may be cut.
                        harmless = builder.ended or (ended and error.code == "provider_protocol_error")
                        ended, fault = True, None if harmless else error
                    watch.look(builder)
                    if text:
                        yield TextPiece(text)
                    if fault is not None:  # what came before it, maybe in the same packet, has been shown
                        raise fault
        finally:
            watch.close()
        rest, reply = builder.end()
        if rest:
            yield TextPiece(rest)
        yield reply

    async def _open(self, content: bytes, watch: Watch) -> httpx2.Response:
        """Send the request; the response's head is here, its body is not."""
        # What the client would add is in the headers, see `__init__`.
        extensions = self._extensions
        request = httpx2.Request("POST", self._url, headers=self._headers, content=content, extensions=extensions)
        try:
            response = await watch.bound(self._http.send(request, stream=True))
            if response.status_code < _FIRST_REFUSAL:
                return response
            async with aclosing(response):
                refusal = await watch.bound(_refusal(response))
        except _BROKEN as error:
            raise from_exception(error) from error
        raise from_exception(refusal)


async def _refusal(response: httpx2.Response) -> openai.APIStatusError:
    """What the SDK would raise; of the body no more is read than it takes to tell an error by."""
    text = bytearray()
    async with aclosing(response.aiter_bytes()) as parts:
        async for part in parts:
            text += part
            if len(text) >= _MAX_ERROR_BYTES:
                break
    try:
        body = json.loads(text[:_MAX_ERROR_BYTES])
    except (ValueError, RecursionError):  # nested too deeply
        body = text[:_MAX_ERROR_BYTES].decode(errors="replace")
    body = body.get("error", body) if isinstance(body, dict) else body
    return openai.APIStatusError(f"HTTP {response.status_code}", response=response, body=body)


def _body(response: httpx2.Response) -> AsyncGenerator[bytes]:
    """The bytes of a body; what was not compressed is spared the layers that decompress."""
    if "content-encoding" in response.headers or not isinstance(response.stream, httpx2.AsyncByteStream):
        return response.aiter_bytes()
    return cast("AsyncGenerator[bytes]", aiter(response.stream))


async def _next(network: AsyncGenerator[bytes], watch: Watch) -> bytes | None:
    """The next bytes of the body, None at its end."""
    try:
        return await watch.bound(anext(network, None))
    except _BROKEN as error:
        raise failure("stream_interrupted") from error


def _readers(response: httpx2.Response, model: str, request: Request) -> tuple[BodyParser, ReplyBuilder]:
    tools = [tool.name for tool in request.tools]
    # A model may write a call of what it could call before, though it is offered no more.
    withdrawn = [] if tools else [call.name for message in request.messages for call in message.calls]
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/html":
        raise failure("incomplete_response", "it is a web page")
    if kind == "application/json":
        return WholeBody(), ReplyBuilder(model, tools, withdrawn, unnamed_error="incomplete_response")
    return SseParser(), ReplyBuilder(model, tools, withdrawn)


@dataclass(slots=True)
class _Outcome:
    """How a call ended; a call that is given up never says."""

    result: str = "cancelled"
    usage: Usage = field(default_factory=Usage)


@contextmanager
def _observed(observer: CallObserver) -> Iterator[_Outcome]:
    outcome = _Outcome()
    began = time.monotonic()
    observer.call_started()
    try:
        yield outcome
    except ModelError as error:
        outcome.result = error.code
        raise
    finally:
        usage = outcome.usage
        observer.call_finished(
            outcome.result, time.monotonic() - began, usage.prompt_tokens, usage.completion_tokens
        )
