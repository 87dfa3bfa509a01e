"""The short chaos run: every case, few of each, against the real server."""

import re
import subprocess

import pytest

from tests.architecture.source import ROOT

CASES = ("kill", "disconnect", "key", "race", "delete", "exit", "inject", "slow", "overload")
SEED = "20"

pytestmark = pytest.mark.e2e


def chaos(*arguments: str, seconds: float) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "scripts/chaos"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)


@pytest.mark.timeout(1200)
def test_no_promise_is_broken_by_kills_drops_races_and_failing_disks() -> None:
    done = chaos("--short", "--seed", SEED, seconds=1190)

    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = dict(re.findall(r"^(\w+) +(held|skipped) ", done.stdout, re.MULTILINE))
    assert tuple(verdicts) == CASES
    assert [case for case, verdict in verdicts.items() if verdict == "skipped"] in ([], ["inject"])
    assert done.stdout.splitlines()[0] == f"seed {SEED}"
    assert done.stdout.splitlines()[-1] == "every promise held"


def test_a_case_that_does_not_exist_is_refused_with_the_names_of_those_that_do() -> None:
    done = chaos("flood", seconds=290)

    assert done.returncode == 2
    assert all(case in done.stderr for case in CASES)
