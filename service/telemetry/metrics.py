"""The list of every metric. Label values come from closed sets only.

The series of those that count what goes well or wrong exist from the start; others begin with what they are about,
such as a route.
"""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from service.telemetry.identity import exemplar

_FAST: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_SLOW: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 180)

# The parts that these belong to stand below this one; tests compare.
TOOLS: Final = ("search_kb", "list_kb_topics", "read_kb_doc")
LADDER: Final = ("identifier", "terms", "near", "none")
ENDINGS: Final = (
    *(("completed", how) for how in ("grounded", "partial", "not_in_kb", "conversational", "limit")),
    *(("failed", how) for how in ("error", "limit")),
    ("cancelled", "stopped"),
)
REFUSALS: Final = (
    *("key_required", "key_invalid", "key_expired", "key_revoked", "scope_missing"),
    *("rate_limited", "overloaded", "quota_exhausted"),
)
WATCHER_MODES: Final = ("events", "poll", "scan", "off")
INDEX_STATES: Final = ("starting", "ready", "missing", "unreadable", "rebuilding", "failed")
_BREAKER_STATES: Final = {"closed": 0, "half_open": 1, "open": 2}


class Metrics:
    """Every metric of the service, in a registry of its own."""

    def __init__(self, version: str, sqlite_version: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        build = Info("kb_agent_build", "Version of the service and of SQLite.", registry=self.registry)
        build.info({"version": version, "sqlite": sqlite_version})
        self._failures_seen = 0
        self._define_http()
        self._define_turns()
        self._define_knowledge()
        self._define_storage()
        self._begin()

    def expect_calls(self, codes: Iterable[str]) -> None:
        """Begin the series of failed model calls; `codes` are the errors that one can end with."""
        for code in codes:
            self.llm_calls.labels(code)
            self.turn_failures.labels(code)

    def request_ended(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request whose response began; `route` is a template, never a path."""
        self.http_requests.labels(method, route, str(status)).inc(exemplar=exemplar() if status >= 500 else None)
        self.http_seconds.labels(route).observe(seconds)

    def turn_ended(self, status: str, outcome: str, seconds: float, dropped: int, code: str | None) -> None:
        """Count a turn that has ended, with the citations dropped and the `code` of its failure."""
        where = exemplar()
        self.turns.labels(status, outcome).inc(exemplar=where)
        self.turn_seconds.observe(seconds, where)
        self.citations_dropped.inc(dropped)
        if code is not None:
            self.turn_failures.labels(code).inc(exemplar=where)

    def tool_called(self, tool: str, *, failed: bool, hits: int | None) -> None:
        """Count a tool call: `error` for a bad call, `empty` when it found nothing."""
        result = "error" if failed else "empty" if hits == 0 else "ok"
        self.tool_calls.labels(tool if tool in TOOLS else "unknown", result).inc()

    def searched(self, step: str, seconds: float) -> None:
        """Count a search by the step of the ladder that matched."""
        self.searches.labels(step).inc()
        self.search_seconds.observe(seconds)

    def scanned(self, seconds: float, result: str) -> None:
        """Count a pass over the knowledge folder."""
        self.kb_scan_seconds.labels(result).observe(seconds)

    def scan_failures(self, total: int) -> None:
        """Count up to the passes over the folder that failed since the start."""
        self.kb_failures.inc(total - self._failures_seen)
        self._failures_seen = total

    def watched(self, mode: str, state: str) -> None:
        """Tell how the folder is watched and how the index stands: 1 for that, 0 for the others."""
        for known in WATCHER_MODES:
            self.kb_watcher_mode.labels(known).set(known == mode)
        for known in INDEX_STATES:
            self.kb_state.labels(known).set(known == state)

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
        self.llm_calls.labels(result).inc(exemplar=None if result == "ok" else exemplar())
        self.llm_seconds.observe(seconds)
        self.llm_tokens.labels("prompt").inc(prompt_tokens)
        self.llm_tokens.labels("completion").inc(completion_tokens)

    def _begin(self) -> None:
        """Begin the series of closed sets at 0: a rate needs a value before the first event."""
        for counter, values in (
            (self.refusals, REFUSALS),
            (self.quota_tokens, ("reported", "estimated")),
            (self.llm_calls, ("ok", "cancelled")),
            (self.llm_retries_refused, ("budget", "breaker")),
            (self.llm_tokens, ("prompt", "completion")),
            (self.searches, LADDER),
            (self.ratings, ("up", "down")),
        ):
            for value in values:
                counter.labels(value)
        for status, outcome in ENDINGS:
            self.turns.labels(status, outcome)
        for tool in (*TOOLS, "unknown"):
            for result in ("ok", "empty", "error"):
                self.tool_calls.labels(tool, result)

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
        self.refusals = self._counter(
            "access_refused_total",
            "Requests refused for who made them or how many they were, by the problem's code.",
            "code",
        )
        self.quota_tokens = self._counter(
            "quota_tokens_total",
            "Tokens counted against quotas, as the provider reported them or estimated where it did not.",
            "counted",
        )
        self.quotas_exhausted = self._gauge("quotas_exhausted", "Callers who have used their tokens of the day.")
        self.streams = self._gauge("event_streams", "Open event streams.")
        self.stream_resets = self._counter(
            "event_stream_resets_total", "Streams that had to begin with a snapshot."
        )
        self.stream_resumes = self._counter(
            "event_stream_resumes_total", "Streams opened with an id to resume after."
        )
        self.loop_lag_seconds = self._histogram(
            "event_loop_lag_seconds",
            "How late the event loop came to what was due, looked at twice a second.",
        )

        self.background_deaths = self._counter(
            "background_deaths_total", "How often background work died and was begun again.", "work"
        )

    def _define_turns(self) -> None:
        self.turns = self._counter("turns_total", "Turns that ended, by status and outcome.", "status", "outcome")
        self.turns_open = self._gauge("turns_open", "Turns that run or wait.")
        self.turns_waiting = self._gauge("turns_waiting", "Turns that wait for others to end.")
        self.turn_failures = self._counter("turn_failures_total", "Failed turns by the error's code.", "code")
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
        self.ratings = self._counter("ratings_total", "Ratings that people gave to answers.", "rating")
        self.citations_dropped = self._counter(
            "citations_dropped_total", "Markers removed from answers because they named no returned passage."
        )

    def _define_knowledge(self) -> None:
        self.search_seconds = self._histogram("search_duration_seconds", "Time of one search.")
        self.searches = self._counter("searches_total", "Searches by the step of the ladder that matched.", "step")
        self.kb_revision = self._gauge("knowledge_revision", "Revision of the index.")
        self.kb_documents = self._gauge("knowledge_documents", "Files of the knowledge folder, by state.", "state")
        self.kb_scan_seconds = self._histogram(
            "knowledge_scan_duration_seconds", "Time of one pass over the folder.", "result", buckets=_SLOW
        )
        self.kb_heartbeat_age = self._gauge(
            "knowledge_watcher_heartbeat_age_seconds",
            "Time since the watcher looked; +Inf while it does not run.",
        )
        self.kb_index_lag = self._gauge(
            "knowledge_index_lag_seconds", "Time since the oldest change was seen that is not searchable yet."
        )
        self.kb_failures = self._counter("knowledge_scan_failures_total", "Passes over the folder that failed.")
        self.kb_state = self._gauge("knowledge_state", "How the index stands: 1 for its state, else 0.", "state")
        self.kb_watcher_mode = self._gauge(
            "knowledge_watcher_mode", "How changes are noticed: 1 for that mode, else 0.", "mode"
        )
        self.kb_gaps_open = self._gauge("knowledge_gaps_open", "Groups of questions still without an answer.")

    def _define_storage(self) -> None:
        self.commit_seconds = self._histogram("db_commit_duration_seconds", "Time of one commit, sync included.")
        self.commit_writes = self._histogram(
            "db_commit_writes", "Writes that shared one commit.", buckets=(1, 2, 4, 8, 16, 32, 64, 128)
        )
        self.commits_refused = self._counter("db_commits_refused_total", "Commits that the database refused.")
        self.queued_writes = self._gauge("db_queued_writes", "Writes that wait for a commit.")
        self.database_bytes = self._gauge("db_file_bytes", "Size of the database file.")
        self.wal_bytes = self._gauge("db_wal_bytes", "Size of the write-ahead log.")
        self.free_bytes = self._gauge("db_free_bytes", "Space left on the file system of the data directory.")
