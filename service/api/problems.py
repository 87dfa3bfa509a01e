"""Errors as RFC 9457 problem documents: one table from our errors to HTTP, and the framework's own beside it.

A problem never shows a stack, a secret or what was sent. Under /v1 the same is said in OpenAI's shape.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from service.api.compat_errors import failure_status, is_compatible, openai_error, openai_status
from service.api.faults import FieldProblem, field_faults
from service.api.methods import allowed
from service.errors import (
    AccessRefused,
    Conflict,
    InvalidInput,
    KbAgentError,
    ModelError,
    NotFound,
    Overloaded,
    ReadDeadlineExceeded,
    StorageError,
)
from service.telemetry import REQUEST_ID

MEDIA_TYPE: Final = "application/problem+json"
_CODES: Final = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}


_NOT_AGAIN: Final = {"X-Should-Retry": "false"}  # OpenAI's clients ask again by themselves
_SOON: Final = 60  # seconds that they wait for

# What may be the matter where there is more to say than that it is not there.
_MISSING: Final = {
    "chat": "There is no such chat; it may have been deleted, or belong to another key.",
    "message": "There is no such message in this chat.",
    "revision": "These lines of the revision are neither served nor kept by an answer of yours; leave the "
    "revision out to read the present one.",
    "key": "There is no key of this name or id; `kb-agent keys list` names them.",
}


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = Field(description="URI of the kind of problem.", examples=["urn:kb-agent:problem:chat_not_found"])
    title: str = Field(description="The status in words.", examples=["Not Found"])
    status: int = Field(description="HTTP status.", examples=[404])
    detail: str = Field(description="What happened and what to do.", examples=["There is no such chat."])
    instance: str = Field(description="Path of the request.", examples=["/api/chats/chat_00"])
    code: str = Field(description="Stable name of the problem.", examples=["chat_not_found"])
    request_id: str = Field(description="Id to look for in the log.", examples=["0b1c2d3e4f5a6b7c"])
    errors: list[FieldProblem] | None = Field(None, description="The fields at fault, with invalid_input.")
    message_id: str | None = Field(
        None, description="With turn_in_progress: the message to follow.", examples=["msg_00"]
    )
    did_you_mean: list[str] | None = Field(None, description="Names that exist.", examples=[["streaming/sse.md"]])


def problem(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> JSONResponse:
    """Build a problem document's response."""
    shown = {"X-Request-ID": REQUEST_ID.get(), **(headers or {})}
    if is_compatible(request.url.path):
        status = openai_status(status)
        return JSONResponse(openai_error(status, code, detail, extra or {}), status, shown)
    body = {
        "type": f"urn:kb-agent:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": quote(request.scope["path"]),
        "code": code,
        "request_id": REQUEST_ID.get(),
        **(extra or {}),
    }
    return JSONResponse(body, status, shown, MEDIA_TYPE)


def refusal(request: Request, error: AccessRefused) -> JSONResponse:
    """Build the response to somebody who may not: 401 to one nobody knows, 403 to one who lacks a scope."""
    _count_refusal(request, error.code)
    if error.scope is not None:
        return problem(request, 403, error.code, error.detail)
    challenge = 'Bearer realm="kb-agent"' + (', error="invalid_token"' if error.code != "key_required" else "")
    return problem(request, 401, error.code, error.detail, headers={"WWW-Authenticate": challenge})


def _count_refusal(request: Request, code: str) -> None:
    request.app.state.services.metrics.refusals.labels(code).inc()


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe problem responses for an operation's OpenAPI entry; `description.py` adds the model.

    With the model here the framework would build a validator for each of them, a tenth of the start.
    """
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def with_headers(**described: str) -> dict[str, Any]:
    """Describe a response's headers for an operation's OpenAPI entry: name and meaning."""
    return {"headers": {n: {"description": text, "schema": {"type": "string"}} for n, text in described.items()}}


def install(app: FastAPI) -> None:
    """Answer every error of `app` with a problem document."""
    app.add_exception_handler(KbAgentError, _ours)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(Exception, _unexpected)


async def _ours(request: Request, error: Exception) -> Response:
    answer: Response
    match error:
        case NotFound(kind=kind, suggestions=names):
            extra = {"did_you_mean": list(names)} if names else None
            detail = _MISSING.get(kind, f"There is no such {kind}.")
            answer = problem(request, 404, f"{kind}_not_found", detail, extra=extra)
        case InvalidInput(field=field, detail=detail):
            faults = {"errors": [{"field": field, "detail": detail}]} if field else None
            answer = problem(request, 422, error.code, detail, extra=faults)
        case Conflict(message_id=message_id):
            extra_id = {"message_id": message_id} if message_id else None
            answer = problem(request, 409, error.code, error.detail, extra=extra_id)
        case Overloaded(retry_after=seconds):
            _count_refusal(request, error.code)
            again = {} if seconds <= _SOON else _NOT_AGAIN
            headers = {"Retry-After": str(seconds), **again}
            answer = problem(request, 429, error.code, error.detail, headers=headers)
        case AccessRefused():
            answer = refusal(request, error)
        case ModelError(code=code, detail=detail, retryable=retryable):
            again = {} if retryable else _NOT_AGAIN
            answer = problem(request, failure_status(error), code, detail, headers=again)
        case ReadDeadlineExceeded():
            answer = problem(request, 503, "deadline_exceeded", "The query took too long; ask for less at once.")
        case StorageError():
            detail = "The database failed; nothing was changed unless a later read shows it. Try again shortly."
            answer = problem(request, 503, "storage_error", detail, headers={"Retry-After": "5"})
        case _:
            answer = await _unexpected(request, error)
    return answer


async def _validation(request: Request, error: Exception) -> Response:
    faults: Sequence[Any] = error.errors() if isinstance(error, RequestValidationError) else ()
    if any(fault["loc"] == ("body",) for fault in faults) and not _is_json(request):
        detail = "The body must be JSON, announced by the header Content-Type: application/json."
        return problem(request, 415, "unsupported_media_type", detail)
    errors = field_faults(request, faults)
    if any(fault["type"] == "json_invalid" for fault in faults):
        return problem(request, 422, "malformed_body", "The body is not valid JSON.", extra={"errors": errors})
    detail = "The request does not have the form that this operation takes; see errors."
    return problem(request, 422, "invalid_input", detail, extra={"errors": errors})


def _is_json(request: Request) -> bool:
    """Whether the body is announced as JSON; nothing needs to be announced where there is no body."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json") or request.headers.get("content-length") == "0"


async def _framework(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    detail = {
        400: "The body cannot be read: it is not UTF-8, nested too deeply, or not of the announced type.",
        404: "There is nothing at this address; /openapi.json lists what there is.",
    }.get(status, HTTPStatus(status).phrase)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:  # the framework names those of one route, an address has several
        methods = allowed(request.app, request.url.path)
        headers, detail = {"Allow": methods}, f"This address does not take that method; it takes {methods}."
    return problem(request, status, _CODES.get(status, "http_error"), detail, headers=headers)


async def _unexpected(request: Request, error: Exception) -> Response:
    del error  # the server logs it with its traceback
    return problem(request, 500, "internal_error", "The service failed; the log tells why under this request_id.")
