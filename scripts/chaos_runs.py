"""The command line of the chaos cases: choose them, run them one after another, print what they saw."""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from scripts.chaos_cases.delete import delete
from scripts.chaos_cases.disconnect import disconnect
from scripts.chaos_cases.inject import inject
from scripts.chaos_cases.key import key
from scripts.chaos_cases.kill import kill
from scripts.chaos_cases.outcome import Case, Outcome, Run
from scripts.chaos_cases.overload import overload
from scripts.chaos_cases.race import race
from scripts.chaos_cases.servers import Zygote
from scripts.chaos_cases.shutdown import shutdown
from scripts.chaos_cases.slow import slow

CASES: Final[Mapping[str, Case]] = {
    "kill": kill,
    "disconnect": disconnect,
    "key": key,
    "race": race,
    "delete": delete,
    "exit": shutdown,
    "inject": inject,
    "slow": slow,
    "overload": overload,
}
_LONGEST: Final = 1800.0  # seconds of one case


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/chaos",
        description="Break the running service on purpose and check what it promises. Loopback only, bounded.",
        epilog="; ".join(f"{name}: {(case.__doc__ or '').splitlines()[0]}" for name, case in CASES.items()),
    )
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], metavar="case", help=", ".join(CASES))
    parser.add_argument("--seed", type=int, help="repeats the choices of an earlier run; random by default")
    parser.add_argument("--short", action="store_true", help="few of everything, for the tests")
    parser.add_argument("--share", type=float, default=1.0, help="do this share of the full amounts, as 0.2")
    parser.add_argument("--keep", type=Path, help="keep data and logs in this folder")
    return parser.parse_args()


async def run_case(name: str, run: Run) -> bool:
    """Run a case and print its line; gives whether every promise held."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(_LONGEST):
            outcome = await CASES[name](run)
    except TimeoutError:
        outcome = Outcome(violations=[f"it was not done within {_LONGEST} s"])
    verdict = f"{len(outcome.violations)} broken" if outcome.violations else "held"
    verdict = "skipped" if outcome.skipped else verdict
    print(f"{name:<11} {verdict:<10} {time.monotonic() - began:6.1f} s  {told(outcome)}", flush=True)
    for complaint in outcome.violations:
        print(f"{'':<11} ! {complaint}", flush=True)
    return not outcome.violations


def told(outcome: Outcome) -> str:
    """Write a case's figures on one line."""
    return outcome.skipped or ", ".join(f"{name} {value:g}" for name, value in outcome.figures.items())


async def run_all(given: argparse.Namespace, seed: int, folder: Path, zygote: Zygote) -> list[str]:
    """Run the chosen cases; gives those that saw a promise broken."""
    broken = []
    for name in given.cases or CASES:
        place = folder / name
        place.mkdir(parents=True)
        if not await run_case(name, Run(seed, given.share, given.short, place, zygote)):
            broken.append(name)
    return broken


def main() -> None:
    """Run the chosen cases; exit 1 when a promise was broken."""
    given = arguments()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="kb-agent-chaos-") as scratch, Zygote() as zygote:
        broken = asyncio.run(run_all(given, seed, (given.keep or Path(scratch)).absolute(), zygote))
    if broken:
        sys.exit(f"broken promises: {', '.join(broken)}; repeat with --seed {seed}")
    print("every promise held")


if __name__ == "__main__":
    main()
