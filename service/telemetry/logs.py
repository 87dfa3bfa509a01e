"""Logs: one JSON object a line, with the ids that tell whose work it was, and without any secret.

What a library's exception says may quote a question or a document, so at the default level it is left out.
"""

import json
import logging
import sys
import time
import traceback
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from service.errors import KbAgentError
from service.telemetry.identity import ids

_RECORD_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}
_MASK: Final = "[secret]"
_SHORTEST_SECRET: Final = 6  # what is shorter is a word such as `none`, and would mask half of the log
_REPEATS: Final = 10  # of one complaint a minute
_MINUTE: Final = 60.0


class Masking(logging.Formatter):
    """A formatter that masks each of `secrets`, as it is and as JSON or an address would write it."""

    def __init__(self, secrets: Collection[str] = (), *, quoting: bool = False) -> None:
        """`quoting`: let exceptions of libraries say what they say."""
        super().__init__()
        known = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]
        forms = {form for secret in known for form in (secret, _json(secret)[1:-1], quote(secret, safe=""))}
        self._secrets = sorted(forms, key=len, reverse=True)
        self._quoting = quoting

    def format(self, record: logging.LogRecord) -> str:
        """Write the record down without secrets."""
        line = self.line(_fields(record, quoting=self._quoting))
        for secret in self._secrets:
            line = line.replace(secret, _MASK)
        return line

    def line(self, fields: dict[str, Any]) -> str:
        """Write the fields of a record down."""
        raise NotImplementedError


class JsonFormatter(Masking):
    """One JSON object a line: time, level, logger, message, ids, and the record's extra fields."""

    def line(self, fields: dict[str, Any]) -> str:
        """Encode a record; a newline in a value cannot begin a new line of the log."""
        return _json(fields)


class TextFormatter(Masking):
    """One line for people: time, level, message, then the extra fields as key=value."""

    def line(self, fields: dict[str, Any]) -> str:
        """Write a record as a line; values are quoted as JSON where they hold more than a word."""
        trace = fields.pop("exception", None)
        moment, level, logger, message = (fields.pop(key) for key in ("time", "level", "logger", "message"))
        extra = " ".join(f"{key}={_json(value)}" for key, value in fields.items())
        line = f"{moment[11:19]} {level:<7} {logger.removeprefix('service.')}: {message} {extra}".rstrip()
        return f"{line}\n{trace}" if trace else line


class Flood(logging.Filter):
    """Passes the same complaint ten times a minute; the next one that passes tells how many were left out."""

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic()
        self._seen: Counter[tuple[str, object]] = Counter()
        self._missed: Counter[tuple[str, object]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged. A complaint is a template: what differs are its values."""
        if record.levelno < logging.WARNING:
            return True
        key = (record.name, record.msg if isinstance(record.msg, str) else type(record.msg))
        if time.monotonic() - self._began >= _MINUTE:
            self._began = time.monotonic()
            self._missed = self._seen - Counter(dict.fromkeys(self._seen, _REPEATS))
            self._seen.clear()
        self._seen[key] += 1
        if missed := self._missed.pop(key, 0):
            record.suppressed = missed
        return self._seen[key] <= _REPEATS


def configure_logging(level: str, style: str, secrets: Collection[str] = ()) -> None:
    """Send the service's and the libraries' log to standard error as `json` or `text`, from `level` up."""
    formatter = JsonFormatter if style == "json" else TextFormatter
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(secrets, quoting=level.lower() == "debug"))
    handler.addFilter(Flood())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("service").setLevel(level.upper())
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def _fields(record: logging.LogRecord, *, quoting: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": record.getMessage().replace("\n", "\\n"),
        **ids(),
    }
    fields.update((key, value) for key, value in vars(record).items() if key not in _RECORD_FIELDS)
    if record.exc_info and record.exc_info[1] is not None:
        fields["exception"] = "".join(_told(record.exc_info[1], quoting=quoting))
    return fields


def _told(error: BaseException, *, quoting: bool) -> Iterator[str]:
    """A traceback, oldest cause first; with what the exception says only where that quotes nobody."""
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None:
        yield from _told(earlier, quoting=quoting)
        yield "\nwhich led to:\n\n"
    yield from traceback.format_tb(error.__traceback__)
    said = str(error) if quoting or isinstance(error, KbAgentError) else ""
    if isinstance(error, OSError):
        said = error.strerror or said
    yield f"{type(error).__qualname__}: {said}\n" if said else f"{type(error).__qualname__}\n"
    for inner in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _told(inner, quoting=quoting)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
