"""Copy what the service needs of this Python into a folder that is laid over the runtime image.

collect.py TARGET RUNTIME is run while the image is built. It copies the interpreter, its standard library with
bytecode, and those shared libraries that RUNTIME, the root of the runtime image, does not have.
"""

import compileall
import os
import py_compile
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_SKIP: Final = shutil.ignore_patterns(
    *("__pycache__", "config-*", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages", "test"),
    *("_curses*", "_dbm*", "_gdbm*", "_tkinter*", "nis.*", "readline.*", "tkinter", "turtle*", "*.a"),
)


def main(target: Path, runtime: Path) -> None:
    """Fill `target`."""
    program = Path(sys.executable).resolve()
    standard = Path(sysconfig.get_path("stdlib"))
    copied = target / standard.relative_to("/")
    shutil.copytree(standard, copied, ignore=_SKIP)
    # Not by the files' times, which do not survive every registry and mirror.
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(copied, quiet=1, workers=0, stripdir=str(target), invalidation_mode=unchecked)
    for file in (program, *libraries([program, *copied.rglob("*.so")])):
        if not (runtime / file.relative_to("/")).exists():
            place = target / file.relative_to("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, place)
            print("copied", file)
    for name in ("python", "python3"):
        (target / program.relative_to("/")).with_name(name).symlink_to(program.name)


def libraries(programs: Iterable[Path]) -> list[Path]:
    """The shared libraries that the loader finds for `programs`. Ends the build when one is missing."""
    told = subprocess.run(["ldd", *programs], check=False, capture_output=True, text=True).stdout
    found = {words[2] for line in told.splitlines() if (words := line.split())[1:2] == ["=>"]}
    if "not" in found:  # as in "libx.so.1 => not found"
        sys.exit(told)
    # The folder's real place, since /lib is a link, with the name that is asked for, often a link too.
    return sorted(Path(path).parent.resolve() / Path(path).name for path in found)


if __name__ == "__main__":
    os.umask(0o022)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
