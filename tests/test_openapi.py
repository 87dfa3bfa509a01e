"""The OpenAPI document is valid and complete: descriptions everywhere, examples that fit their schemas."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_schema_validator import validate as validate_value
from openapi_spec_validator import OpenAPIV32SpecValidator

from scripts.generated_docs import METHODS, openapi
from service.api.event_schemas import EVENT_DATA
from service.chats.events import EventType
from tests.architecture.source import ROOT

DOCUMENT = json.loads((ROOT / "docs/openapi.json").read_text("utf-8"))
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
    if method in METHODS
}


def bodies(operation: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What an operation takes and gives: where, media type, media type object."""
    for kind, media in operation.get("requestBody", {}).get("content", {}).items():
        yield "body", kind, media
    for status, response in responses(operation):
        for kind, media in response.get("content", {}).items():
            yield status, kind, media


def responses(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Status and response of an operation, also of those that are described once for all."""
    for status, response in operation["responses"].items():
        shared = DOCUMENT["components"]["responses"].get(response.get("$ref", "").rpartition("/")[2])
        yield status, shared or response


def example_of(schema: dict[str, Any]) -> Any:
    """Put an example together from those of a schema and its parts. Raises LookupError where there is none."""
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        return example_of(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return example_of(next(part for part in schema["anyOf"] if part.get("type") != "null"))
    if "properties" in schema:
        return {name: example_of(part) for name, part in schema["properties"].items()}
    if schema.get("type") == "array":
        return [example_of(schema["items"])]
    raise LookupError(f"no example in {schema}")


def test_the_committed_document_is_the_services() -> None:
    assert openapi() == DOCUMENT


def test_schemas_have_names_of_their_own() -> None:
    assert not [name for name in SCHEMAS if "__" in name], "two classes share a name"


def test_the_document_passes_the_validator() -> None:
    assert list(OpenAPIV32SpecValidator(DOCUMENT).iter_errors()) == []


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_an_operation_says_what_it_does_and_takes(operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]
    for parameter in operation.get("parameters", ()):
        assert parameter.get("description"), parameter["name"]
    assert all(response["description"] for _, response in responses(operation))


def test_what_a_reply_tells_in_its_headers_is_described() -> None:
    told = {
        (name, status, header)
        for name, operation in OPERATIONS.items()
        for status, response in responses(operation)
        for header in response.get("headers", ())
    }
    document, asked = "GET /api/kb/documents/{name}", "POST /api/chats/{chat_id}/messages"
    assert {("POST /api/chats", "201", "Location"), (asked, "201", "Location"), (asked, "202", "Location")} <= told
    assert {(asked, "429", "Retry-After"), (asked, "401", "WWW-Authenticate")} <= told
    assert {(asked, "404", "X-Request-ID"), (document, "200", "ETag"), (document, "304", "ETag")} <= told


def parts(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(part)


def test_every_array_says_what_its_items_are() -> None:
    arrays = [part for part in parts(DOCUMENT) if part.get("type") == "array" or "prefixItems" in part]
    assert len(arrays) > 20
    assert [array for array in arrays if "items" not in array] == []


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_body_and_reply_has_an_example_that_fits(operation: dict[str, Any]) -> None:
    described = [media for _, _, media in bodies(operation)]
    assert described
    for media in described:
        if "itemSchema" in media:
            validate_stream(media)
            continue
        example = media["example"] if "example" in media else example_of(media["schema"])
        validate_value(example, {**media["schema"], "components": DOCUMENT["components"]})


def validate_stream(media: dict[str, Any]) -> None:
    """Check the events of a stream's example, and what they carry."""
    blocks = [block.splitlines() for block in media["example"].split("\n\n") if block]
    for event in [dict(line.split(": ", 1) for line in block) for block in blocks]:
        validate_value(event, {**media["itemSchema"], "components": DOCUMENT["components"]})
        if "id" in event:
            schema = event_schema(event["event"])["properties"]["data"]["contentSchema"]
            validate_value(json.loads(event["data"]), {**schema, "components": DOCUMENT["components"]})


def event_schema(kind: str) -> dict[str, Any]:
    """The schema of one kind of event."""
    named = (SCHEMAS[part["$ref"].rpartition("/")[2]] for part in SCHEMAS["Event"]["oneOf"])
    found: dict[str, Any] = next(schema for schema in named if schema["properties"]["event"]["const"] == kind)
    return found


def test_every_event_is_described_with_what_it_carries() -> None:
    assert set(EVENT_DATA) == set(EventType)
    for kind in EventType:
        data = event_schema(kind)["properties"]["data"]["contentSchema"]
        validate_value(example_of(data), {**data, "components": DOCUMENT["components"]})


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_error_is_a_problem_document_or_under_v1_as_openai_has_it(operation: dict[str, Any]) -> None:
    media_type, model = "application/problem+json", "Problem"
    if operation["tags"] == ["openai"]:
        media_type, model = "application/json", "OpenAiError"
    for status, response in responses(operation):
        if status[0] in "45" and operation["operationId"] != "readyz":
            assert response["content"][media_type]["schema"] == {"$ref": f"#/components/schemas/{model}"}


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_field_has_a_description(name: str) -> None:
    schema = SCHEMAS[name]
    assert schema.get("description"), name
    for field, part in schema.get("properties", {}).items():
        assert described(part), f"{name}.{field}"


def described(part: dict[str, Any]) -> bool:
    """Whether a field says what it is, itself or in the form it takes."""
    referred = SCHEMAS[part["$ref"].rpartition("/")[2]] if "$ref" in part else {}
    forms = part.get("anyOf", ())
    return bool(part.get("description") or referred.get("description")) or any(described(form) for form in forms)
