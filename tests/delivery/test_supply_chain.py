"""What the service is built from: each runtime package is listed with a licence we may use, actions are pinned."""

import re
import tomllib
from typing import Any

import pytest
import yaml

from scripts import supply_chain
from tests.architecture.source import ROOT

UV = next((str(path) for path in (ROOT / ".tools/bin/uv",) if path.exists()), "uv")
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


@pytest.fixture(scope="module")
def sbom() -> dict[str, Any]:
    return supply_chain.sbom(UV)


def test_the_sbom_lists_what_the_service_needs_in_the_locked_version(sbom: dict[str, Any]) -> None:
    listed = {part["name"]: part for part in sbom["components"]}
    locked = {
        (package["name"], package["version"])
        for package in tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))["package"]
    }
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]

    assert {re.split(r"[\[>]", line)[0] for line in needed} <= set(listed)
    assert {(part["name"], part["version"]) for part in sbom["components"]} <= locked
    assert all(part["purl"].startswith("pkg:pypi/") for part in sbom["components"])
    assert not {"pytest", "ruff", "mypy", "schemathesis"} & set(listed)


def test_every_runtime_package_has_a_licence_that_we_may_use(sbom: dict[str, Any]) -> None:
    assert supply_chain.faults(sbom) == []


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only", False),
        ("MIT AND AGPL-3.0-or-later", False),
    ],
)
def test_a_licence_expression_is_met_by_allowed_licences_alone(expression: str, fits: bool) -> None:
    assert supply_chain.allowed(expression) is fits


def test_a_package_without_a_licence_is_a_fault() -> None:
    assert supply_chain.faults({"components": [{"name": "x", "version": "1"}]}) == ["x 1: licence unknown"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_pins_its_actions_and_may_only_read(path: Any) -> None:
    text = path.read_text("utf-8")
    workflow = yaml.safe_load(text)

    assert workflow["permissions"] == {"contents": "read"}
    used = re.findall(r"uses: (\S+)( # v\S+)?$", text, re.MULTILINE)
    assert used
    assert [
        action for action, version in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) or not version
    ] == []
    assert not any("permissions" in job for job in workflow["jobs"].values())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_calls_scripts_that_exist(path: Any) -> None:
    called = re.findall(r"run: (\S+)", path.read_text("utf-8"))

    assert {"scripts/test", "scripts/check-image", "scripts/check-k8s", "scripts/supply-chain"} <= set(called)
    assert [script for script in called if "/" in script and not (ROOT / script).exists()] == []
