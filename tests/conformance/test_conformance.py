"""The service does what its OpenAPI document says, for every kind of caller; scripts/fuzz looks longer."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scripts.generated_docs import METHODS, openapi
from tests.conformance.runs import Report, check, targets

OPERATIONS = sum(method in METHODS for operations in openapi()["paths"].values() for method in operations)
SHORT = {
    "admin": (("examples", "fuzzing", "stateful"), 2),
    "anonymous": (("examples", "fuzzing"), 1),
    "reader": (("fuzzing",), 1),
    "nobody": (("fuzzing",), 1),
}


@pytest.mark.timeout(1200)
def test_every_operation_does_what_the_document_says_for_every_caller(tmp_path: Path) -> None:
    with targets(tmp_path) as callers, ThreadPoolExecutor(2) as pool:

        def run(caller: str) -> Report:
            phases, examples = SHORT[caller]
            return check(callers[caller], None, phases, examples, 1100)

        reports = dict(zip(callers, pool.map(run, callers), strict=True))

    for caller, report in reports.items():
        assert report.held, f"as {caller}:\n{report.text}"
        assert report.operations == OPERATIONS, f"as {caller}:\n{report.text}"
