"""What it costs to be ready: the service with and without a model beside a plain loop over the SDK; its commands.

    scripts/bench start [--rounds N]

CPU and memory are those of the process when it says that it is ready. A round starts each of them once, so that
the ratios stand whatever else the machine does; the figures are medians of the rounds. Commands ask a server that
runs.
"""

import argparse
import contextlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from scripts.benchmarks.turn import KNOWLEDGE, Contender, program

_MODEL = "http://127.0.0.1:9/v1"  # is never asked, but its client is loaded
_COMMANDS = (("--help",), ("search", "resume a stream"), ("ask", "How do I resume a stream?"))


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one start: seconds of CPU, seconds, MB in memory."""

    cpu: float
    seconds: float
    memory: float


Start = Callable[[], AbstractContextManager[Contender]]


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench start", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args(argv).rounds
    starts: Mapping[str, Start] = {
        "plain loop": _naive,
        "built-in reader": _service,
        "with a model": partial(_service, LLM_BASE_URL=_MODEL, LLM_MODEL="none", LLM_PROBE="false"),
    }
    _each(starts)  # reads everything from the disk once
    _report([_each(starts) for _ in range(rounds)])
    with _service() as server:
        for command in _COMMANDS:
            _report_command(command, [_run(command, server) for _ in range(rounds)])
    return 0


def _each(starts: Mapping[str, Start]) -> Mapping[str, Figures]:
    figures = {}
    for name, start in starts.items():
        began = time.perf_counter()
        with start() as started:
            figures[name] = Figures(started.cpu(), time.perf_counter() - began, started.memory())
    return figures


def _report(rounds: Sequence[Mapping[str, Figures]]) -> None:
    print("ready after          CPU s       s      MB   CPU against the plain loop")
    for name in rounds[0]:
        cpu, seconds, memory = (
            statistics.median(getattr(figures[name], what) for figures in rounds)
            for what in ("cpu", "seconds", "memory")
        )
        ratio = statistics.median(figures[name].cpu / figures["plain loop"].cpu for figures in rounds)
        print(f"{name:<18} {cpu:7.2f} {seconds:7.2f} {memory:7.0f}   {ratio:.2f} x")


def _report_command(command: Sequence[str], times: Sequence[tuple[float, float]]) -> None:
    cpu, seconds = (statistics.median(some) for some in zip(*times, strict=True))
    print(f"kb-agent {command[0]:<9} {cpu:7.2f} {seconds:7.2f}")


def _run(command: Sequence[str], server: Contender) -> tuple[float, float]:
    """Run a command to its end; give seconds of CPU, and seconds."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PORT": server.base_url.rpartition(":")[2], "DATA_DIR": os.devnull}
    subprocess.run(
        [sys.executable, "-m", "service", *command],
        env=environment,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return cpu, time.perf_counter() - began


@contextlib.contextmanager
def _naive() -> Iterator[Contender]:
    with program("scripts.benchmarks.naive_loop", _MODEL, str(KNOWLEDGE)) as (base_url, pid):
        yield Contender("plain loop", base_url, pid)


@contextlib.contextmanager
def _service(**settings: str) -> Iterator[Contender]:
    """Start the service over the sample knowledge base, which it has not seen before."""
    with tempfile.TemporaryDirectory() as place:
        settings = {"KNOWLEDGE_DIR": str(KNOWLEDGE), "DATA_DIR": place, "LOG_LEVEL": "warning", **settings}
        with program("service", "serve", "--port", "0", **settings) as (base_url, pid):
            yield Contender("service", base_url, pid)
