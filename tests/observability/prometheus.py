"""The real Prometheus over a running service, and what the files under deploy/ ask of it."""

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx2
import yaml

from tests.architecture.source import ROOT
from tests.server import eventually, free_port

RULES: Final = ROOT / "deploy/prometheus/rules.yaml"
DASHBOARD: Final = ROOT / "deploy/grafana/dashboard.json"
_NAME: Final = re.compile(r"\b((?:kb_agent|process)[_:][a-z0-9_:]+)\b")
_CONFIG: Final = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: kb-agent
    static_configs: [{{targets: ["{target}"]}}]
"""


class Prometheus:
    """A Prometheus that scrapes; ask it with PromQL."""

    def __init__(self, base_url: str) -> None:
        self._client = httpx2.Client(base_url=base_url, timeout=60.0)

    def ready(self) -> bool:
        with contextlib.suppress(httpx2.TransportError):
            return self._client.get("/-/ready").status_code == 200
        return False

    def query(self, expression: str) -> dict[str, Any]:
        """What comes of an expression: its `status`, and the `error` or the `data`."""
        answer: dict[str, Any] = self._client.get("/api/v1/query", params={"query": expression}).json()
        return answer

    def value(self, expression: str) -> float:
        """The value of an expression that gives one series; -1 while it gives none."""
        found = self.query(expression)["data"]["result"]
        return float(found[0]["value"][1]) if found else -1.0

    def exemplars(self, expression: str) -> list[Mapping[str, str]]:
        """The labels of the exemplars of a series."""
        parameters = {"query": expression, "start": "0", "end": "4102444800"}
        answer = self._client.get("/api/v1/query_exemplars", params=parameters).json()
        return [exemplar["labels"] for series in answer["data"] for exemplar in series["exemplars"]]

    def rules(self) -> list[dict[str, Any]]:
        """Every rule it has loaded, with its health."""
        groups = self._client.get("/api/v1/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def close(self) -> None:
        self._client.close()


@contextlib.contextmanager
def scraping(program: str, target: str, folder: Path) -> Iterator[Prometheus]:
    """Start Prometheus on a free port over the service at `target`."""
    config = folder / "prometheus.yaml"
    config.write_text(_CONFIG.format(rules=RULES, target=target.removeprefix("http://")))
    address = f"127.0.0.1:{free_port()}"
    command = [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'series'}"]
    options = [f"--web.listen-address={address}", "--enable-feature=exemplar-storage", "--log.level=warn"]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen([*command, *options], stdout=log, stderr=log)
    prometheus = Prometheus(f"http://{address}")
    try:
        eventually(prometheus.ready, what="Prometheus")
        yield prometheus
    finally:
        prometheus.close()
        process.terminate()
        process.wait(60)


def rules(kind: str) -> list[dict[str, Any]]:
    """The rules of a kind, `alert` or `record`."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def panels() -> list[dict[str, Any]]:
    """The panels of the dashboard, rows included."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def dashboard_expressions() -> list[str]:
    """Every expression of the dashboard, with values where it has variables."""
    dashboard = json.loads(DASHBOARD.read_text())
    shown = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    marked = [mark["expr"] for mark in dashboard["annotations"]["list"]]
    return [text.replace("$__rate_interval", "5m").replace("$job", ".*") for text in (*shown, *marked)]


def names(expressions: Sequence[str]) -> set[str]:
    """The metrics that expressions speak of, without what a histogram adds."""
    found = {name for text in expressions for name in _NAME.findall(text)}
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}
