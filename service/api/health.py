"""Whether the process lives, whether it can take questions, and its metrics."""

import hmac
import math
import shutil
import sqlite3
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Response
from prometheus_client.exposition import choose_encoder

from service import schema
from service.access.tokens import digest
from service.api.deps import OPEN, Services, ServicesDep
from service.api.problems import documented
from service.api.schemas import Health, Readiness
from service.errors import AccessRefused, StorageError

router = APIRouter(tags=["operations"], dependencies=[OPEN])

_DEAD: Final = 120.0  # seconds without a look at the folder after which the watcher counts as dead


@router.get("/livez")
async def livez() -> Health:
    """Tell that the process answers; looks at nothing else."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Readiness, "description": "Not ready; checks tell why."}})
async def readyz(services: ServicesDep, response: Response) -> Readiness:
    """Tell whether to send requests here, with what was checked and the versions, model and index state."""
    readiness = await _readiness(services)
    response.status_code = 200 if readiness.ready else 503
    response.headers["Cache-Control"] = "no-store"
    return readiness


_TEXT: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The metrics.",
        "content": {"text/plain": {"schema": {"type": "string"}, "example": "kb_agent_turns_open 0.0\n"}},
    }
}


@router.get("/metrics", response_class=Response, responses=_TEXT | documented(401, 422, 503))
async def metrics(
    services: ServicesDep,
    accept: Annotated[str, Header(description="OpenMetrics or text.")] = "",
    authorization: Annotated[str, Header(description="`Bearer` and METRICS_TOKEN, where that is set.")] = "",
) -> Response:
    """Give the metrics in Prometheus' text format, or OpenMetrics where it is accepted."""
    _check_token(services.metrics_token, authorization)
    await _refresh(services)
    encode, content_type = choose_encoder(accept)
    return Response(encode(services.metrics.registry), headers={"Content-Type": content_type})


def _check_token(wanted: str | None, authorization: str) -> None:
    if wanted is None:
        return
    shown = authorization.partition(" ")[2].strip()
    if not hmac.compare_digest(digest(shown), digest(wanted)):
        code = "key_invalid" if shown else "key_required"
        raise AccessRefused(code, "The metrics need the token METRICS_TOKEN: send it as Authorization: Bearer …")


async def _readiness(services: Services) -> Readiness:
    status = await services.watcher.status()
    checks = {
        "database": await _writable(services),
        "first_scan": status.state != "starting",
        "watcher": status.heartbeat_age is not None and status.heartbeat_age < _DEAD,
        "accepting": not services.stopping.is_set(),
    }
    details = {
        "sqlite": sqlite3.sqlite_version,
        "model": services.runner.model_name,
        "kb_state": status.state,
        "kb_revision": status.revision,
        "documents": status.indexed,
        "watcher_mode": status.watcher_mode,
        **services.probe.details(),
    }
    return Readiness(ready=all(checks.values()), checks=checks, details=details)


async def _writable(services: Services) -> bool:
    try:
        await services.db.write(lambda tx: schema.touch(tx.execute))
    except StorageError:
        return False
    return True


async def _refresh(services: Services) -> None:
    """Set the gauges that are measured when they are asked for."""
    status = await services.watcher.status()
    gauges = services.metrics
    gauges.kb_revision.set(status.revision)
    gauges.kb_documents.labels("on_disk").set(status.files_on_disk)
    gauges.kb_documents.labels("indexed").set(status.indexed)
    gauges.kb_documents.labels("skipped").set(len(status.skipped))
    gauges.kb_index_lag.set(status.lag)
    gauges.kb_documents.labels("pending").set(status.pending)
    gauges.scan_failures(status.failures)
    gauges.watched(status.watcher_mode, status.state)
    gauges.kb_heartbeat_age.set(math.inf if status.heartbeat_age is None else status.heartbeat_age)
    gauges.turns_waiting.set(services.runner.waiting)
    gauges.quotas_exhausted.set(services.access.quotas.exhausted())
    gauges.kb_gaps_open.set(await services.gaps.count_open())
    gauges.queued_writes.set(services.db.queued_writes)
    gauges.database_bytes.set(services.db.file_bytes())
    gauges.wal_bytes.set(services.db.wal_bytes())
    gauges.free_bytes.set(shutil.disk_usage(services.db.path.parent).free)
