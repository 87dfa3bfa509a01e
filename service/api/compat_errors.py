"""Errors in OpenAI's shape, for the addresses under /v1: its clients read no problem documents."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, Field

from service.agent.endings import NOT_STORED
from service.errors import KbAgentError, ModelError

PREFIX: Final = "/v1"
_FAILURES: Final = {
    "refused": 400,
    "context_too_long": 400,
    "interrupted": 503,
    "provider_rate_limited": 503,
    "turn_timeout": 504,
}


class OpenAiErrorBody(BaseModel):
    """What went wrong."""

    message: str = Field(description="What happened and what to do.", examples=["There is no such model."])
    type: str = Field(
        description="`invalid_request_error`, `authentication_error`, `permission_error`, `rate_limit_error` or "
        "`server_error`.",
        examples=["invalid_request_error"],
    )
    param: str | None = Field(description="The field at fault.", examples=["model"])
    code: str = Field(description="Stable name of the problem.", examples=["model_not_found"])


class OpenAiError(BaseModel):
    """An error as OpenAI's clients read it."""

    error: OpenAiErrorBody = Field(description="The error.")


def is_compatible(path: str) -> bool:
    """Whether the address is one of those that OpenAI's clients call."""
    return path.startswith(f"{PREFIX}/")


def openai_status(status: int) -> int:
    """The status that OpenAI's clients expect: malformed input is a bad request."""
    return 400 if status == HTTPStatus.UNPROCESSABLE_ENTITY else status


def openai_error(status: int, code: str, detail: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Say a problem in OpenAI's shape; `extra` are the members that its problem document would have."""
    faults: Sequence[Mapping[str, str]] = extra.get("errors", ())
    names: Sequence[str] = extra.get("did_you_mean", ())
    message = detail
    if code in {"invalid_input", "malformed_body"} and faults:
        message = "; ".join(f"{_param(fault['field']) or 'the body'}: {fault['detail']}" for fault in faults)
    if names:
        message += f" There is {', '.join(map(repr, names))}."
    return {
        "error": {
            "message": message,
            "type": _type(status),
            "param": _param(faults[0]["field"]) if faults else None,
            "code": code,
        }
    }


def documented_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe error responses for an operation's OpenAPI entry; `description.py` adds the model."""
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/OpenAiError"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def _type(status: int) -> str:
    named = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    return named.get(
        status, "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    )


def _param(field: str) -> str | None:
    """`body.messages.0.content` as clients write it: messages[0].content."""
    parts = field.split(".")[1:]
    return "".join(f"[{part}]" if part.isdecimal() else f".{part}" for part in parts).lstrip(".") or None


def failure_error(error: KbAgentError) -> dict[str, Any]:
    """Say in OpenAI's shape why an answer that is being streamed has no end."""
    if isinstance(error, ModelError):
        return openai_error(failure_status(error), error.code, error.detail, {})
    return openai_error(503, NOT_STORED.code, NOT_STORED.detail, {})


def failure_status(error: ModelError) -> int:
    """The status of an answer that could not be had: what the client can mend is its own mistake."""
    return _FAILURES.get(error.code, 502)
