"""What is wrong with the fields of a request: each by its place and in words for people, repeating nothing."""

from collections.abc import Sequence
from typing import Any, Final, get_args

from fastapi import Request
from pydantic import BaseModel, Field

# Where the library speaks of Python, or of itself.
_DETAILS: Final = {
    "model_attributes_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "missing": "is missing",
}
_OWN: Final = "Value error, "  # what the library puts before the words of our validators


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str = Field(description="Path to the field.", examples=["body.content"])
    detail: str = Field(description="What it takes.", examples=["is missing"])


def field_faults(request: Request, faults: Sequence[Any]) -> list[dict[str, str]]:
    """Say what the validators found, as the `errors` of a problem document."""
    return [{"field": _place(fault), "detail": _detail(request, fault)} for fault in faults]


def _place(fault: Any) -> str:
    """Path to the field at fault, without names of the client's own."""
    path = fault["loc"]
    if fault["type"] in {"extra_forbidden", "json_invalid"}:
        path = path[:-1]  # the last part is a name, or where the JSON breaks off
    elif _of_metadata(fault):
        path = path[: path.index("metadata") + 1]
    return ".".join(map(str, path))


def _detail(request: Request, fault: Any) -> str:
    if fault["type"] == "extra_forbidden":
        return f"has a field that is not known; it takes {', '.join(_known(request))}"
    if fault["type"] == "json_invalid":
        return f"from character {fault['loc'][-1]} on it is no JSON: {fault['ctx']['error']}"
    detail: str = _DETAILS.get(fault["type"], fault["msg"].removeprefix(_OWN))
    if fault["type"] == "too_long" and fault["ctx"]["field_type"] == "Value":  # what a validator of ours has seen
        detail = f"must have at most {fault['ctx']['max_length']} characters"
    if _of_metadata(fault):
        return f"a {'name' if fault['loc'][-1] == '[key]' else 'value'} in it: {detail}"
    return detail


def _of_metadata(fault: Any) -> bool:
    """Whether it is about one entry of a chat's metadata, not about all of it."""
    return "metadata" in fault["loc"][:-1]


def _known(request: Request) -> list[str]:
    """The fields of the body that the route takes, which may also take none."""
    taken = request.scope["route"].body_field.field_info.annotation
    model = next(kind for kind in (*get_args(taken), taken) if hasattr(kind, "model_fields"))
    return list(model.model_fields)
