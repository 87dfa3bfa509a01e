"""Alerts fire on what they are about and on nothing else, and each has an entry in the runbook."""

import json
import re
import subprocess

import pytest

from tests.architecture.source import ROOT
from tests.documents import document
from tests.observability.prometheus import RULES, panels, rules

GROUPS = ["What people see", "Turns", "Model", "Knowledge", "Storage", "Process"]


def test_each_alert_fires_on_its_series_and_none_on_a_service_that_is_well(promtool: str) -> None:
    tried = [promtool, "test", "rules", "rules.test.yaml"]
    done = subprocess.run(tried, cwd=RULES.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_are_as_promtool_would_have_them(promtool: str) -> None:
    done = subprocess.run(
        [promtool, "check", "rules", "--lint=all", "--lint-fatal", str(RULES)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_alert_is_tried_and_tried_not_to_fire() -> None:
    tried = (RULES.parent / "rules.test.yaml").read_text()
    for rule in rules("alert"):
        assert tried.count(f"alertname: {rule['alert']}\n") == 2, rule["alert"]


@pytest.mark.parametrize("rule", rules("alert"), ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_what_happened_and_where_to_read_on(rule: dict[str, object]) -> None:
    assert rule["labels"] in [{"severity": severity} for severity in ("critical", "warning", "info")]
    annotations = rule["annotations"]
    assert isinstance(annotations, dict)
    assert annotations.keys() == {"summary", "description", "runbook_url"}
    assert annotations["runbook_url"] == f"docs/runbook.md#{str(rule['alert']).lower()}"


def test_the_runbook_has_an_entry_for_each_alert_and_for_nothing_else() -> None:
    text = document("docs/runbook.md").text
    entries = re.findall(r"^## (\w+)\n\n(.+?)(?=\n## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in entries] == [rule["alert"] for rule in rules("alert")]
    for name, entry in entries:
        assert all(part in entry for part in ("**Means:**", "**See:**", "**Do:**")), name


def test_the_dashboard_is_grouped_and_every_panel_has_a_place_of_its_own() -> None:
    assert [panel["title"] for panel in panels() if panel["type"] == "row"] == GROUPS
    assert len({panel["id"] for panel in panels()}) == len(panels())
    places = [tuple(panel["gridPos"].values()) for panel in panels()]
    taken = [(x + dx, y + dy) for x, y, w, h in places for dx in range(w) for dy in range(h)]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
    sources = {json.dumps(panel.get("datasource")) for panel in panels() if panel["type"] != "row"}
    assert sources == {json.dumps({"type": "prometheus", "uid": "${datasource}"})}
    assert (ROOT / "deploy/grafana/dashboard.json").stat().st_size < 100_000
