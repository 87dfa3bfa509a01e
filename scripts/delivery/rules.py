"""What Kubernetes' schemas cannot see: whether the objects of an overlay fit each other and the service."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from service import __version__
from service.settings import Settings

Object = dict[str, Any]
Rule = Callable[[list[Object]], Iterator[str]]

_OURS: Final = "registry.example.com/kb-agent"
_EXIT: Final = 5.0  # seconds the exit takes beyond what running turns get
_REFERENCES: Final = (  # where a pod names another object
    ("configMapRef", "ConfigMap", "name"),
    ("configMapKeyRef", "ConfigMap", "name"),
    ("secretRef", "Secret", "name"),
    ("secretKeyRef", "Secret", "name"),
    ("configMap", "ConfigMap", "name"),
    ("secret", "Secret", "secretName"),
    ("persistentVolumeClaim", "PersistentVolumeClaim", "claimName"),
)


def told(thing: Object) -> str:
    """An object's kind and name."""
    return f"{thing['kind']}/{thing['metadata']['name']}"


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    """The objects of these kinds."""
    return [thing for thing in objects if thing["kind"] in kinds]


def pods(objects: list[Object]) -> Iterator[tuple[Object, Object]]:
    """Everything that makes pods, each with its template."""
    for thing in objects:
        spec = thing.get("spec") or {}
        if "jobTemplate" in spec:
            yield thing, spec["jobTemplate"]["spec"]["template"]
        elif "template" in spec and "spec" in spec["template"]:
            yield thing, spec["template"]


def containers(pod: Object) -> list[Object]:
    """All containers of a template, those that start first included."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def server(objects: list[Object]) -> tuple[Object, Object, Object]:
    """The service's StatefulSet, its template and its container."""
    found = next(thing for thing in of_kind(objects, "StatefulSet") if thing["metadata"]["name"] == "kb-agent")
    pod = found["spec"]["template"]
    return found, pod, next(c for c in pod["spec"]["containers"] if c["name"] == "kb-agent")


def environment(objects: list[Object]) -> Mapping[str, str]:
    """The settings that the service's container is given in plain text."""
    container = server(objects)[2]
    maps = {thing["metadata"]["name"]: thing.get("data") or {} for thing in of_kind(objects, "ConfigMap")}
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= maps.get(source.get("configMapRef", {}).get("name"), {})
    return found | {entry["name"]: entry["value"] for entry in container.get("env", []) if "value" in entry}


def settings_are_the_services(objects: list[Object]) -> Iterator[str]:
    """Every variable is one of the service, with a value that it takes."""
    given = environment(objects)
    names = {*given, *(entry["name"] for entry in server(objects)[2].get("env", []))}
    known = {name.upper() for name in Settings.model_fields}
    values: dict[str, Any] = {name.lower(): value for name, value in given.items() if name in known}
    yield from (
        f"{name} is no setting" for name in sorted(names) if name not in known and not name.startswith("OTEL_")
    )
    try:
        Settings(_env_file=None, **values)
    except ValidationError as error:
        yield from (f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors())


def one_process_owns_the_volume(objects: list[Object]) -> Iterator[str]:
    """One replica of a kind that never runs two, on a claim that one node can write."""
    found, pod, container = server(objects)
    if found["spec"].get("replicas") != 1:
        yield f"{told(found)}: {found['spec'].get('replicas')} replicas; SQLite has one writer"
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    claim: Object = next(
        (v for v in pod["spec"]["volumes"] if v["name"] == mounts.get("/data", {}).get("name")), {}
    )
    if "persistentVolumeClaim" not in claim:
        yield f"{told(found)}: /data is no claim, so the chats go with the pod"
    for volume in of_kind(objects, "PersistentVolumeClaim"):
        if volume["spec"]["accessModes"] != ["ReadWriteOnce"]:
            yield f"{told(volume)}: {volume['spec']['accessModes']}; the backup needs ReadWriteOnce"


def probes_ask_three_questions(objects: list[Object]) -> Iterator[str]:
    """Started, ready and alive are different questions; liveness looks at nothing that a restart cannot mend."""
    found, _, container = server(objects)
    asked = [
        str({k: v for k, v in container.get(f"{name}Probe", {}).items() if k in {"httpGet", "tcpSocket"}})
        for name in ("startup", "readiness", "liveness")
    ]
    if len(set(asked)) != 3 or "{}" in asked:
        yield f"{told(found)}: the probes ask {', '.join(asked)}"
    for name, path in (("readiness", "/readyz"), ("liveness", "/livez")):
        if container.get(f"{name}Probe", {}).get("httpGet", {}).get("path") != path:
            yield f"{told(found)}: {name} does not ask {path}"


