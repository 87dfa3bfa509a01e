"""The image as a running container, hardened as compose and Kubernetes run it, and spoken to over its port."""

import contextlib
import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx2

from scripts.delivery.engine import Engine

_HARDENED: Final = (
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--tmpfs=/tmp:size=64m,mode=1777",
)
_LIMITS: Final = ("--cpus=1", "--memory=512m", "--pids-limit=256")
_ENDED: Final = frozenset({"completed", "failed", "cancelled"})
QUESTION: Final = "How does a client resume a stream?"


class Container:
    """One container of the image, with a volume for its data."""

    def __init__(self, engine: Engine, image: str, name: str, variable: str) -> None:
        self.engine = engine
        self.image = image
        self.name = name
        self.variable = variable
        self.volume = f"{name}-data"

    def start(self) -> float:
        """Make and start it; gives the seconds from the start of its process to the first 200 of /readyz."""
        self.engine.run(
            *("run", "-d", "--name", self.name, "-p", "127.0.0.1::8000", "-v", f"{self.volume}:/data"),
            *(*_HARDENED, *_LIMITS, "-e", self.variable, self.image),
        )
        return self.ready()

    def restart(self) -> float:
        """Start it again; gives the seconds until it is ready."""
        self.engine.run("start", self.name)
        return self.ready()

    def ready(self) -> float:
        """Wait for the first 200 of /readyz. Raises RuntimeError, with the log, when it does not come."""
        begun = datetime.fromisoformat(self.state("StartedAt")).timestamp()
        with self.client() as client:
            while time.time() < begun + 60:
                with contextlib.suppress(httpx2.TransportError):
                    if client.get("/readyz").status_code == 200:
                        return time.time() - begun
                time.sleep(0.02)
        raise RuntimeError(f"not ready within a minute:\n{self.log()}")

    def state(self, name: str) -> str:
        """A value of the container's state."""
        return self.engine.out("inspect", "--format", f"{{{{.State.{name}}}}}", self.name)

    def log(self) -> str:
        """What it has written."""
        done = self.engine.run("logs", self.name)
        return done.stdout + done.stderr

    def client(self) -> httpx2.Client:
        """A client of its published port."""
        host = self.engine.out("port", self.name, "8000/tcp").splitlines()[0]
        return httpx2.Client(base_url=f"http://{host}", timeout=60)

    def memory(self) -> float:
        """Resident memory of its process, in MB."""
        status = self.engine.out("exec", self.name, "python", "-ISc", "print(open('/proc/1/status').read())")
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def stop(self) -> tuple[float, int]:
        """Send SIGTERM; gives the seconds it took and the exit code."""
        began = time.monotonic()
        self.engine.run("stop", "-t", "60", self.name)
        return time.monotonic() - began, int(self.state("ExitCode"))

    def kill(self) -> None:
        """Send SIGKILL."""
        self.engine.run("kill", "-s", "KILL", self.name)

    def remove(self) -> None:
        """Remove it with its data."""
        self.engine.run("rm", "-f", "-v", self.name, check=False)
        self.engine.run("volume", "rm", "-f", self.volume, check=False)


@contextlib.contextmanager
def container(engine: Engine, image: str, name: str, variable: str) -> Iterator[Container]:
    """A container with one variable of its own, which is removed at the end."""
    made = Container(engine, image, name, variable)
    made.remove()
    try:
        yield made
    finally:
        made.remove()


def ask(client: httpx2.Client, *, wait: int) -> dict[str, Any]:
    """Post the question in a new chat, waiting `wait` seconds for its answer."""
    chat = client.post("/api/chats").raise_for_status().json()["id"]
    asked = client.post(
        f"/api/chats/{chat}/messages", json={"content": QUESTION}, headers={"Prefer": f"wait={wait}"}
    )
    answer: dict[str, Any] = asked.raise_for_status().json()
    return answer


def unfinished(client: httpx2.Client, answers: list[dict[str, Any]], seconds: float) -> list[str]:
    """Those of the answers that are lost, or have not ended within `seconds`."""
    end = time.monotonic() + seconds
    waiting = {f"/api/chats/{answer['chat_id']}/messages/{answer['id']}" for answer in answers}
    while waiting and time.monotonic() < end:
        for path in sorted(waiting):
            got = client.get(path)
            if got.status_code == 200 and got.json()["status"] in _ENDED:
                waiting.discard(path)
        time.sleep(0.1)
    return sorted(waiting)


def layers(folder: Path) -> Iterator[Path]:
    """The layers of an image that was saved and unpacked into `folder`."""
    (manifest,) = json.loads((folder / "manifest.json").read_text("utf-8"))
    yield from (folder / name for name in manifest["Layers"])
