"""The base images: pulled, or where no registry can be reached, stand-ins made of Debian's packages."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from scripts.delivery.engine import HOME, Engine, NoEngineError, mirror

_SUITE: Final = "trixie"
_PYTHON: Final = "libssl3t64,libffi8,libsqlite3-0,zlib1g,libbz2-1.0,liblzma5,libuuid1,libcrypt1,libexpat1"
_RUNTIME: Final = (
    "base-files,netbase,tzdata,ca-certificates,media-types,libc6,libssl3t64,libgcc-s1,libstdc++6,libgomp1"
)
_BUNDLE: Final = Path(
    "/etc/ssl/certs/ca-certificates.crt"
)  # this machine's: indexes may be behind a CA of its own
_PATH: Final = "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
_TRUST: Final = f"ENV SSL_CERT_FILE={_BUNDLE}"
_USERS: Final = "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/nonexistent:/sbin/nologin\n"


def bases(dockerfile: str) -> dict[str, str]:
    """The images that a Dockerfile builds on, by the build argument that names them."""
    return dict(re.findall(r"^ARG (PYTHON|RUNTIME)=(\S+)$", dockerfile, re.MULTILINE))


def provide(engine: Engine, dockerfile: str) -> list[str]:
    """See to it that the base images are there; gives the names of those that are stand-ins."""
    made = []
    for kind, name in bases(dockerfile).items():
        present = engine.run("image", "inspect", "--format", "{{.Config.Labels}}", name, check=False)
        if present.returncode == 0:
            made += [name] if "stand-in" in present.stdout else []
        elif not _pulled(engine, name):
            root, changes = _python(name) if kind == "PYTHON" else _runtime()
            _import(engine, name, root, [*changes, "LABEL stand-in=yes"])
            made.append(name)
    return made


def _pulled(engine: Engine, name: str) -> bool:
    try:
        return engine.run("pull", "-q", name, check=False, timeout=300).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _import(engine: Engine, name: str, root: Path, changes: Sequence[str]) -> None:
    options = [word for change in changes for word in ("--change", change)]
    with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as packing:
        subprocess.run(
            [engine.program, "import", *options, "-", name],
            stdin=packing.stdout,
            env=dict(engine.environment),
            check=True,
            capture_output=True,
        )


def _debian(root: Path, variant: str, packages: str) -> None:
    """Unpack a minimal Debian. Raises NoEngineError when it cannot be had."""
    left_out = ("man", "doc", "locale", "info")
    command = ["mmdebstrap", "-q", f"--variant={variant}", "--mode=root", f"--include={packages}"]
    command += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in left_out]
    done = subprocess.run(
        [*command, _SUITE, root, f"deb {mirror()} {_SUITE} main"], check=False, capture_output=True, text=True
    )
    if done.returncode:
        shutil.rmtree(root, ignore_errors=True)
        raise NoEngineError(f"no registry can be reached, and no stand-in be made: {done.stderr.strip()[-200:]}")
    (root / "etc/ssl/certs").mkdir(parents=True, exist_ok=True)
    shutil.copy(_BUNDLE, root / _BUNDLE.relative_to("/"))
    for folder in ("var/lib/apt", "var/cache", *(f"usr/share/{name}" for name in left_out)):
        shutil.rmtree(root / folder, ignore_errors=True)


def _python(name: str) -> tuple[Path, list[str]]:
    """Debian with this machine's CPython of the same series in /usr/local, as in the official image."""
    series = re.search(r":(\d+\.\d+)", name)
    versions = sorted(Path.home().joinpath(".pyenv/versions").glob(f"{series[1] if series else ''}.*"))
    if not versions:
        raise NoEngineError(
            f"no registry can be reached for {name}, and pyenv has none of that series to stand in"
        )
    root = HOME / "root-python"
    if not (root / "usr/local/bin/python3").exists():
        _debian(root, "minbase", f"ca-certificates,{_PYTHON}")
        for folder in ("bin", "lib", "include"):
            ignored = shutil.ignore_patterns(
                "__pycache__", "test", "tests", "*.a", "_tkinter*", "nis.*", "config-3*"
            )
            shutil.copytree(
                versions[-1] / folder,
                root / "usr/local" / folder,
                symlinks=True,
                dirs_exist_ok=True,
                ignore=ignored,
            )
        if (strip := shutil.which("strip")) is not None:  # the official image has no symbols for debuggers
            libraries = [path for path in (root / "usr/local/lib").rglob("*.so*") if not path.is_symlink()]
            subprocess.run([strip, "--strip-unneeded", *libraries], check=True)
        for program in (root / "usr/local/bin").glob("pip*"):
            program.write_text(re.sub(r"^#!.*", "#!/usr/local/bin/python3", program.read_text("utf-8"), count=1))
        subprocess.run(["chroot", root, "/sbin/ldconfig"], check=True)
    return root, [_PATH, _TRUST, "ENV LANG=C.UTF-8", 'CMD ["python3"]']


def _runtime() -> tuple[Path, list[str]]:
    """What gcr.io/distroless/cc holds: no shell, no package manager."""
    root = HOME / "root-runtime"
    if not (root / "etc/passwd").exists():
        _debian(root, "extract", _RUNTIME)
        (root / "tmp").mkdir(exist_ok=True)
        (root / "tmp").chmod(0o1777)
        (root / "etc/passwd").write_text(_USERS)
    return root, [_PATH, _TRUST, "USER 65532"]
