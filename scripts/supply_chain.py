"""What the service is built from: the SBOM of uv.lock, the licence of every package, known vulnerabilities."""

import argparse
import json
import re
import subprocess
import sys
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
RUNTIME: Final = ("--locked", "--no-dev", "--extra", "otel")  # what the Dockerfile installs
ALLOWED: Final = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "MIT",
        "MIT-0",
        "MPL-2.0",
        "PSF-2.0",
        "Unlicense",
    }
)
_WORDS: Final = {  # what packages write that give no SPDX expression
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License": "ISC",
    "MIT License": "MIT",
}
_FOREIGN: Final = re.compile(r"sys_platform == '(win32|emscripten)'")  # packages for systems the image is not
_UNREACHABLE: Final = ("dns error", "error sending request", "timed out", "connection")


def sbom(uv: str) -> dict[str, Any]:
    """The runtime packages of the lock file as CycloneDX 1.5, each with its licence where that is known."""
    done = subprocess.run(
        [uv, "export", "--quiet", "--format", "cyclonedx1.5", *RUNTIME],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    for component in document["components"]:
        if (expression := licence(component["name"])) is not None:
            component["licenses"] = [{"expression": expression}]
    return document


def licence(package: str) -> str | None:
    """An installed package's licence as an SPDX expression, or None where nothing is said or installed."""
    try:
        told = metadata.metadata(package)
    except metadata.PackageNotFoundError:
        return None
    said = {name: told.get_all(name) or [] for name in ("License-Expression", "License", "Classifier")}
    classes = [line.rpartition(" :: ")[2] for line in said["Classifier"] if line.startswith("License")]
    given = [*said["License-Expression"], *said["License"], " OR ".join(classes)][0]
    return _WORDS.get(given, given) or None


def faults(document: dict[str, Any]) -> list[str]:
    """Packages without a licence that is known and allowed."""
    found = []
    for component in document["components"]:
        markers = [entry["value"] for entry in component.get("properties", []) if entry["name"].endswith("marker")]
        if any(_FOREIGN.search(marker) for marker in markers):
            continue
        expressions = [entry["expression"] for entry in component.get("licenses", [])]
        if not expressions:
            found.append(f"{component['name']} {component['version']}: licence unknown")
        elif not allowed(expressions[0]):
            found.append(f"{component['name']} {component['version']}: licence {expressions[0]!r} is not allowed")
    return found


def allowed(expression: str) -> bool:
    """Whether a licence expression can be met with allowed licences alone: one of each OR, all of each AND."""
    return any(
        all(part.strip(" ()") in ALLOWED for part in choice.split(" AND ")) for choice in expression.split(" OR ")
    )


def audit(uv: str) -> tuple[str, str]:
    """Ask for known vulnerabilities: `clean`, `failed` or `unreachable`, and what uv says."""
    done = subprocess.run(
        [uv, "audit", "--locked", "--no-dev"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    told = (done.stdout + done.stderr).strip()
    if done.returncode == 0:
        return "clean", told
    return ("unreachable" if any(sign in told.lower() for sign in _UNREACHABLE) else "failed"), told


def main() -> int:
    """Write and tell all of it."""
    parser = argparse.ArgumentParser(prog="scripts/supply-chain", description=__doc__)
    parser.add_argument("--uv", default="uv", help=argparse.SUPPRESS)
    parser.add_argument(
        "--sbom", type=Path, default=ROOT / "artefacts/sbom.cdx.json", help="where to write the SBOM"
    )
    parser.add_argument("--audited", action="store_true", help="fail where the database cannot be reached")
    given = parser.parse_args()
    document = sbom(given.uv)
    given.sbom.parent.mkdir(parents=True, exist_ok=True)
    given.sbom.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    print(f"sbom: {len(document['components'])} packages in {given.sbom}")
    counted = Counter(entry["expression"] for part in document["components"] for entry in part.get("licenses", []))
    print("licences: " + ", ".join(f"{name} {count}" for name, count in counted.most_common()))
    wrong = faults(document)
    print("".join(f"  {fault}\n" for fault in wrong), end="")
    state, told = audit(given.uv)
    print(f"audit: {state}" if state == "clean" else f"audit: {state}\n{told}")
    return 1 if wrong or state == "failed" or (state == "unreachable" and given.audited) else 0


if __name__ == "__main__":
    sys.exit(main())
