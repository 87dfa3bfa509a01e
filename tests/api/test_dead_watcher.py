"""A watcher that dies is seen everywhere: in status, readiness, metrics and the log; and it is begun again."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from service.app import create_app, open_services
from service.settings import Settings
from service.telemetry import Metrics
from tests.kb.live import eventually

_IMPOSSIBLE = Path("no\0folder")  # no system takes such a path, and nothing expects one


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    settings, metrics = Settings(data_dir=tmp_path / "data", knowledge_dir=_IMPOSSIBLE), Metrics("1", "3")
    app = create_app(settings, metrics)
    async with open_services(settings, metrics) as services:
        app.state.services = services
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as opened:
            yield opened


async def test_a_watcher_that_dies_is_told_everywhere_and_begun_again(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    async def died_again() -> bool:
        return 'background_deaths_total{work="watcher"} 2.0' in (await client.get("/metrics")).text

    await eventually(died_again, "a second death")
    records = caplog.get_records("setup") + caplog.get_records("call")
    deaths = [record for record in records if record.getMessage() == "background work died"]
    assert deaths
    assert {vars(record)["work"] for record in deaths} == {"watcher"}
    status = (await client.get("/api/kb/status")).json()
    assert (status["watcher_mode"], status["heartbeat_age"]) == ("off", None)
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]["watcher"]) == (503, False)
    metrics = (await client.get("/metrics")).text
    assert 'kb_agent_knowledge_watcher_mode{mode="off"} 1.0' in metrics
    assert "kb_agent_knowledge_watcher_heartbeat_age_seconds +Inf" in metrics
