"""Addresses that end in a name, as those of documents do: anything may stand in it."""

from starlette.convertors import PathConvertor, register_url_convertor


class _AnyName(PathConvertor):
    regex = "(?s:.*)"


def install() -> None:
    """Let `:path` take line breaks, before which that of Starlette ends. Goes before the routes are included."""
    register_url_convertor("path", _AnyName())
