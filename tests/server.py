"""The real server as a process: started, asked, killed and started again over the same folders."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

PATIENCE = 60.0  # seconds until a wait is given up: far more than anything takes, on a slow and busy machine too


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event."""

    id: str
    type: str
    data: dict[str, Any]


class Server:
    """`kb-agent serve` on a free port, over `folder`/knowledge and `folder`/data."""

    def __init__(
        self, folder: Path, settings: Mapping[str, str] | None = None, within: Sequence[str] = ()
    ) -> None:
        """`within` is a command that runs the one after it, in surroundings of its own making."""
        self.knowledge = folder / "knowledge"
        self.data = folder / "data"
        self.log = folder / "server.log"
        self._cwd = folder
        self._settings = dict(settings or {})
        self._within = within
        self._process: subprocess.Popen[str] | None = None
        self.base_url = ""

    def start(self) -> Self:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("LLM_", "KB_"))}
        environment |= {"KNOWLEDGE_DIR": str(self.knowledge), "DATA_DIR": str(self.data), "LOG_FORMAT": "json"}
        environment |= {"PORT": "0", "LLM_PROBE": "false"}  # scripted models count their requests
        environment |= self._settings
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [
                    *self._within,
                    sys.executable,
                    "-m",
                    "service",
                    "serve",
                    "--port",
                    self._settings.get("PORT", "0"),
                ],
                env=environment,
                cwd=self._cwd,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if "ready: " not in line:
            self._process.wait(PATIENCE)
            self._process.stdout.close()
            self._process = None
            raise RuntimeError(f"the server did not start: {line}{self.log.read_text()[-2000:]}")
        self.base_url = line.split("ready: ")[1].strip()
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the process with a signal; give its exit status."""
        if self._process is None:
            return 0
        self._process.send_signal(number)
        status = self._process.wait(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        return status

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def client(self, timeout: float = PATIENCE) -> httpx2.Client:
        return httpx2.Client(base_url=self.base_url, timeout=timeout)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.stop(signal.SIGKILL if kind else signal.SIGTERM)


def free_port() -> int:
    """A port that nobody has, for who must have the same one again: the system gives it to no one of its own."""
    given = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(given.read_text().split()[0]) if given.exists() else 49_152
    while True:
        port = random.SystemRandom().randrange(first // 2, first)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def eventually(met: Callable[[], bool], seconds: float = PATIENCE, what: str = "the condition") -> None:
    """Wait until `met`, failing after so many seconds."""
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, f"{what} did not come true within {seconds} s"
        time.sleep(0.01)


@contextlib.contextmanager
def events(
    client: httpx2.Client, method: str, path: str, headers: Mapping[str, str] | None = None, **arguments: Any
) -> Iterator[Iterator[Event]]:
    """Open an event stream; iterate over its events."""
    given = {"Accept": "text/event-stream", **(headers or {})}
    with client.stream(method, path, headers=given, **arguments) as response:
        if response.status_code != 200:
            response.read()
            raise AssertionError(f"{response.status_code}: {response.text}")
        yield parsed(response.iter_lines())


def parsed(lines: Iterator[str]) -> Iterator[Event]:
    """Read events off the lines of a stream; comments are passed over."""
    fields: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield Event(fields.get("id", ""), fields["event"], json.loads(fields["data"]))
            fields = {}
