"""The real server over a folder of its own, started by fork, and the documents it answers from."""

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import httpx2

ROOT: Final = Path(__file__).resolve().parents[2]
DATABASE: Final = "kb-agent.db"
_DOCUMENTS: Final = {
    "ports.md": "# Ports\n\nThe lighthouse service listens on port 8123.\n",
    "logs.md": "# Logs\n\nLogs of the lighthouse are kept for ninety days.\n",
}


class Zygote:
    """The process that forks servers, one at a time. A block of it ends with the process."""

    def __init__(self) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LLM_", "KB_"))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "scripts.chaos_cases.zygote"],
            env=inherited,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._requests, self._replies = _pipes(self._process)

    def tell(self, line: str) -> str:
        """Send a line and read the reply."""
        self._requests.write(line + "\n")
        self._requests.flush()
        reply = self.read()
        if not reply:
            raise RuntimeError(f"the process that starts servers ended: {self._process.wait()}")
        return reply

    def read(self) -> str:
        """Read a line of the zygote or of the server it forked."""
        return self._replies.readline()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()


class Servers:
    """Starts servers over `folder`, one at a time. A block of it ends with the last one."""

    def __init__(self, zygote: Zygote, folder: Path, settings: Mapping[str, str]) -> None:
        for name, text in _DOCUMENTS.items():
            path = folder / "knowledge" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.database = folder / "data" / DATABASE
        self.log = folder / "server.log"
        self.base_url = ""
        self.pid = 0
        self.ready_at = 0.0
        environment = {"KNOWLEDGE_DIR": str(folder / "knowledge"), "DATA_DIR": str(folder / "data"), **settings}
        self._start = json.dumps({"environment": environment, "cwd": str(folder), "log": str(self.log)})
        self._zygote = zygote

    def start(self) -> None:
        """Start a server and wait until it is ready."""
        self.pid = int(self._zygote.tell(self._start))
        line = self._zygote.read()
        if "ready: " not in line:
            raise RuntimeError(f"the server did not start: {line}{self.log.read_text()[-2000:]}")
        self.ready_at = time.monotonic()
        self.base_url = line.split("ready: ")[1].strip()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the server with a signal; give its exit status, negative when a signal ended it."""
        os.kill(self.pid, number)
        return self.ended()

    def kill(self) -> None:
        """End the server at once."""
        self.stop(signal.SIGKILL)

    def ended(self) -> int:
        """Wait for the end of a server; give its exit status."""
        self.pid = 0
        return int(self._zygote.tell(""))

    def client(self) -> httpx2.AsyncClient:
        """A client of the running server."""
        limits = httpx2.Limits(max_connections=200, max_keepalive_connections=100)
        verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without certificates, whose loading takes long
        return httpx2.AsyncClient(
            base_url=self.base_url, timeout=90, limits=limits, trust_env=False, verify=verify
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.pid:
            self.kill()


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the process has no pipes")
    return process.stdin, process.stdout