def the_exit_has_its_time(objects: list[Object]) -> Iterator[str]:
    """The grace period covers preStop, what running turns get, and the exit itself."""
    found, pod, container = server(objects)
    wait = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    needed = (
        wait
        + float(environment(objects).get("SHUTDOWN_GRACE", Settings.model_fields["shutdown_grace"].default))
        + _EXIT
    )
    if (grace := pod["spec"].get("terminationGracePeriodSeconds", 30)) < needed:
        yield f"{told(found)}: {grace} s of grace, {needed:g} s are needed"


def pods_are_restricted(objects: list[Object]) -> Iterator[str]:
    """Pod Security `restricted`, a read-only root, a numeric user, no token, limits of memory."""
    for thing, pod in pods(objects):
        shared, where = pod["spec"].get("securityContext", {}), told(thing)
        if pod["spec"].get("automountServiceAccountToken") is not False:
            yield f"{where}: mounts a token of the cluster"
        if not (shared.get("runAsNonRoot") and shared.get("runAsUser") and shared.get("seccompProfile")):
            yield f"{where}: needs runAsNonRoot, a numeric runAsUser and a seccompProfile"
        for container in containers(pod):
            own = container.get("securityContext", {})
            if (
                own.get("allowPrivilegeEscalation") is not False
                or own.get("readOnlyRootFilesystem") is not True
                or own.get("capabilities") != {"drop": ["ALL"]}
            ):
                yield f"{where}: {container['name']} is not restricted"
            resources = container.get("resources", {})
            if "memory" not in resources.get("limits", {}) or {"cpu", "memory"} - set(
                resources.get("requests", {})
            ):
                yield f"{where}: {container['name']} lacks requests or a limit of memory"


def references_lead_somewhere(objects: list[Object]) -> Iterator[str]:
    """Maps, secrets and claims that pods name exist; a secret may come from an ExternalSecret."""
    present = {(thing["kind"], thing["metadata"]["name"]) for thing in objects}
    present |= {("Secret", thing["spec"]["target"]["name"]) for thing in of_kind(objects, "ExternalSecret")}
    for thing, pod in pods(objects):
        for part in _walk(pod):
            for field, kind, key in _REFERENCES:
                named = part.get(field)
                if not isinstance(named, dict) or key not in named or named.get("optional"):
                    continue
                if (kind, named[key]) not in present:
                    yield f"{told(thing)}: there is no {kind} {named[key]}"


def _walk(part: Any) -> Iterator[Object]:
    if isinstance(part, dict):
        yield part
    for child in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _walk(child)


def selectors_meet_their_pods(objects: list[Object]) -> Iterator[str]:
    """Services, budgets and policies select a pod that has the port they name; a monitor selects one service."""
    found, pod, container = server(objects)
    ports = {
        name
        for c in containers(pod)
        for port in c.get("ports", [])
        for name in (port["name"], port["containerPort"])
    }
    labels = [template["metadata"]["labels"] for _, template in pods(objects)]
    for thing in of_kind(objects, "Service", "PodDisruptionBudget", "NetworkPolicy"):
        spec = thing["spec"]
        selector = spec.get("podSelector") or spec["selector"]
        wanted = selector.get("matchLabels", selector)
        if not any(wanted.items() <= own.items() for own in labels):
            yield f"{told(thing)}: selects no pod"
        if thing["kind"] == "Service":
            yield from (
                f"{told(thing)}: no port {p['targetPort']}" for p in spec["ports"] if p["targetPort"] not in ports
            )
    for monitor in of_kind(objects, "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"]
        hits = [s for s in of_kind(objects, "Service") if wanted.items() <= s["metadata"]["labels"].items()]
        if len(hits) != 1:
            yield f"{told(monitor)}: selects {len(hits)} services, so the pod is scraped {len(hits)} times"
    if found["spec"]["selector"]["matchLabels"].items() - pod["metadata"]["labels"].items():
        yield f"{told(found)}: does not select its own pod"
    if container["ports"][0]["containerPort"] != Settings.model_fields["port"].default:
        yield f"{told(found)}: the service listens on another port"


