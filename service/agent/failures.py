"""Every way a model call can fail: its stable code, the sentence people read, and the translation into ModelError.

A provider's own text never enters a message: a 401 body quotes the key, a 400 body the prompt.
"""

import math
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import openai

from service.errors import ModelError


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code tells people: the problem, what to do, and whether asking again may help."""

    retryable: bool
    problem: str
    advice: str


FAILURES: Mapping[str, Meaning] = {
    "provider_unreachable": Meaning(
        True, "the model endpoint cannot be reached", "check LLM_BASE_URL and that its server runs"
    ),
    "provider_unavailable": Meaning(
        True, "the model endpoint failed again and again and is left alone", "ask again later, or look at its log"
    ),
    "provider_timeout": Meaning(
        True, "the model sent nothing in time", "ask again, or raise LLM_FIRST_BYTE_TIMEOUT"
    ),
    "stream_interrupted": Meaning(True, "the connection to the model broke before the answer's end", "ask again"),
    "stalled": Meaning(
        True, "the model fell silent before the answer's end", "ask again, or raise LLM_GAP_TIMEOUT"
    ),
    "attempt_timeout": Meaning(
        True, "the model was not done in time", "ask for less, or raise LLM_ATTEMPT_TIMEOUT"
    ),
    "provider_rate_limited": Meaning(True, "the model endpoint limits the rate of requests", "ask again later"),
    "provider_quota": Meaning(
        False, "the account behind LLM_API_KEY has no quota left", "add credit or use another key"
    ),
    "provider_auth": Meaning(False, "the model endpoint refused the key or the request", "check LLM_API_KEY"),
    "unknown_model": Meaning(
        False, "the model endpoint does not know the model or the path", "check LLM_MODEL and LLM_BASE_URL"
    ),
    "context_too_long": Meaning(
        False,
        "the conversation does not fit the model's window",
        "shorten the message or start a new chat, or check LLM_CONTEXT_TOKENS",
    ),
    "bad_request": Meaning(
        False, "the model endpoint refused the request", "check that the model can stream and call tools"
    ),
    "provider_error": Meaning(
        True, "the model endpoint failed", "ask again; if it stays, look at the endpoint's log"
    ),
    "incomplete_response": Meaning(
        True, "the model's answer ended before it was complete", "ask again; if it stays, check LLM_BASE_URL"
    ),
    "provider_protocol_error": Meaning(
        True, "the model endpoint sent what is no chat-completions stream", "check LLM_BASE_URL"
    ),
    "empty_answer": Meaning(True, "the model answered with nothing", "ask again or put it differently"),
    "refused": Meaning(False, "the provider's content filter stopped the answer", "ask in other words"),
    "answer_too_long": Meaning(
        False, "the model's answer passed the size limit and was stopped", "ask for less, or lower LLM_MAX_TOKENS"
    ),
}
"""All codes of ModelError a model client raises; also the closed label set of the metrics."""

_BY_WORD = {
    "context_length_exceeded": "context_too_long",
    "exceed_context_size_error": "context_too_long",
    "insufficient_quota": "provider_quota",
    "insufficient_credits": "provider_quota",
    "payment_required": "provider_quota",
    "billing_not_active": "provider_quota",
    "billing_hard_limit_reached": "provider_quota",
    "rate_limit_exceeded": "provider_rate_limited",
    "rate_limit_error": "provider_rate_limited",
    "model_not_found": "unknown_model",
    "not_found_error": "unknown_model",
    "invalid_api_key": "provider_auth",
    "authentication_error": "provider_auth",
    "permission_error": "provider_auth",
    "content_filter": "refused",
    "content_policy_violation": "refused",
}
# A provider's name for a fault beats the HTTP status only where the status is vaguer.
_WORDS_BEFORE_STATUS = frozenset({"context_too_long", "provider_quota", "refused"})

_BY_STATUS = {
    401: "provider_auth",
    402: "provider_quota",
    403: "provider_auth",
    404: "unknown_model",
    405: "unknown_model",
    408: "provider_error",
    409: "provider_error",
    413: "context_too_long",
    425: "provider_error",
    429: "provider_rate_limited",
}

# vLLM and older servers name an overflow in prose only.
_OVERFLOW = re.compile(r"context (?:length|size|window)|prompt is too long|too many tokens", re.IGNORECASE)

_WINDOW = re.compile(r"context (?:length|size|window)(?: is| of|:)? ?\(?(\d{3,8}) tokens", re.IGNORECASE)
_SMALLEST_WINDOW = 256

# The settings behind the request's own fields; a closed set, so that nothing of the provider's is repeated.
_FIELD_ADVICE = {
    "max_tokens": ", it named the field max_tokens: set LLM_MAX_TOKENS_FIELD or LLM_MAX_TOKENS",
    "max_completion_tokens": ", it named the field max_completion_tokens: set LLM_MAX_TOKENS_FIELD",
    "temperature": ", it named the field temperature: set LLM_TEMPERATURE, `none` leaves it out",
    "tool_choice": ", it named the field tool_choice: vLLM needs --enable-auto-tool-choice",
    "tools": ", it named the field tools: the model may not be able to call tools",
}

_REASONS: Sequence[tuple[type[BaseException], str]] = (
    (ssl.SSLError, "the TLS handshake failed"),
    (socket.gaierror, "its host name does not resolve"),
    (ConnectionRefusedError, "the connection was refused"),
    (aiohttp.ConnectionTimeoutError, "connecting took longer than LLM_CONNECT_TIMEOUT"),
    (aiohttp.ServerDisconnectedError, "it closed the connection without an answer"),
    (ConnectionResetError, "it closed the connection without an answer"),
)


def failure(code: str, note: str = "", *, retry_after: float | None = None, body: object = None) -> ModelError:
    """The error for `code`; `note` goes into the sentence and must be text of ours.

    Of `body`, the provider's error object, only numbers are taken.
    """
    known = FAILURES[code]
    return ModelError(
        code,
        f"{known.problem} ({note}); {known.advice}" if note else f"{known.problem}; {known.advice}",
        retryable=known.retryable,
        retry_after=retry_after,
        window=_window(body),
        prompt_tokens=_count(body, "n_prompt_tokens"),
    )


def from_exception(error: Exception) -> ModelError:
    """Translate what the SDK raised before the first byte of a 200 answer."""
    if isinstance(error, openai.APIStatusError):
        return _from_status(error)
    return failure("provider_unreachable", _reason(error))


def from_error_object(error: object, default: str) -> ModelError:
    """Translate the `error` of a stream's chunk or of a JSON body: by its code, else `default`.

    It is an object in OpenAI's form or just a string (seen from Ollama and from proxies).
    """
    code = error.get("code") if isinstance(error, dict) else None
    status = int(code) if isinstance(code, (int, str)) and re.fullmatch(r"[1-5]\d\d", str(code)) else None
    return failure(_classify(status, error) or default, body=error)


def _from_status(error: openai.APIStatusError) -> ModelError:
    status = error.status_code
    if status < 400:
        redirect = failure("incomplete_response", "it redirects elsewhere, which is not followed")
        return ModelError(redirect.code, redirect.detail, retryable=False)
    code = _classify(status, error.body) or "bad_request"
    note = f"HTTP {status}"
    if code == "bad_request":
        note += _field_advice(error.body)
    retry_after = retry_after_seconds(error.response.headers)
    if retry_after:
        note += f", it asks to wait {math.ceil(retry_after)} s"
    return failure(code, note, retry_after=retry_after, body=error.body)


def _classify(status: int | None, error: object) -> str | None:
    named = next((_BY_WORD[w] for w in _words(error) if w in _BY_WORD), None)
    if named in _WORDS_BEFORE_STATUS:
        return named
    if status in {400, 422} and _OVERFLOW.search(_message(error)):
        return "context_too_long"
    if status is None:
        return named
    return "provider_error" if status >= 500 else _BY_STATUS.get(status, named)


def _words(error: object) -> list[str]:
    if not isinstance(error, dict):
        return []
    metadata = error.get("metadata")
    told = metadata if isinstance(metadata, dict) else {}
    moderated = "content_filter" if told.get("reasons") else None  # OpenRouter's 403 tells it so
    words = (error.get("code"), told.get("error_type"), error.get("type"), moderated)
    return [word.lower() for word in words if isinstance(word, str)]


def _message(error: object) -> str:
    message: Any = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) else ""


def _window(error: object) -> int | None:
    """The size of the model's window in tokens: llama.cpp has a field for it, others tell it in prose."""
    told = _WINDOW.search(_message(error))
    named = _count(error, "n_ctx") or (int(told[1]) if told else 0)
    return named if named >= _SMALLEST_WINDOW else None


def _count(error: object, field: str) -> int | None:
    count = error.get(field) if isinstance(error, dict) else None
    return count if isinstance(count, int) and count > 0 else None


def _field_advice(error: object) -> str:
    field = error.get("param") if isinstance(error, dict) else None
    if isinstance(field, str) and field in _FIELD_ADVICE:
        return _FIELD_ADVICE[field]
    message = _message(error)
    return next((advice for name, advice in _FIELD_ADVICE.items() if name in message), "")


def _reason(error: BaseException) -> str:
    """What the connection failed of. The transport calls most of it ConnectTimeout: aiohttp's own class tells."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    found = (text for kind, text in _REASONS for one in chain if isinstance(one, kind))
    return next(found, "")


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Seconds asked for by `Retry-After` (a number or an HTTP date) or `retry-after-ms`; None without."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    value = headers.get("retry-after", "")
    seconds = _number(value)
    if seconds is not None:
        return max(0.0, seconds)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    # A date without a zone is in UTC (RFC 9110, 5.6.7).
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
