"""Check that the modules with a coverage floor reach it: check_coverage.py coverage.json."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

FLOOR: Final = 95.0  # per cent, of statements and of branches each
MODULES: Final = (
    "service/errors.py",
    "service/chats/store.py",
    "service/kb/query.py",
    "service/agent/loop.py",
)


def shortfalls(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for every module below the floor in coverage.py's JSON `report`."""
    for module in MODULES:
        if module not in report["files"]:
            yield f"{module}: not measured"
            continue
        summary = report["files"][module]["summary"]
        statements = _percent(summary["covered_lines"], summary["num_statements"])
        branches = _percent(summary["covered_branches"], summary["num_branches"])
        if min(statements, branches) < FLOOR:
            yield f"{module}: statements {statements:.1f} %, branches {branches:.1f} %; the floor is {FLOOR:g} %"


def _percent(covered: int, total: int) -> float:
    return 100.0 * covered / total if total else 100.0


def main() -> int:
    """Print the shortfalls; the exit code says whether there are any."""
    path = Path(sys.argv[1])
    if not path.exists():
        print(f"{path}: the tests left no coverage report")
        return 1
    found = list(shortfalls(json.loads(path.read_text("utf-8"))))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
