"""A Docker engine: the one that answers, or one unpacked from Debian's packages and run from its own folder."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

HOME: Final = Path("/var/tmp/kb-agent-image")  # noqa: S108 - a disk: the layers of images do not stack on tmpfs
SUITE: Final = "sid"  # its packages need nothing newer than the C library of Debian 12
_PACKAGES: Final = ("docker.io", "docker-cli", "docker-buildx", "docker-compose", "containerd")
_SYSTEM: Final = {"runc": "runc", "iptables": "iptables", "mmdebstrap": "mmdebstrap"}
_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_STARTING: Final = 60.0


class NoEngineError(Exception):
    """There is no engine and none can be had; says why."""


@dataclass(frozen=True)
class Engine:
    """Runs docker with the environment that reaches the engine."""

    program: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(
        self, *arguments: object, check: bool = True, timeout: float = 900
    ) -> subprocess.CompletedProcess[str]:
        """Run a docker command. Raises CalledProcessError, with what it printed, unless `check` is off."""
        return subprocess.run(
            [self.program, *map(str, arguments)],
            env={**os.environ, **self.environment},
            check=check,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def out(self, *arguments: object) -> str:
        """What a docker command prints."""
        return self.run(*arguments).stdout.strip()

    def answers(self) -> bool:
        """Whether the engine is there, with compose."""
        return all(self.run(*words, check=False).returncode == 0 for words in (["info"], ["compose", "version"]))


@contextlib.contextmanager
def engine() -> Iterator[Engine]:
    """Find an engine or start one for as long as the block lasts. Raises NoEngineError."""
    if (found := shutil.which("docker")) and Engine(found).answers():
        yield Engine(found)
        return
    _needs_debian()
    home = _unpack()
    with _running(home) as own:
        yield own


def _needs_debian() -> None:
    if os.geteuid() != 0:
        raise NoEngineError("no Docker answers, and to start one needs root")
    if shutil.which("apt-get") is None or not _KEYRING.exists():
        raise NoEngineError("no Docker answers, and this is no Debian to unpack one from")
    if missing := [package for program, package in _SYSTEM.items() if shutil.which(program) is None]:
        try:
            for words in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
                subprocess.run(
                    ["apt-get", "-qq", *words],
                    env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                    check=True,
                    capture_output=True,
                    text=True,
                )
        except subprocess.CalledProcessError as error:
            raise NoEngineError(f"no Docker answers, and {missing} cannot be installed: {_last(error)}") from error


def _last(error: subprocess.CalledProcessError) -> str:
    return str(error.stderr).strip()[-200:]


def mirror() -> str:
    """Where this machine gets Debian's packages from."""
    for file in (Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))):
        for word in file.read_text("utf-8").split() if file.is_file() else ():
            if re.fullmatch(r"https?://.*/debian/?", word):
                return word
    return "http://deb.debian.org/debian"


def _unpack() -> Path:
    """Download the engine's packages and unpack them, once."""
    home = HOME / f"docker-{SUITE}"
    if (home / "usr/sbin/dockerd").exists():
        return home
    debs = HOME / "debs"
    (debs / "lists/partial").mkdir(parents=True, exist_ok=True)
    (debs / "source.list").write_text(f"deb [signed-by={_KEYRING}] {mirror()} {SUITE} main\n")
    options = [
        f"Dir::Etc::sourcelist={debs}/source.list",
        "Dir::Etc::sourceparts=-",
        f"Dir::State::lists={debs}/lists",
    ]
    options += ["Dir::Cache::pkgcache=", "Dir::Cache::srcpkgcache=", "APT::Sandbox::User=root"]
    apt = ["apt-get", "-qq", *(f"-o{option}" for option in options)]
    try:
        for words in (["update"], ["download", *_PACKAGES]):
            subprocess.run([*apt, *words], cwd=debs, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        raise NoEngineError(f"no Docker answers, and its packages cannot be had: {_last(error)}") from error
    for package in debs.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, home], check=True)
    return home


@contextlib.contextmanager
def _running(home: Path) -> Iterator[Engine]:
    """Run the unpacked engine on a socket of its own."""
    for name in ("run", "data", "exec", "config"):
        (HOME / name).mkdir(exist_ok=True)
    (HOME / "config/config.json").write_text(
        json.dumps({"cliPluginsExtraDirs": [f"{home}/usr/libexec/docker/cli-plugins"]})
    )
    path = f"{home}/usr/bin:{home}/usr/sbin:{os.environ['PATH']}"
    own = Engine(
        f"{home}/usr/bin/docker",
        {"PATH": path, "DOCKER_HOST": f"unix://{HOME}/run/docker.sock", "DOCKER_CONFIG": f"{HOME}/config"},
    )
    command = [f"{home}/usr/sbin/dockerd", "-H", f"unix://{HOME}/run/docker.sock", "--data-root", f"{HOME}/data"]
    command += ["--exec-root", f"{HOME}/exec", "--pidfile", f"{HOME}/run/docker.pid", "--bip", "172.31.250.1/24"]
    command += ["--exec-opt", "native.cgroupdriver=cgroupfs"]
    with (HOME / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, "PATH": path}, start_new_session=True
        )
        try:
            end = time.monotonic() + _STARTING
            while not own.answers():
                if daemon.poll() is not None or time.monotonic() > end:
                    raise NoEngineError(f"the unpacked Docker does not start; {HOME}/dockerd.log tells why")
                time.sleep(0.3)
            yield own
        finally:
            daemon.terminate()
            daemon.wait(timeout=60)
