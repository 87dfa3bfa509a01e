"""The command line of the long conformance runs: serve, call as each kind of caller, print what differed."""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.conformance.runs import Target, check, targets

_PHASES: Final = ("examples", "coverage", "fuzzing", "stateful")
_CALLERS: Final = ("admin", "anonymous", "reader", "nobody")
_LONGEST: Final = 1800.0  # seconds of one caller


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/fuzz",
        description="Call every operation in many ways and compare with the OpenAPI document. Loopback, bounded.",
    )
    parser.add_argument("callers", nargs="*", choices=[*_CALLERS, []], metavar="caller", help=", ".join(_CALLERS))
    parser.add_argument("--seed", type=int, help="repeats the requests of an earlier run; random by default")
    parser.add_argument("--examples", type=int, default=50, help="ways to call each operation (default: 50)")
    return parser.parse_args()


def report(name: str, target: Target, seed: int, examples: int) -> bool:
    """Call as one kind of caller and print what was found; gives whether everything held."""
    began = time.monotonic()
    try:
        found = check(target, seed, _PHASES, examples, _LONGEST)
    except subprocess.TimeoutExpired:
        print(f"{name}: not done within {_LONGEST:.0f} s", flush=True)
        return False
    if not found.held:
        print(found.text)
    verdict = "held" if found.held else "differs, see above"
    took = time.monotonic() - began
    print(f"{name}: {found.operations} operations, {found.calls} calls, {took:.0f} s: {verdict}", flush=True)
    return found.held


def main() -> int:
    """Run what was asked for; exits with 1 when something differed."""
    asked = arguments()
    seed = random.randrange(2**31) if asked.seed is None else asked.seed  # noqa: S311 - nothing secret
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder, targets(Path(folder)) as found:
        held = [report(name, found[name], seed, asked.examples) for name in asked.callers or _CALLERS]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
