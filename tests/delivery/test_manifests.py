"""The Kubernetes manifests: every overlay builds and fits the service, and each rule finds its breach."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from scripts.delivery import rules
from scripts.delivery.rules import Object, Rule, of_kind, server
from scripts.manifests import ROOT, build, builder, faults, overlays, unnamed

_BUILDER = builder()
pytestmark = pytest.mark.skipif(_BUILDER is None, reason="needs kubectl 1.27 or newer, or kustomize 5")


@pytest.fixture(scope="module")
def built() -> dict[str, list[Object]]:
    assert _BUILDER is not None
    return {name: build(_BUILDER, ROOT / "k8s/overlays" / name) for name in overlays()}


def test_every_overlay_fits_the_schemas_and_the_service(built: dict[str, list[Object]]) -> None:
    assert {"dev", "production"} <= set(built)
    assert {name: list(faults(objects)) for name, objects in built.items()} == {name: [] for name in built}


def test_kubernetes_gets_the_rules_that_prometheus_gets(built: dict[str, list[Object]]) -> None:
    rules_file = yaml.safe_load((ROOT / "deploy/prometheus/rules.yaml").read_text("utf-8"))

    assert spec(built["production"], "PrometheusRule") == rules_file


def test_every_file_is_applied() -> None:
    assert list(unnamed()) == []


def container(objects: list[Object]) -> Any:
    return server(objects)[2]


def backup(objects: list[Object]) -> Any:
    return spec(objects, "CronJob")["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]


def settings(objects: list[Object]) -> Any:
    return next(thing for thing in of_kind(objects, "ConfigMap") if "ALLOWED_HOSTS" in thing["data"])["data"]


def spec(objects: list[Object], kind: str) -> Any:
    return of_kind(objects, kind)[0]["spec"]


BREACHES: list[tuple[Rule, Callable[[list[Object]], Any]]] = [
    (rules.settings_are_the_services, lambda all_: settings(all_).update(LLM_MODLE="x")),
    (rules.settings_are_the_services, lambda all_: settings(all_).update(LLM_CONTEXT_TOKENS="many")),
    (rules.one_process_owns_the_volume, lambda all_: server(all_)[0]["spec"].update(replicas=2)),
    (rules.one_process_owns_the_volume, lambda all_: server(all_)[1]["spec"].update(volumes=[])),
    (
        rules.probes_ask_three_questions,
        lambda all_: container(all_)["livenessProbe"]["httpGet"].update(path="/readyz"),
    ),
    (rules.probes_ask_three_questions, lambda all_: container(all_).pop("startupProbe")),
    (rules.the_exit_has_its_time, lambda all_: server(all_)[1]["spec"].update(terminationGracePeriodSeconds=25)),
    (rules.the_exit_has_its_time, lambda all_: settings(all_).update(SHUTDOWN_GRACE="60")),
    (rules.pods_are_restricted, lambda all_: container(all_)["securityContext"].pop("capabilities")),
    (rules.pods_are_restricted, lambda all_: container(all_)["resources"].pop("limits")),
    (rules.references_lead_somewhere, lambda all_: container(all_)["envFrom"][0]["configMapRef"].update(name="x")),
    (rules.selectors_meet_their_pods, lambda all_: spec(all_, "Service")["selector"].update(x="y")),
    (
        rules.selectors_meet_their_pods,
        lambda all_: spec(all_, "NetworkPolicy")["podSelector"]["matchLabels"].update(x="y"),
    ),
    (
        rules.selectors_meet_their_pods,
        lambda all_: spec(all_, "ServiceMonitor")["selector"]["matchLabels"].pop("app.kubernetes.io/component"),
    ),
    (rules.selectors_meet_their_pods, lambda all_: spec(all_, "Service")["ports"][0].update(targetPort="web")),
    (rules.a_node_can_be_drained, lambda all_: spec(all_, "PodDisruptionBudget").update(maxUnavailable=0)),
    (rules.images_are_fixed, lambda all_: container(all_).update(image="registry.example.com/kb-agent:latest")),
    (rules.images_are_fixed, lambda all_: container(all_).update(image="registry.example.com/kb-agent:0.0.9")),
    (rules.outsiders_reach_the_service_by_tls, lambda all_: spec(all_, "Ingress").pop("tls")),
    (rules.outsiders_reach_the_service_by_tls, lambda all_: settings(all_).update(ALLOW_ANONYMOUS="true")),
    (rules.outsiders_reach_the_service_by_tls, lambda all_: settings(all_).update(ALLOWED_HOSTS="localhost")),
    (rules.somebody_may_ask, lambda all_: spec(all_, "ExternalSecret").update(data=[])),
    (rules.somebody_may_ask, lambda all_: spec(all_, "ServiceMonitor")["endpoints"][0].pop("authorization")),
    (
        rules.secrets_hold_no_value,
        lambda all_: all_.append({"kind": "Secret", "metadata": {"name": "x"}, "stringData": {"key": "sk-1"}}),
    ),
    (rules.the_backup_reads_the_database, lambda all_: backup(all_)["volumeMounts"][0].update(readOnly=False)),
    (rules.the_backup_reads_the_database, lambda all_: backup(all_).update(args=["backup", "/data"])),
    (rules.the_backup_reads_the_database, lambda all_: backup(all_).update(args=["index", "/backups"])),
]


@pytest.mark.parametrize(("rule", "breach"), BREACHES)
def test_a_rule_finds_its_breach(
    built: dict[str, list[Object]], rule: Rule, breach: Callable[[list[Object]], Any]
) -> None:
    objects = copy.deepcopy(built["production"])
    assert list(rule(objects)) == []

    breach(objects)

    assert list(rule(objects)) != []


def test_every_rule_has_a_breach_here() -> None:
    assert {rule for rule, _ in BREACHES} == set(rules.RULES)


def test_a_misspelt_field_is_found(built: dict[str, list[Object]]) -> None:
    objects = copy.deepcopy(built["production"])
    container(objects)["readinessProb"] = {}

    assert any("readinessProb" in fault for fault in faults(objects))
