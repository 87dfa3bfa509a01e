"""What `kubectl apply -k` would send, built offline: every overlay of k8s/, and what is wrong with it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import yaml

from scripts.delivery.rules import RULES, Object, told

ROOT: Final = Path(__file__).resolve().parents[1]
KUBERNETES: Final = "1.36"
_BUILDERS: Final = (("kubectl", "kustomize"), ("kustomize", "build"))
_CUSTOM: Final = frozenset({"ExternalSecret", "PrometheusRule", "ServiceMonitor"})  # of operators: no schema here
_SKIPPED: Final = 3


class Strict(yaml.SafeLoader):
    """YAML in which a key stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse what the plain loader would let win silently."""
        keys = [key.value for key, _ in node.value]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise yaml.constructor.ConstructorError(None, None, f"twice: {sorted(twice)}", node.start_mark)
        return super().construct_mapping(node, deep)


def builder() -> tuple[str, ...] | None:
    """The command that builds an overlay, or None where there is none that knows components."""
    for program, verb in _BUILDERS:
        if (path := shutil.which(program)) is not None:
            built = subprocess.run([path, verb, ROOT / "k8s/overlays/dev"], check=False, capture_output=True)
            if built.returncode == 0 or b"unknown field" not in built.stderr:
                return path, verb
    return None


def overlays() -> list[str]:
    """Their names."""
    return sorted(path.parent.name for path in (ROOT / "k8s/overlays").glob("*/kustomization.yaml"))


def build(command: tuple[str, ...], folder: Path) -> list[Object]:
    """Build an overlay. Raises CalledProcessError when it cannot be built."""
    made = subprocess.run([*command, folder], check=True, capture_output=True, text=True)
    return [document for document in yaml.load_all(made.stdout, Strict) if document]


def faults(objects: list[Object]) -> Iterator[str]:
    """Everything that is wrong with an overlay."""
    for thing in objects:
        if thing["kind"] not in _CUSTOM:
            yield from _schema(thing)
    for rule in RULES:
        yield from rule(objects)


def _schema(thing: Object) -> Iterator[str]:
    try:
        kubernetes_validate.validate(thing, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        place = ".".join(str(part) for part in error.absolute_path)
        yield f"{told(thing)}: {place}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError as error:
        yield f"{told(thing)}: {error.message}"


def unnamed() -> Iterator[str]:
    """Files that no kustomization names, which are never applied."""
    for folder in sorted({file.parent for file in (ROOT / "k8s").rglob("kustomization.yaml")}):
        named = (folder / "kustomization.yaml").read_text("utf-8")
        for file in sorted(folder.rglob("*")):
            if file.is_file() and file.name != "kustomization.yaml" and str(file.relative_to(folder)) not in named:
                yield f"{file.relative_to(ROOT)}: no kustomization names it"


def main() -> int:
    """Check every overlay; print a line for each and for each fault."""
    command = builder()
    if command is None:
        print("skipped: needs kubectl 1.27 or newer, or kustomize 5, to build the overlays, and found neither")
        return _SKIPPED
    found = list(unnamed())
    print("\n".join(found), end="\n" if found else "")
    for name in overlays():
        try:
            objects = build(command, ROOT / "k8s/overlays" / name)
        except subprocess.CalledProcessError as error:
            faulty = [f"cannot be built: {error.stderr.strip()}"]
            objects = []
        else:
            faulty = list(faults(objects))
        print(f"{name}: {len(objects)} objects, {len(faulty)} faults")
        print("".join(f"  {fault}\n" for fault in faulty), end="")
        found += faulty
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
