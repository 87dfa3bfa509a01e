"""The model's endpoint: whether it is reached, answers, calls tools, and how long a prompt it takes."""

import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx2

from service import __version__
from service.agent.failures import from_exception
from service.agent.probe import Capabilities, examined
from service.doctor.findings import Finding, Level
from service.errors import ModelError
from service.providers import open_model
from service.settings import Settings
from service.telemetry import Metrics

_SKEW: Final = 60.0  # seconds
_SHOWN: Final = 8  # names of models


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Ask the endpoint for its models, each configured model for two tool calls, and for the window it gives."""
    if settings.llm_base_url is None or settings.llm_model is None:
        yield Finding("model", "model", Level.OK, "the built-in reader, which answers by quoting")
        return
    base = str(settings.llm_base_url).rstrip("/")
    key = settings.llm_api_key.get_secret_value() if settings.llm_api_key else ""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx2.AsyncClient(headers=headers, timeout=settings.llm_connect_timeout + 10) as http:
        try:
            response = await http.get(f"{base}/models")
        except httpx2.HTTPError as error:
            yield _unreachable(error)
            return
        listed = _listed(response)
        for finding in _reached(response, settings.llm_base_url.host or "", listed, settings.llm_model):
            yield finding
        for name in (settings.llm_model, *settings.fallback_models):
            answering = True
            async for finding in _asked(settings, name):
                answering = answering and finding.level is not Level.BROKEN
                yield finding
            if answering:
                yield _window(name, await _told_window(http, base, name, listed), settings.llm_context_tokens)


def _unreachable(error: httpx2.HTTPError) -> Finding:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            detail = f"its certificate is not trusted: {cause.verify_message}"
            fix = "set SSL_CERT_FILE to its authority's certificate, or LLM_BASE_URL to the name it certifies"
            return Finding("model", "endpoint", Level.BROKEN, detail, fix)
        cause = cause.__cause__ or cause.__context__
    return _failed("endpoint", from_exception(error))


def _failed(check: str, error: ModelError) -> Finding:
    detail, _, fix = error.detail.rpartition("; ")
    return Finding("model", check, Level.BROKEN, detail, fix)


def _reached(
    response: httpx2.Response, host: str, listed: Sequence[Mapping[str, Any]], wanted: str
) -> list[Finding]:
    found = []
    names = [str(model["id"]) for model in listed]
    if response.status_code in {401, 403}:
        found.append(Finding("model", "endpoint", Level.BROKEN, f"{host} refused the key", "check LLM_API_KEY"))
    elif names and wanted not in names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        detail = f"{host} lists {', '.join(names[:_SHOWN])}{more}, not {wanted}"
        found.append(Finding("model", "endpoint", Level.WARNING, detail, "set LLM_MODEL to one that it lists"))
    else:
        found.append(Finding("model", "endpoint", Level.OK, f"{host} is reached"))
    skew = _skew(response.headers.get("date", ""))
    if abs(skew) > _SKEW:
        detail = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the endpoint's"
        fix = "set the clock and keep it right with NTP"
        found.append(Finding("machine", "clock", Level.WARNING, detail, fix))
    return found


async def _asked(settings: Settings, name: str) -> AsyncIterator[Finding]:
    alone: dict[str, Any] = {
        "llm_model": name,
        "llm_fallback_models": "",
        "llm_probe": False,
        "llm_max_retries": 0,
    }
    began = time.monotonic()
    try:
        async with open_model(settings.model_copy(update=alone), Metrics(__version__, "")) as (model, _):
            found = await examined(model)
    except ModelError as error:
        yield _failed(name, error)
        return
    yield Finding("model", name, Level.OK, f"answers; it took {time.monotonic() - began:.1f} s")
    yield _tools(name, found)
    if found.parallel == "no" and found.tools == "yes":
        yield Finding(
            "model", f"{name}: parallel", Level.NOTE, "makes one tool call at a time, which takes longer"
        )
    if found.usage == "no":
        detail = "does not count tokens, so that the room in its window is estimated"
        yield Finding("model", f"{name}: usage", Level.NOTE, detail)


def _tools(name: str, found: Capabilities) -> Finding:
    check = f"{name}: tools"
    match found.tools:
        case "yes":
            several = ", several at once" if found.parallel == "yes" else ""
            return Finding("model", check, Level.OK, f"calls tools{several}")
        case "no":
            fix = "choose a model that can; llama.cpp needs --jinja, vLLM --enable-auto-tool-choice and a parser"
            return Finding("model", check, Level.BROKEN, "calls no tool when it is told to", fix)
        case _:
            detail = "came to the limit of its answer before a tool call"
            return Finding("model", check, Level.WARNING, detail, "raise LLM_MAX_TOKENS")


def _window(name: str, told: int | None, set_to: int) -> Finding:
    check = f"{name}: window"
    if told is None:
        detail = f"the endpoint does not tell its size; LLM_CONTEXT_TOKENS={set_to} is taken for it"
        return Finding("model", check, Level.NOTE, detail)
    if told < set_to:
        detail = f"{told} tokens, though LLM_CONTEXT_TOKENS={set_to}: longer prompts are cut or refused"
        fix = f"set LLM_CONTEXT_TOKENS={told}, or a larger window there (OLLAMA_CONTEXT_LENGTH, llama.cpp's -c)"
        return Finding("model", check, Level.BROKEN, detail, fix)
    return Finding("model", check, Level.OK, f"{told} tokens, of which LLM_CONTEXT_TOKENS={set_to} are used")


async def _told_window(
    http: httpx2.AsyncClient, base: str, name: str, listed: Sequence[Mapping[str, Any]]
) -> int | None:
    """The window that the endpoint gives the model: as vLLM, OpenRouter, llama.cpp or Ollama tell it."""
    mine: Mapping[str, Any] = next((model for model in listed if model["id"] == name), {})
    for field in ("max_model_len", "context_length"):
        if isinstance(mine.get(field), int):
            return int(mine[field])
    root = base.removesuffix("/v1")
    match await _json(http, f"{root}/props"):
        case {"default_generation_settings": {"n_ctx": int(size)}}:
            return size
    match await _json(http, f"{root}/api/ps"):
        case {"models": list(loaded)}:
            sizes = [
                model.get("context_length") for model in loaded if model.get("name") in {name, f"{name}:latest"}
            ]
            return next((size for size in sizes if isinstance(size, int)), None)
    return None


async def _json(http: httpx2.AsyncClient, address: str) -> Any:
    try:
        response = await http.get(address)
        return response.json() if response.status_code == httpx2.codes.OK else None
    except (httpx2.HTTPError, ValueError):
        return None  # it is another kind of endpoint


def _listed(response: httpx2.Response) -> list[Mapping[str, Any]]:
    try:
        match response.json():
            case {"data": list(models)}:
                return [model for model in models if isinstance(model, dict) and "id" in model]
    except ValueError:
        pass
    return []


def _skew(date: str) -> float:
    """How far this clock is ahead of the one that wrote a Date header, in seconds; 0 where there is none."""
    try:
        return (datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds()
    except (ValueError, TypeError):
        return 0.0
