"""The OpenAPI document: what holds for every operation is added here, so that no route can forget it."""

from collections.abc import Container
from typing import Any, Final

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema
from starlette.routing import Mount

from service.api.compat_errors import OpenAiError, is_compatible
from service.api.deps import COOKIE
from service.api.event_schemas import REFERENCE, event_schemas
from service.api.gatekeeping import declared
from service.api.problems import MEDIA_TYPE, Problem

_JSON: Final = "application/json"
_TAGS: Final = {
    "chats": "Chats: made, listed, searched, changed, exported, deleted.",
    "messages": "Questions and their answers.",
    "events": "What happens, as server-sent events that can be resumed.",
    "knowledge base": "Search, read and list documents; see how the index stands.",
    "keys": "API keys, and the sign-in of the page.",
    "openai": "The agent as a model, for any client of OpenAI. Errors have OpenAI's shape here.",
    "operations": "Probes and metrics.",
}
_SECURITY: Final = {
    "HTTPBearer": {
        "type": "http",
        "description": "An API key, as `kb-agent keys create` prints it.",
        "scheme": "bearer",
    },
    "Session": {
        "type": "apiKey",
        "description": "What `POST /api/session` gives a browser.",
        "in": "cookie",
        "name": COOKIE,
    },
}
_ERRORS: Final = {
    400: "The request cannot be read, or its host name is not known here.",
    401: "There is no key, or one that does not count.",
    403: "The key lacks the scope, or a page of another site asks.",
    404: "What the address names does not exist, or is not yours.",
    409: "It cannot be done as things stand; `code` says why.",
    413: "The body is too large.",
    415: "The body is of a type that is not taken.",
    422: "A field is missing, wrong or out of bounds; `errors` lists the fields.",
    429: "Too many requests, questions or streams.",
    500: "The service failed; its log tells why.",
    502: "The model endpoint failed.",
    503: "The database or the model endpoint cannot be used for now.",
    504: "The answer took too long.",
}
_WAIT: Final = {
    "description": "Seconds to wait before the next try.",
    "schema": {"type": "integer", "minimum": 0},
}
_HEADERS: Final[dict[int, dict[str, dict[str, Any]]]] = {
    401: {
        "WWW-Authenticate": {"description": "How to show a key.", "required": True, "schema": {"type": "string"}}
    },
    429: {"Retry-After": {**_WAIT, "required": True}},
    503: {"Retry-After": _WAIT},
}
_REQUEST_ID: Final = {"description": "Id to look for in the log.", "required": True, "schema": {"type": "string"}}


def install(app: FastAPI) -> None:
    """Complete the OpenAPI document that `app` makes of its routes."""
    described = app.openapi
    app.openapi = lambda: _complete(described(), _closed(app))  # type: ignore[method-assign]


def _closed(app: FastAPI) -> set[tuple[str, str]]:
    """Path and method of each operation that needs a key."""
    routes = [route for route, access in declared(app) if access is not None and not isinstance(route, Mount)]
    return {(route.path_format, method.lower()) for route in routes for method in route.methods}


def _complete(document: dict[str, Any], closed: Container[tuple[str, str]]) -> dict[str, Any]:
    """Add to each operation its security and the errors that any may give; each is described once, referred to."""
    document["tags"] = [{"name": name, "description": text} for name, text in _TAGS.items()]
    document["servers"] = [{"url": "/", "description": "The service that gave this document."}]
    shared: dict[str, Any] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if (path, method) in closed:
                operation["security"] = [{name: []} for name in _SECURITY]
            errors = _errors(method, operation)
            if is_compatible(path):
                errors.discard(422)  # said as 400
            for status in errors:
                name = f"{'OpenAi' if is_compatible(path) else 'Problem'}{status}"
                shared[name] = _error(status, compatible=is_compatible(path))
                operation["responses"][str(status)] = {"$ref": f"#/components/responses/{name}"}
            operation["responses"] = dict(sorted(operation["responses"].items()))
    ours = document["components"]["schemas"] | _error_schemas()
    document["components"]["schemas"] = {**dict(sorted(ours.items())), **event_schemas()}
    document["components"]["securitySchemes"] = _SECURITY
    document["components"]["responses"] = dict(sorted(shared.items()))
    return document


def _error_schemas() -> dict[str, Any]:
    """The schemas of what errors look like."""
    _, definitions = models_json_schema(
        [(Problem, "validation"), (OpenAiError, "validation")], ref_template=REFERENCE
    )
    schemas: dict[str, Any] = definitions["$defs"]
    return schemas


def _errors(method: str, operation: dict[str, Any]) -> set[int]:
    """Take the errors off an operation that look as errors do here, and add those that any may give."""
    responses = operation["responses"]
    found = {int(status) for status, response in responses.items() if int(status) in _ERRORS and _usual(response)}
    for status in found:
        del responses[str(status)]
    found |= {400, 500} | ({413} if method != "get" else set()) | ({415} if "requestBody" in operation else set())
    return found | ({401, 403, 422, 429, 503} if "security" in operation else set())


def _usual(response: dict[str, Any]) -> bool:
    schemas = [media.get("schema", {}) for media in response.get("content", {}).values()]
    return all(schema.get("$ref", "").endswith(("/Problem", "/OpenAiError")) for schema in schemas)


def _error(status: int, *, compatible: bool) -> dict[str, Any]:
    model, media_type = (OpenAiError, _JSON) if compatible else (Problem, MEDIA_TYPE)
    content = {media_type: {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
    headers = {"X-Request-ID": _REQUEST_ID, **_HEADERS.get(status, {})}
    return {"description": _ERRORS[status], "headers": headers, "content": content}
