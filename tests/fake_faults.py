"""Every way in which a model server fails, by name."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from tests.fake_wire import (
    ANSWER,
    ARGUMENTS,
    SSE,
    Script,
    Wire,
    call_delta,
    calls,
    chunk,
    content,
    raw,
    refusal,
    stream,
    texts,
    usage_chunk,
    whole,
)

ECHOED_KEY = "sk-canary-4711-abcdefghijkl"
DRIP_SECONDS = 0.02
FLOOD_BYTES = 50_000_000


def _rate_limited(**headers: str) -> Script:
    limit = {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}
    return refusal(429, limit, {name.replace("_", "-"): value for name, value in headers.items()})


def _until_gone(body: Callable[[Wire], Awaitable[None]]) -> Script:
    """Repeats `body`; the server cancels it when the client leaves."""

    async def run(wire: Wire) -> None:
        while True:
            await body(wire)
            await asyncio.sleep(DRIP_SECONDS)

    return run


FAULTS: dict[str, Script] = {
    "429": _rate_limited(),
    "429-after-1": _rate_limited(retry_after="1"),
    "429-after-20": _rate_limited(retry_after="20"),
    "429-after-120": _rate_limited(retry_after="120"),
    "429-after-ms": _rate_limited(retry_after_ms="40", retry_after="100"),
    "429-quota": refusal(429, {"message": "You exceeded your quota", "code": "insufficient_quota"}),
    "402": refusal(402, {"message": "Insufficient credits", "code": 402}),
    "500": refusal(500, {"message": "The server had an error", "type": "server_error"}),
    "502-html": raw(b"<html>Bad Gateway</html>", status=502, content_type="text/html"),
    "503-loading": refusal(503, {"message": "Loading model", "type": "unavailable_error", "code": 503}),
    "529": refusal(529, {"message": "Overloaded", "type": "overloaded_error"}),
    "401-echo": refusal(401, {"message": f"Incorrect API key provided: {ECHOED_KEY}", "code": ECHOED_KEY}),
    "403": refusal(403, {"message": "Key limit exceeded", "code": 403}),
    "403-moderated": refusal(403, {"message": "flagged", "code": 403, "metadata": {"reasons": ["violence"]}}),
    "400-filter": refusal(400, {"message": "The response was filtered", "code": "content_filter", "status": 400}),
    "error-filter": stream({"error": {"message": "x", "code": "content_filter"}}),
    "405": refusal(405, {"message": "Method Not Allowed"}),
    "404-model": refusal(404, {"message": "The model does not exist", "code": "model_not_found"}),
    "400": refusal(400, {"message": "bad", "param": "temperature", "type": "invalid_request_error"}),
    "400-tool-choice": refusal(400, {"message": '"auto" tool_choice requires --enable-auto-tool-choice'}),
    "400-context-llamacpp": refusal(
        400, {"code": 400, "message": "request (6010 tokens)", "type": "exceed_context_size_error", "n_ctx": 2048}
    ),
    "400-context-openai": refusal(400, {"message": "too long", "code": "context_length_exceeded"}),
    "400-context-openrouter": refusal(
        400, {"code": 400, "message": "e", "metadata": {"error_type": "context_length_exceeded"}}
    ),
    "400-context-vllm": refusal(
        400, {"message": "This model's maximum context length is 4096 tokens.", "type": "BadRequestError"}
    ),
    "close-without-finish": stream(*texts(), done=False),
    "done-without-finish": stream(*texts()),
    "zero-bytes": raw(),
    "html-200": raw(b"<html>Log in to the network</html>", content_type="text/html; charset=utf-8"),
    "html-200-as-sse": raw(b"<html>\n\nLog in\n\n</html>"),
    "json-200": raw(json.dumps({"detail": "Not Found"}).encode(), content_type="application/json"),
    "json-error-200": refusal(200, {"message": "upstream failed"}),
    "json-error-200-coded": refusal(200, {"message": "slow down", "code": 429}),
    "json-cut-200": raw(b'{"choices": [{"message": {"con', content_type="application/json"),
    "empty-choices": stream(usage_chunk(), usage_chunk()),
    "error-at-0": stream({"error": {"message": "overloaded", "code": 503}}),
    "error-at-1": stream(chunk({"role": "assistant"}), {"error": {"code": "rate_limit_exceeded"}}),
    "error-at-n": stream(*texts(), {"error": {"message": "x", "code": 502, "metadata": {"provider_code": 1}}}),
    "error-string": stream({"error": "the model runner has unexpectedly stopped"}),
    "error-context": stream({"error": {"message": "x", "metadata": {"error_type": "context_length_exceeded"}}}),
    "error-finish": stream(chunk({"content": ""}, "error")),
    "bad-json": stream(chunk({"role": "assistant"}), '{"choices": [{"delta": {"content": "x"', chunk({}, "stop")),
    "bad-json-late": stream(*texts(), "{nonsense"),
    "json-list": stream("[1, 2]"),
    "length-text": stream(*texts(), chunk({}, "length"), usage_chunk()),
    "length-args": calls(call_delta(0, "a", "search_kb", '{"query": "ss'), finish="length"),
    "length-written": content("<tool_call>", '{"name": "sea', finish="length"),
    "filter-0": stream(chunk({}, "content_filter"), usage_chunk()),
    "filter-n": stream(*texts(), chunk({}, "content_filter"), usage_chunk()),
    "empty": stream(chunk({"role": "assistant", "content": ""}), chunk({}, "stop"), usage_chunk()),
    "whitespace": content("\n", " \n\t"),
    "only-thinking": content("<think>", "hm, hm"),
    "text-call-broken": content("<tool_call>", "{name: search}", "</tool_call>"),
    "nameless-call": calls(call_delta(0, "a", "", ARGUMENTS)),
}


def _named(name: str) -> Callable[[Script], Script]:
    def keep(script: Script) -> Script:
        FAULTS[name] = script
        return script

    return keep


@_named("429-after-date")
async def _after_date(wire: Wire) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=90)
    await wire.json(429, {"error": {}}, {"retry-after": format_datetime(moment, usegmt=True)})


@_named("302")
async def _redirect(wire: Wire) -> None:
    await wire.head(302, "text/plain", headers={"location": "/v1/elsewhere"})
    await wire.end()


@_named("hang")
async def _hang(wire: Wire) -> None:
    await asyncio.Event().wait()


@_named("hang-after-head")
async def _hang_after_head(wire: Wire) -> None:
    await wire.head()
    await asyncio.Event().wait()


@_named("hang-in-error")
async def _hang_in_error(wire: Wire) -> None:
    await wire.head(500, "application/json")
    await wire.send(b'{"error": ')
    await asyncio.Event().wait()


@_named("cut-before-head")
async def _cut_before_head(wire: Wire) -> None:
    wire.cut()


@_named("cut-before-text")
async def _cut_before_text(wire: Wire) -> None:
    await wire.event(chunk({"role": "assistant", "content": ""}))
    wire.cut()


@_named("cut-after-text")
async def _cut_after_text(wire: Wire) -> None:
    await wire.events(*texts())
    await wire.cut_later()


@_named("cut-after-finish")
async def _cut_after_finish(wire: Wire) -> None:
    await wire.events(*texts(), chunk({}, "stop"))
    await wire.cut_later()


@_named("stall-after-text")
async def _stall(wire: Wire) -> None:
    await wire.events(*texts())
    await asyncio.Event().wait()


@_named("stall-in-call")
async def _stall_in_call(wire: Wire) -> None:
    await wire.event(chunk(call_delta(0, "a", "search_kb", '{"query"')))
    await asyncio.Event().wait()


@_named("stall-after-finish")
async def _stall_after_finish(wire: Wire) -> None:
    await wire.events(*texts(), chunk({}, "stop"), usage_chunk())
    await asyncio.Event().wait()


@_named("stall-after-done")
async def _stall_after_done(wire: Wire) -> None:
    await wire.events(*whole(ANSWER), "[DONE]")
    await asyncio.Event().wait()


@_named("comments-after-text")
async def _comments_after_text(wire: Wire) -> None:
    await wire.events(*texts())
    await FAULTS["drip-comments"](wire)


FAULTS["drip-comments"] = _until_gone(lambda wire: wire.send(b": ping\n\n"))
FAULTS["drip-empty"] = _until_gone(lambda wire: wire.event(chunk({"role": "assistant", "content": ""})))
FAULTS["drip-text"] = _until_gone(lambda wire: wire.event(chunk({"content": "word "})))


def _flood(payload: bytes, start: bytes = b"", *, status: int = 200, kind: str = SSE) -> Script:
    async def run(wire: Wire) -> None:
        await wire.head(status, kind)
        if start:
            await wire.send(start)
        for _ in range(FLOOD_BYTES // len(payload)):
            await wire.send(payload)
        await wire.end()

    return run


def _line(delta: object) -> bytes:
    return f"data: {json.dumps(chunk(delta))}\n\n".encode()


FAULTS |= {
    "flood-text": _flood(_line({"content": "word " * 800})),
    "flood-thinking": _flood(_line({"reasoning": "word " * 2000})),
    "flood-arguments": _flood(_line(call_delta(0, "a", "search_kb", "x" * 1000))),
    "flood-calls": _flood(b"".join(_line(call_delta(None, f"c{n}", "search_kb", "{}")) for n in range(300))),
    "flood-line": _flood(b"x" * 60_000, start=b"data: "),
    "flood-multi-line": _flood(b"data: " + b"x" * 60_000 + b"\n"),
    "flood-json": _flood(b" " * 60_000, start=b"{", kind="application/json"),
    "flood-error": _flood(b"x" * 60_000, start=b'{"error": "', status=500),
    "flood-held": _flood(_line({"content": '{"name": "' + "x" * 1000})),
}
