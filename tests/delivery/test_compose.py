"""compose.yaml as a text: hardened, on this machine only, in step with the service."""

import re
from typing import Any

import pytest
import yaml

from service import __version__
from service.settings import Settings
from tests.architecture.source import ROOT

SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
PROFILES = {
    "kb-agent": [],
    "ollama": ["ollama"],
    "ollama-model": ["ollama"],
    "prometheus": ["monitoring"],
    "grafana": ["monitoring"],
}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_hardened_and_limited(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["healthcheck"]
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_published_on_this_machine_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_has_a_fixed_tag(name: str) -> None:
    tag = SERVICES[name]["image"].partition(":")[2]

    assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag)
    assert name != "kb-agent" or tag == __version__


@pytest.mark.parametrize("name", SERVICES)
def test_a_file_of_the_project_that_is_mounted_exists(name: str) -> None:
    mounts = [mount for mount in SERVICES[name].get("volumes", []) if isinstance(mount, str)]
    sources = [mount.partition(":")[0] for mount in mounts if mount.startswith("./")]

    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_the_service_alone_runs_without_a_profile_and_the_rest_only_in_theirs() -> None:
    assert {name: service.get("profiles", []) for name, service in SERVICES.items()} == PROFILES


def test_the_service_waits_for_a_model_that_is_pulled_only_in_that_profile() -> None:
    (needed,) = SERVICES["kb-agent"]["depends_on"].items()

    assert needed == ("ollama-model", {"condition": "service_completed_successfully", "required": False})
    assert SERVICES["ollama-model"]["depends_on"] == {"ollama": {"condition": "service_healthy"}}


def test_the_service_gets_settings_that_exist_and_time_to_exit() -> None:
    service = SERVICES["kb-agent"]
    grace = float(service["stop_grace_period"].removesuffix("s"))

    assert {name.lower() for name in service["environment"]} <= set(Settings.model_fields)
    assert grace >= Settings.model_fields["shutdown_grace"].default + 5
