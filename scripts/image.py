"""Build the image and use it as it is used. Prints a line for each check, with its figure and its limit."""

import argparse
import contextlib
import gzip
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx2

from scripts.delivery.bases import provide
from scripts.delivery.engine import Engine, NoEngineError, engine
from scripts.delivery.service import Container, ask, container, layers, unfinished

ROOT: Final = Path(__file__).resolve().parents[1]
IMAGE: Final = "kb-agent:check"
PROFILES: Final = ((), ("ollama",), ("monitoring",), ("ollama", "monitoring"))
_STREAMS: Final = 50
_STARTS: Final = 5
_COLD: Final = 2.0  # seconds
_KILLED_AFTER: Final = 20  # accepted questions
_SKIPPED: Final = 3
_NOT_OURS: Final = ("/data", "/tmp", "/run", "/etc", "/proc", "/dev")  # noqa: S108 - mounts, and what Docker writes


class Report:
    """Prints what was seen and keeps count of what failed."""

    def __init__(self) -> None:
        self.failed = 0

    def check(self, name: str, passed: bool, seen: object = "") -> None:
        """Tell of one check."""
        self.failed += not passed
        print(f"{'ok  ' if passed else 'FAIL'}  {name:<42} {seen}", flush=True)

    def within(self, name: str, figure: float, limit: float, unit: str) -> None:
        """Tell of a figure with a limit."""
        self.check(name, figure <= limit, f"{figure:.1f} {unit} (at most {limit:g})")


def built(docker: Engine, report: Report) -> None:
    """The build, and what the image says of itself."""
    began = time.monotonic()
    revision = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=False, capture_output=True, text=True)
    label = f"REVISION={revision.stdout.strip() or 'unknown'}"
    docker.run("build", "-q", "--build-arg", label, "-t", IMAGE, ROOT)
    report.check("built", True, f"{time.monotonic() - began:.1f} s")
    config = json.loads(docker.out("image", "inspect", IMAGE))[0]["Config"]
    user = config["User"].partition(":")[0]
    report.check("runs as a number that is not 0", user.isdigit() and user != "0", config["User"])
    report.check(
        "starts in exec form", config["Entrypoint"] == ["kb-agent"], [*config["Entrypoint"], *config["Cmd"]]
    )
    labels = {name.rpartition(".")[2] for name in config["Labels"]}
    wanted = {"description", "licenses", "revision", "source", "title", "version"}
    report.check("says what it is", wanted <= labels, sorted(labels & wanted))
    with tempfile.TemporaryDirectory() as folder:
        docker.run("save", IMAGE, "-o", f"{folder}/image.tar")
        with tarfile.open(f"{folder}/image.tar") as archive:
            archive.extractall(folder, filter="data")
        report.within("compressed size", sum(map(_compressed, layers(Path(folder)))) / 1e6, 60, "MB")
    for program in ("sh", "pip", "apt"):
        done = docker.run("run", "--rm", "--entrypoint", program, IMAGE, check=False)
        report.check(f"has no {program}", done.returncode == 127, f"exit {done.returncode}")


def _compressed(layer: Path) -> int:
    data = layer.read_bytes()
    return len(data) if data[:2] == b"\x1f\x8b" else len(gzip.compress(data, 6))


def refused(docker: Engine, report: Report) -> None:
    """Without keys and without ALLOW_ANONYMOUS it does not serve the network, and says what to do."""
    done = docker.run("run", "--rm", "--read-only", IMAGE, check=False, timeout=60)
    told = done.stdout + done.stderr
    report.check("refuses the network without keys", done.returncode == 2, f"exit {done.returncode}")
    report.check("and says how to allow it", "ALLOW_ANONYMOUS=true" in told, told.strip().splitlines()[-1:])