def a_node_can_be_drained(objects: list[Object]) -> Iterator[str]:
    """The budget lets the only pod go."""
    for budget in of_kind(objects, "PodDisruptionBudget"):
        if budget["spec"].get("maxUnavailable") != 1:
            yield f"{told(budget)}: keeps the only pod, and with it the node"


def images_are_fixed(objects: list[Object]) -> Iterator[str]:
    """Every image has a tag that is not `latest`; ours has the version of the service."""
    for thing, pod in pods(objects):
        for container in containers(pod):
            name, _, tag = container["image"].partition(":")
            if not tag or tag == "latest" or (name == _OURS and tag != __version__):
                yield f"{told(thing)}: {container['image']}"


def outsiders_reach_the_service_by_tls(objects: list[Object]) -> Iterator[str]:
    """Every host of an Ingress has a certificate, is allowed by the service, and streams unbuffered."""
    allowed = environment(objects).get("ALLOWED_HOSTS", "").split(",")
    for ingress in of_kind(objects, "Ingress"):
        secured = {host for tls in ingress["spec"].get("tls", []) for host in tls["hosts"]}
        for rule in ingress["spec"]["rules"]:
            if rule["host"] not in secured or rule["host"] not in allowed:
                yield f"{told(ingress)}: {rule['host']} lacks a certificate or a place in ALLOWED_HOSTS"
        if ingress["metadata"]["annotations"].get("nginx.ingress.kubernetes.io/proxy-buffering") != "off":
            yield f"{told(ingress)}: buffers streams"
        if environment(objects).get("ALLOW_ANONYMOUS", "").lower() == "true":
            yield f"{told(ingress)}: opens a service without keys to everybody"


def somebody_may_ask(objects: list[Object]) -> Iterator[str]:
    """There is a key from the start, or anonymous callers are let in on purpose; the scraper has its token."""
    kept = {
        (s["spec"]["target"]["name"], e["secretKey"])
        for s in of_kind(objects, "ExternalSecret")
        for e in s["spec"]["data"]
    }
    asked = {e["name"]: e["valueFrom"]["secretKeyRef"] for e in server(objects)[2]["env"] if "valueFrom" in e}
    given = {name for name, reference in asked.items() if (reference["name"], reference["key"]) in kept}
    if "ADMIN_KEY" not in given and environment(objects).get("ALLOW_ANONYMOUS", "").lower() != "true":
        yield "without ADMIN_KEY or ALLOW_ANONYMOUS the service does not start"
    for monitor in of_kind(objects, "ServiceMonitor"):
        for endpoint in monitor["spec"]["endpoints"]:
            shown = endpoint.get("authorization", {}).get("credentials", {})
            if ("METRICS_TOKEN" in given) != ((shown.get("name"), shown.get("key")) in kept):
                yield f"{told(monitor)}: does not show the token that METRICS_TOKEN asks for"


def secrets_hold_no_value(objects: list[Object]) -> Iterator[str]:
    """What is committed names secrets and holds none."""
    for secret in of_kind(objects, "Secret"):
        if any((secret.get("stringData") or {}).values()) or any((secret.get("data") or {}).values()):
            yield f"{told(secret)}: holds a value"


def the_backup_reads_the_database(objects: list[Object]) -> Iterator[str]:
    """The backup mounts the service's volume read-only, on the service's node, and copies to another."""
    found, pod, _ = server(objects)
    for job in of_kind(objects, "CronJob"):
        template = job["spec"]["jobTemplate"]["spec"]["template"]
        (container,) = template["spec"]["containers"]
        mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
        if not mounts["/data"].get("readOnly"):
            yield f"{told(job)}: can write to the database"
        command, target, *_ = container["args"]
        if command != "backup" or mounts.get(target, {}).get("name") in {None, mounts["/data"]["name"]}:
            yield f"{told(job)}: {command} {target} copies to no volume of its own"
        (term,) = template["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        if term["labelSelector"]["matchLabels"].items() - pod["metadata"]["labels"].items():
            yield f"{told(job)}: does not follow {told(found)} to its node"


RULES: Final[tuple[Rule, ...]] = (
    settings_are_the_services,
    one_process_owns_the_volume,
    probes_ask_three_questions,
    the_exit_has_its_time,
    pods_are_restricted,
    references_lead_somewhere,
    selectors_meet_their_pods,
    a_node_can_be_drained,
    images_are_fixed,
    outsiders_reach_the_service_by_tls,
    somebody_may_ask,
    secrets_hold_no_value,
    the_backup_reads_the_database,
)
