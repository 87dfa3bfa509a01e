"""The whole system on one page: resources opened in order, published as typed state, routers mounted."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Final

from fastapi import FastAPI
from pydantic import SecretStr

from service import __version__
from service.access.control import AccessLimits, open_access
from service.agent.admission import Admission, Capacity
from service.agent.folder_note import folder_note
from service.agent.gaps import GapWatch
from service.agent.loop import Limits
from service.agent.runner import TurnRunner, open_runner
from service.agent.tools import Toolbox
from service.agent.unstored import UnstoredTurns
from service.api import (
    addresses,
    chats,
    compat,
    description,
    events,
    export,
    gaps,
    health,
    kb,
    keys,
    mcp_route,
    messages,
    pages,
    problems,
    session,
)
from service.api.deps import Services
from service.api.gatekeeping import guard
from service.api.mcp_door import Open, open_door
from service.api.methods import Methods
from service.api.middleware import BodyLimit, HeaderLimit, HostGuard, HttpMetrics, RequestId, unobserved
from service.api.sse import Handover
from service.background import every, supervised
from service.chats.events import EventLog, EventType
from service.chats.gaps import GapStore
from service.chats.kept import KeptTexts
from service.chats.questions import QuestionStore
from service.chats.store import ChatStore
from service.chats.turns import TurnStore
from service.database import Database, Transaction, open_database
from service.errors import SettingsError
from service.housekeeping import CommitWatch, Retention, prune_records, sample_lag
from service.kb.folder import Folder
from service.kb.index import Changes, Listeners, Reconciler
from service.kb.search import KnowledgeBase
from service.kb.tidying import Tidying
from service.kb.waiting import Arrivals
from service.kb.watcher import Intervals, Watcher
from service.providers import open_model
from service.running import Running, leave_note, remove_note
from service.server import Server, check_exposure, is_loopback, listen, make_server
from service.settings import Settings, otel
from service.telemetry import Metrics

_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_HEAD_START: Final = 1.0  # seconds the start may wait for the first scan
_NAMES_TOLD: Final = 100  # names in one kb.updated event


def create_app(settings: Settings, metrics: Metrics) -> FastAPI:
    """Build the application. It answers once `app.state.services` is set."""
    app = FastAPI(
        title="kb-agent",
        summary="Answers questions about a folder of text files, with verified citations.",
        description="Ask over HTTP, follow over server-sent events; errors are problem documents (RFC 9457).",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would name the scheme and host that a proxy hides
        generate_unique_id_function=lambda route: route.name,
        telemetry={
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
            "exclude": unobserved,
        },
    )
    app.openapi_version = "3.2.0"  # FastAPI describes event streams in 3.2's terms whatever it calls them
    addresses.install()
    for part in (chats, messages, export, events, kb, gaps, keys, session, compat):
        app.include_router(part.router)
    app.include_router(health.router)
    if settings.mcp_enabled:
        app.include_router(mcp_route.router)
    pages.install(app)
    problems.install(app)
    description.install(app)
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes)
    app.add_middleware(Methods)
    app.add_middleware(Handover)
    guard(app)
    app.add_middleware(HostGuard, hosts=settings.hosts | {settings.host.lower()})
    app.add_middleware(HeaderLimit)
    app.add_middleware(HttpMetrics, metrics=metrics)
    app.add_middleware(RequestId)
    return app


@contextlib.asynccontextmanager
async def serving(settings: Settings, on_ready: Callable[[str], None]) -> AsyncIterator[Server]:
    """Open everything and serve it over HTTP until the block is left; `on_ready` hears the address.

    Raises StorageError when the data directory cannot be used, SettingsError when the address cannot be taken.
    """
    metrics = Metrics(__version__, sqlite3.sqlite_version)
    app = create_app(settings, metrics)
    async with _exporting(), open_services(settings, metrics) as services:
        app.state.services = services
        listening = listen(settings.host, settings.port)

        def announce(address: str) -> None:
            leave_note(settings.data_dir, Running(address, services.access.gate.local))
            on_ready(address)

        server = make_server(app, settings.host, on_ready=announce, on_stop=partial(_announce_stop, services))
        task = asyncio.create_task(server.serve([listening]), name="http-server")
        try:
            yield server
        finally:
            server.should_exit = True
            await task
            remove_note(settings.data_dir)


@contextlib.asynccontextmanager
async def _exporting() -> AsyncIterator[None]:
    """Export spans where the standard variables name a collector; without them nothing is even imported."""
    if not otel().traces:
        yield
        return
    try:
        from service.telemetry import otlp  # noqa: PLC0415 - an extra, and a fifth of the start-up time
    except ModuleNotFoundError as error:
        raise SettingsError(
            [f"OTEL_EXPORTER_OTLP_ENDPOINT: is set without {error.name}; install kb-agent[otel] or unset it"]
        ) from error
    async with otlp.exporting(__version__):
        yield


@contextlib.asynccontextmanager
async def open_services(settings: Settings, metrics: Metrics) -> AsyncIterator[Services]:
    """Open everything in order; close it in reverse, even when one close fails.

    Raises StorageError when the data directory cannot be used.
    """
    async with contextlib.AsyncExitStack() as stack:
        db = await stack.enter_async_context(open_database(settings.data_dir, observe=CommitWatch(metrics)))
        access = await stack.enter_async_context(open_access(db, _access_limits(settings), metrics))
        check_exposure(settings.host, allowed=access.gate.closed or settings.allow_anonymous)
        log = EventLog(db)
        base = KnowledgeBase(db, search_timeout=settings.search_timeout, observe=metrics.searched)
        gap_watch = GapWatch(GapStore(db), KnowledgeBase(db, search_timeout=settings.search_timeout))
        index = await stack.enter_async_context(_reconciler(settings, db, _listeners(log, gap_watch), metrics))
        watcher = Watcher(index, settings.kb_watch, _intervals(settings))
        model, probe = await stack.enter_async_context(open_model(settings, metrics))
        note = partial(folder_note, index)
        # The built-in reader costs nothing, so that there is nothing to be used up.
        admission = Admission(_capacity(settings), access.quotas if settings.llm_base_url else None)
        toolbox = partial(Toolbox, base, result_chars=settings.tool_result_chars, folder_note=note)
        runner = TurnRunner(TurnStore(db, log), model, toolbox, _limits(settings), metrics, admission)
        await stack.enter_async_context(open_runner(runner, settings.shutdown_grace, resume=settings.resume_turns))
        store, questions = ChatStore(db, log), QuestionStore(db, log)
        kept = Retention(timedelta(days=settings.event_retention_days), settings.event_retention_count)
        works: dict[str, Callable[[], Awaitable[None]]] = {
            "gaps": gap_watch.run,
            "watcher": watcher.run,
            "tidying": Tidying(db).run,
            "erase": partial(every, _MINUTE, store.erase),
            "prune": partial(every, _HOUR, partial(prune_records, log, questions, kept)),
            "loop-lag": partial(sample_lag, metrics),
        }
        for name, work in works.items():
            await stack.enter_async_context(supervised(name, work, metrics))
        await _first_scan(index)
        yield Services(
            db=db,
            log=log,
            store=store,
            questions=questions,
            kept=KeptTexts(db),
            gaps=GapStore(db),
            runner=runner,
            toolbox=toolbox,
            mcp=await stack.enter_async_context(open_door(partial(_load_mcp, toolbox, metrics))),
            unstored=UnstoredTurns(model, toolbox, _limits(settings), metrics, admission),
            kb=base,
            index=index,
            watcher=watcher,
            arrivals=Arrivals(index, watcher.nudge),
            probe=probe,
            metrics=metrics,
            stopping=asyncio.Event(),
            compat_models=settings.compat_model_names,
            max_message_chars=settings.max_message_chars,
            access=access,
            heartbeat=settings.sse_heartbeat,
            metrics_token=_secret(settings.metrics_token),
        )


def _access_limits(settings: Settings) -> AccessLimits:
    return AccessLimits(
        admin_key=_secret(settings.admin_key),
        limit_anonymous=not is_loopback(settings.host),
        streams=settings.max_streams,
        streams_per_caller=settings.max_streams_per_caller,
        requests_per_minute=settings.rate_limit,
        questions_per_minute=settings.rate_limit_questions,
        tokens_a_day=settings.tokens_a_day,
    )


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value is not None else None


def _load_mcp(toolbox: Callable[[], Toolbox], metrics: Metrics) -> Open:
    from service.api import mcp_server  # noqa: PLC0415 - half a second and 20 MB that only MCP clients need

    return partial(mcp_server.open_http, mcp_server.OwnShelf(toolbox, metrics))


def _intervals(settings: Settings) -> Intervals:
    return Intervals(settings.kb_scan_interval, settings.kb_poll_interval, settings.kb_hash_interval)


def _capacity(settings: Settings) -> Capacity:
    return Capacity(settings.max_running_turns, settings.max_queued_turns, settings.max_turns_per_caller)


def _limits(settings: Settings) -> Limits:
    calls, tool_calls = settings.llm_max_calls, settings.llm_max_tool_calls
    return Limits(calls, tool_calls, settings.turn_timeout, settings.llm_context_tokens)


def _reconciler(settings: Settings, db: Database, listeners: Listeners, metrics: Metrics) -> Reconciler:
    folder = Folder(settings.knowledge_dir, settings.extensions, settings.kb_max_file_bytes)
    settle = settings.kb_settle_ms / 1000
    return Reconciler(db, folder, settle=settle, listeners=listeners, observe_scan=metrics.scanned)


def _listeners(log: EventLog, gap_watch: GapWatch) -> Listeners:
    def record(tx: Transaction, changes: Changes) -> None:
        names = {"added": changes.added, "changed": changes.changed, "removed": changes.removed}
        data = {key: list(value[:_NAMES_TOLD]) for key, value in names.items()}
        log.append(tx, EventType.KB_UPDATED, {"revision": changes.revision, "documents": changes.count, **data})

    return Listeners(record=record, on_change=lambda _: gap_watch.wake())


def _announce_stop(services: Services) -> None:
    """Turn readiness off, end streams and release waiting requests. Running turns go on."""
    services.stopping.set()
    services.log.close()
    services.runner.release()
    services.arrivals.close()
    services.unstored.release()


async def _first_scan(index: Reconciler) -> None:
    """Let a small folder be indexed before the first question comes; a large one goes on meanwhile."""
    end = time.monotonic() + _HEAD_START
    while (await index.status()).state == "starting" and time.monotonic() < end:  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(0.01)