def keyed(docker: Engine, report: Report) -> None:
    """With ADMIN_KEY it serves the network, and nobody without the key."""
    key = "check-" + "k" * 24
    with container(docker, IMAGE, f"kb-agent-keyed-{os.getpid()}", f"ADMIN_KEY={key}") as service:
        service.start()
        with service.client() as client:
            codes = [
                client.get("/api/chats", headers=headers).status_code
                for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Bearer {key}"})
            ]
    report.check("with ADMIN_KEY: none, a wrong one, the key", codes == [401, 401, 200], codes)


def started(service: Container, report: Report) -> None:
    """Cold starts on one processor, until one is in time: the machine may be busy with other things."""
    seconds: list[float] = []
    while len(seconds) < _STARTS and min(seconds, default=60) > _COLD:
        service.remove()
        seconds.append(service.start())
    told = ", ".join(f"{second:.1f}" for second in seconds)
    report.within(f"cold start to ready (of {told})", min(seconds), _COLD, "s")


def used(service: Container, report: Report) -> None:
    """It answers from the sample, stays small, passes its health check, and can write only where it should."""
    with service.client() as client:
        answers = [ask(client, wait=30) for _ in range(10)]
        report.check("answers from the sample knowledge", {a["outcome"] for a in answers} == {"grounded"})
    report.within("resident memory", service.memory(), 120, "MB")
    end = time.monotonic() + 30
    while service.state("Health.Status") == "starting" and time.monotonic() < end:
        time.sleep(0.2)
    report.check("HEALTHCHECK", service.state("Health.Status") == "healthy", service.state("Health.Status"))
    changed = service.engine.out("diff", service.name).splitlines()
    outside = [line for line in changed if not line[2:].startswith(_NOT_OURS)]
    report.check("writes nothing outside its volume", not outside, outside)
    for place in ("/app", "/knowledge", "/usr"):
        attempt = ("exec", service.name, "python", "-c", f"open('{place}/x', 'w')")
        report.check(f"cannot write to {place}", service.engine.run(*attempt, check=False).returncode != 0)


def backed_up(service: Container, report: Report) -> None:
    """The backup of k8s/ copies the database of the running service from a second container that only reads."""
    done = service.engine.run(
        *("run", "--rm", "--read-only", "--user", "10001:10001"),
        *("-v", f"{service.volume}:/data:ro", "--tmpfs", "/backups:uid=10001"),
        *(IMAGE, "backup", "/backups", "--keep", "14"),
        check=False,
    )
    report.check("backup beside the running service", done.returncode == 0, (done.stdout + done.stderr).strip())


def stopped(service: Container, report: Report) -> None:
    """SIGTERM, with nothing to do and with streams open."""
    seconds, code = service.stop()
    report.within("SIGTERM to exit, idle", seconds, 2, "s")
    report.check("exit code", code == 0, code)
    service.restart()
    with service.client() as client, streams(client, _STREAMS) as ended:
        ask(client, wait=0)
        seconds, code = service.stop()
    report.within(f"SIGTERM to exit, {_STREAMS} streams open", seconds, 25, "s")
    report.check("exit code", code == 0, code)
    report.check("streams that ended cleanly", ended.count("clean") == _STREAMS, ended.count("clean"))
    report.check("no traceback in the log", "Traceback" not in service.log())


