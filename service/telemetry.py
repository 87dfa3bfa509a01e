"""The list of every metric, JSON logging, and the request's id. Label values come from closed sets only."""

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

REQUEST_ID: Final[ContextVar[str]] = ContextVar("request_id", default="")

_FAST: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_SLOW: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 180)
_TOOLS: Final = frozenset({"search_kb", "list_kb_topics", "read_kb_doc"})
_BREAKER_STATES: Final = {"closed": 0, "half_open": 1, "open": 2}
_RECORD_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}


class Metrics:
    """Every metric of the service, in a registry of its own."""

    def __init__(self, version: str, sqlite_version: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        build = Info("kb_agent_build", "Version of the service and of SQLite.", registry=self.registry)
        build.info({"version": version, "sqlite": sqlite_version})
        self._define_http()
        self._define_turns()
        self._define_knowledge()
        self._define_storage()

    def turn_ended(self, status: str, outcome: str, seconds: float, citations_dropped: int) -> None:
        """Count a turn that has ended."""
        self.turns.labels(status, outcome).inc()
        self.turn_seconds.observe(seconds)
        self.citations_dropped.inc(citations_dropped)

    def tool_called(self, tool: str, *, failed: bool, hits: int | None) -> None:
        """Count a tool call: `error` for a bad call, `empty` when it found nothing."""
        result = "error" if failed else "empty" if hits == 0 else "ok"
        self.tool_calls.labels(tool if tool in _TOOLS else "unknown", result).inc()

    def searched(self, step: str, seconds: float) -> None:
        """Count a search by the step of the ladder that matched."""
        self.searches.labels(step).inc()
        self.search_seconds.observe(seconds)

    def scanned(self, seconds: float, result: str) -> None:
        """Count a pass over the knowledge folder."""
        self.kb_scan_seconds.labels(result).observe(seconds)

    def call_started(self) -> None:
        """Count a model call that is under way."""
        self.llm_open.inc()

    def first_content(self, seconds: float) -> None:
        """Time the first content of a model call."""
        self.llm_first_content_seconds.observe(seconds)

    def call_retried(self, code: str) -> None:
        """Count a retry by the code of the attempt that failed."""
        self.llm_retries.labels(code).inc()

    def retry_refused(self, reason: str) -> None:
        """Count a retry that was left out: `budget` or `breaker`."""
        self.llm_retries_refused.labels(reason).inc()

    def breaker_moved(self, model: str, state: str) -> None:
        """Tell the state of a model's breaker."""
        self.llm_breaker_state.labels(model).set(_BREAKER_STATES[state])

    def fell_back(self, code: str) -> None:
        """Count a call that went on to the next model, by the code of the one before."""
        self.llm_fallbacks.labels(code).inc()

    def call_finished(self, result: str, seconds: float, prompt_tokens: int, completion_tokens: int) -> None:
        """Count a model call that ended: ok, cancelled, or an error's code."""
        self.llm_open.dec()
        self.llm_calls.labels(result).inc()
        self.llm_seconds.observe(seconds)
        self.llm_tokens.labels("prompt").inc(prompt_tokens)
        self.llm_tokens.labels("completion").inc(completion_tokens)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"kb_agent_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"kb_agent_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str, buckets: tuple[float, ...] = _FAST) -> Histogram:
        return Histogram(f"kb_agent_{name}", text, labels, registry=self.registry, buckets=buckets)

    def _define_http(self) -> None:
        self.http_requests = self._counter(
            "http_requests_total",
            "HTTP requests by method, route template and status.",
            "method",
            "route",
            "status",
        )
        self.http_seconds = self._histogram(
            "http_request_duration_seconds",
            "Time until the response began, by route template.",
            "route",
            buckets=_SLOW,
        )
        self.streams = self._gauge("event_streams", "Open event streams.")
        self.stream_resets = self._counter(
            "event_stream_resets_total", "Streams that had to begin with a snapshot."
        )
        self.stream_resumes = self._counter("event_stream_resumes_total", "Streams that resumed after a known id.")
        self.loop_lag_seconds = self._gauge(
            "event_loop_lag_seconds", "How late the event loop was at its last look."
        )

        self.background_deaths = self._counter(
            "background_deaths_total", "How often background work died and was begun again.", "work"
        )

    def _define_turns(self) -> None:
        self.turns = self._counter("turns_total", "Turns that ended, by status and outcome.", "status", "outcome")
        self.turns_open = self._gauge("turns_open", "Turns that run or wait.")
        self.turn_seconds = self._histogram(
            "turn_duration_seconds", "Time from start to end of a turn.", buckets=_SLOW
        )
        self.first_token_seconds = self._histogram(
            "first_token_seconds", "Time from a turn's start to the first text of its answer.", buckets=_SLOW
        )
        self.llm_calls = self._counter(
            "llm_calls_total", "Model calls that ended: ok, cancelled, or an error's code.", "result"
        )
        self.llm_seconds = self._histogram(
            "llm_call_duration_seconds", "Time of one call of the language model.", buckets=_SLOW
        )
        self.llm_open = self._gauge("llm_calls_open", "Model calls under way.")
        self.llm_first_content_seconds = self._histogram(
            "llm_first_content_seconds", "Time from a model request to its first content.", buckets=_SLOW
        )
        self.llm_retries = self._counter(
            "llm_retries_total", "Retries of model calls, by the error's code.", "code"
        )
        self.llm_retries_refused = self._counter(
            "llm_retries_refused_total", "Retries left out to spare the provider: budget or breaker.", "reason"
        )
        self.llm_breaker_state = self._gauge(
            "llm_breaker_state", "Circuit breaker of a model: 0 closed, 1 half-open, 2 open.", "model"
        )
        self.llm_fallbacks = self._counter(
            "llm_fallbacks_total", "Calls that went on to the next model, by the error's code.", "code"
        )
        self.llm_tokens = self._counter("llm_tokens_total", "Tokens, as the provider counted them.", "kind")
        self.tool_calls = self._counter("tool_calls_total", "Tool calls by tool and result.", "tool", "result")
        self.citations_dropped = self._counter(
            "citations_dropped_total", "Markers removed from answers because they named no returned passage."
        )

    def _define_knowledge(self) -> None:
        self.search_seconds = self._histogram("search_duration_seconds", "Time of one search.")
        self.searches = self._counter("searches_total", "Searches by the step of the ladder that matched.", "step")
        self.kb_revision = self._gauge("kb_revision", "Revision of the index.")
        self.kb_documents = self._gauge("kb_documents", "Files of the knowledge folder, by state.", "state")
        self.kb_scan_seconds = self._histogram(
            "kb_scan_duration_seconds", "Time of one pass over the folder.", "result", buckets=_SLOW
        )
        self.kb_heartbeat_age = self._gauge(
            "kb_watcher_heartbeat_age_seconds", "Time since the watcher last looked."
        )
        self.kb_index_lag = self._gauge(
            "kb_index_lag_seconds", "Time since the oldest change was seen that is not searchable yet."
        )
        self.kb_failures = self._gauge("kb_scan_failures", "Passes over the folder that failed since the start.")

    def _define_storage(self) -> None:
        self.commit_seconds = self._histogram("db_commit_duration_seconds", "Time of one commit, sync included.")
        self.commit_writes = self._histogram(
            "db_commit_writes", "Writes that shared one commit.", buckets=(1, 2, 4, 8, 16, 32, 64, 128)
        )
        self.queued_writes = self._gauge("db_queued_writes", "Writes that wait for a commit.")
        self.database_bytes = self._gauge("db_file_bytes", "Size of the database file.")
        self.wal_bytes = self._gauge("db_wal_bytes", "Size of the write-ahead log.")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, request id, and the record's extra fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Encode a record; a newline in a value cannot begin a new line of the log."""
        return json.dumps(_fields(record), ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """One line for people: time, level, message, then the extra fields as key=value."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as a line; values are quoted as JSON where they hold more than a word."""
        fields = _fields(record)
        trace = fields.pop("exception", None)
        time, level, logger, message = (fields.pop(key) for key in ("time", "level", "logger", "message"))
        extra = " ".join(
            f"{key}={json.dumps(value, ensure_ascii=False, default=str)}" for key, value in fields.items()
        )
        line = f"{time[11:19]} {level:<7} {logger.removeprefix('service.')}: {message} {extra}".rstrip()
        return f"{line}\n{trace}" if trace else line


def configure_logging(level: str, style: str) -> None:
    """Send the service's and uvicorn's log to standard error as `json` or `text`, from `level` up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("service").setLevel(level.upper())
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": record.getMessage().replace("\n", "\\n"),
    }
    if request_id := REQUEST_ID.get():
        fields["request_id"] = request_id
    fields.update((key, value) for key, value in vars(record).items() if key not in _RECORD_FIELDS)
    if record.exc_info and record.exc_info[0] is not None:
        fields["exception"] = "".join(traceback.format_exception(*record.exc_info))
    return fields