@contextlib.contextmanager
def streams(client: httpx2.Client, number: int) -> Iterator[list[str]]:
    """Hold streams open; gives the list of how each one ended, complete after the block."""
    ended: list[str] = []
    opened = threading.Semaphore(0)
    address = f"{str(client.base_url).rstrip('/')}/api/events"

    def follow() -> None:
        told = "never opened"
        with contextlib.suppress(httpx2.HTTPError), httpx2.stream("GET", address, timeout=60) as response:
            lines = response.iter_lines()
            next(lines)
            opened.release()
            told = "cut"
            for _ in lines:
                pass
            told = "clean"
        ended.append(told)

    threads = [threading.Thread(target=follow, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    for _ in threads:
        opened.acquire(timeout=20)
    yield ended
    for thread in threads:
        thread.join(timeout=60)


def killed(service: Container, report: Report) -> None:
    """SIGKILL among questions: what was accepted is there after the restart, and comes to its end."""
    service.restart()
    accepted: list[dict[str, Any]] = []

    def post() -> None:
        with contextlib.suppress(httpx2.HTTPError), service.client() as client:
            while True:
                accepted.append(ask(client, wait=0))

    threads = [threading.Thread(target=post, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 30
    while len(accepted) < _KILLED_AFTER and time.monotonic() < end:
        time.sleep(0.01)
    service.kill()
    for thread in threads:
        thread.join(timeout=60)
    seconds = service.restart()
    with service.client() as client:
        lost = unfinished(client, accepted, 30)
    report.check(
        "lost by kill -9", not lost and len(accepted) >= _KILLED_AFTER, f"{len(lost)} of {len(accepted)} accepted"
    )
    report.check("ready again after kill -9", True, f"{seconds:.1f} s")


def composed(docker: Engine, report: Report) -> None:
    """compose.yaml: valid in every profile, hardened, on loopback only; the service comes up healthy."""
    for profiles in PROFILES:
        chosen = [word for name in profiles for word in ("--profile", name)]
        done = docker.run(
            "compose", "-f", ROOT / "compose.yaml", *chosen, "config", "--format", "json", check=False
        )
        names = sorted(json.loads(done.stdout)["services"]) if done.returncode == 0 else done.stderr.strip()
        report.check(
            f"compose config, {' and '.join(profiles) or 'no profile'}", not done.stderr and bool(names), names
        )
    with tempfile.TemporaryDirectory() as folder:
        override = Path(folder) / "override.json"
        override.write_text(json.dumps({"services": {"kb-agent": {"image": IMAGE, "pull_policy": "never"}}}))
        compose = ("compose", "-p", f"check{os.getpid()}", "-f", ROOT / "compose.yaml", "-f", override)
        own = Engine(docker.program, {**docker.environment, "PORT": "0"})
        try:
            began = time.monotonic()
            done = own.run(*compose, "up", "-d", "--wait", "--no-build", check=False)
            report.check("compose up --wait", done.returncode == 0, f"{time.monotonic() - began:.1f} s")
            address = own.run(*compose, "port", "kb-agent", "8000", check=False).stdout.strip()
            report.check("published on loopback only", address.startswith("127.0.0.1:"), address)
        finally:
            own.run(*compose, "down", "-v", check=False)


def main() -> int:
    """Run every check."""
    parser = argparse.ArgumentParser(prog="scripts/check-image", description=__doc__)
    parser.add_argument("--keep", action="store_true", help=f"keep the image, as {IMAGE}")
    given = parser.parse_args()
    report = Report()
    try:
        with engine() as docker:
            for name in provide(docker, (ROOT / "Dockerfile").read_text("utf-8")):
                print(f"note  no registry can be reached: a stand-in of the same content for {name}")
            run(docker, report)
            if not given.keep:
                docker.run("rmi", "-f", IMAGE, check=False)
    except NoEngineError as error:
        print(f"skipped: {error}")
        return _SKIPPED
    print(f"{report.failed} failed" if report.failed else "all passed")
    return 1 if report.failed else 0


def run(docker: Engine, report: Report) -> None:
    """Check after check; each goes on where the one before has left the container."""
    print(f"note  Docker {docker.out('version', '--format', '{{.Server.Version}}')}")
    built(docker, report)
    refused(docker, report)
    keyed(docker, report)
    steps: list[Callable[[Container, Report], None]] = [started, used, backed_up, stopped, killed]
    with container(docker, IMAGE, f"kb-agent-check-{os.getpid()}", "ALLOW_ANONYMOUS=true") as service:
        for step in steps:
            step(service, report)
    composed(docker, report)


if __name__ == "__main__":
    sys.exit(main())
