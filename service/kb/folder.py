"""The knowledge folder as it is on disk: one scan tells every file and why others do not count.

Never leaves the folder, opens no file, trusts no name. Synchronous: run it in a thread.
"""

import errno
import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

from service.kb.rows import FileState

FolderState = Literal["ready", "missing", "unreadable"]
Identity = tuple[int, int]

_INT64: Final = (1 << 63) - 1  # what SQLite stores; inodes and far-off times may be larger


@dataclass(frozen=True, slots=True)
class Folder:
    """Where the files are and which of them count.

    `endings` are lower case with the dot, '' for names without one; files over `max_bytes` are skipped.
    """

    path: Path
    endings: frozenset[str]
    max_bytes: int


class Skipped(NamedTuple):
    """A file or folder that is not indexed: `reason` is a stable word, `detail` is for people."""

    name: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Root:
    """The folder with every link resolved, and which directory it is, whatever its path."""

    path: str
    identity: Identity


@dataclass(frozen=True, slots=True)
class Scan:
    """One look at everything. `files` are the indexable ones.

    `links` are those among them that a link leads to, each with the folder that holds the link; `linked` is
    whether there was any link, whatever it led to. `unseen` names files and folders whose state could not be told
    ('' is the whole folder), `ignored` counts files with other endings, `seconds` is what the scan took.
    """

    state: FolderState
    root: Root | None
    files: Mapping[str, FileState]
    links: Mapping[str, str]
    linked: bool
    skipped: tuple[Skipped, ...]
    unseen: tuple[str, ...]
    ignored: int
    seconds: float

    def told(self, name: str) -> bool:
        """Whether this scan could have seen `name`: if so and it is not among `files`, it is gone."""
        return not any(name == place or name.startswith(f"{place}/") or not place for place in self.unseen)


def locate(path: Path) -> Root:
    """Find out which directory `path` is just now. Raises OSError."""
    real = os.path.realpath(path, strict=True)
    info = os.stat(real)  # noqa: PTH116 - the functions of os are what a scan of 100,000 files can afford
    if not stat.S_ISDIR(info.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), real)
    return Root(real, (info.st_dev, info.st_ino))


def scan(folder: Folder) -> Scan:
    """List the folder: 10,000 files take about 0.1 s. Never raises for anything the folder holds."""
    started = time.perf_counter()
    try:
        root = locate(folder.path)
        walk = _Walk(root, folder)
        walk.run()
    except (FileNotFoundError, NotADirectoryError):
        return Scan("missing", None, {}, {}, False, (), (), 0, time.perf_counter() - started)
    except OSError as error:
        problem = (Skipped(".", *reason(error)),)
        return Scan("unreadable", None, {}, {}, False, problem, ("",), 0, time.perf_counter() - started)
    return Scan(
        "ready",
        root,
        walk.files,
        walk.links,
        walk.linked,
        tuple(sorted(walk.skipped)),
        tuple(walk.unseen),
        walk.ignored,
        time.perf_counter() - started,
    )


def printable(name: str) -> str:
    """A name as it may stand in a log line or a list: control characters and undecodable bytes escaped."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class _Walk:
    """One walk over the folder. A directory is listed once, under its real place rather than a link's."""

    def __init__(self, root: Root, folder: Folder) -> None:
        self.files: dict[str, FileState] = {}
        self.links: dict[str, str] = {}
        self.linked = False
        self.skipped: list[Skipped] = []
        self.unseen: list[str] = []
        self.ignored = 0
        self._root = root
        self._endings = folder.endings
        self._max_bytes = folder.max_bytes
        self._open: list[tuple[str, str, str | None]] = [(root.path, "", None)]
        self._tied: str | None = None
        self._linked: list[tuple[str, str, Identity]] = []
        self._listed: dict[Identity, str] = {root.identity: ""}

    def run(self) -> None:
        """Walk the real directories, then those that only a link leads to."""
        while self._open or self._linked:
            if self._open:
                self._list(*self._open.pop())
            else:
                self._linked.sort(reverse=True)
                name, path, identity = self._linked.pop()
                self._enter(name, path, identity, _parent(name))

    def _list(self, path: str, prefix: str, tied: str | None) -> None:
        """List a directory; `tied` is the folder of the link that led to it, if one did."""
        self._tied = tied
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if not temporary(entry.name):
                        self._sort(entry, prefix + entry.name)
        except OSError as error:
            if not prefix:
                raise
            if not isinstance(error, FileNotFoundError | NotADirectoryError):
                self._refuse(prefix[:-1], error)

    def _sort(self, entry: os.DirEntry[str], name: str) -> None:
        try:
            if entry.is_symlink():
                self._follow(entry.path, name)
            elif entry.is_dir(follow_symlinks=False):
                if self._named(name):
                    info = entry.stat(follow_symlinks=False)
                    self._enter(name, entry.path, (info.st_dev, info.st_ino), self._tied)
            elif ending(entry.name) in self._endings:
                self._file(name, entry.stat(follow_symlinks=False))
            else:
                self.ignored += 1
        except FileNotFoundError:
            return
        except OSError as error:
            self._refuse(name, error)

    def _enter(self, name: str, path: str, identity: Identity, tied: str | None) -> None:
        first = self._listed.setdefault(identity, name)
        if first == name:
            self._open.append((path, f"{name}/", tied))
        elif not first or name.startswith(f"{first}/"):
            self.skipped.append(Skipped(name, "loop", "the link leads back to a folder above it"))
        else:
            self.skipped.append(Skipped(name, "duplicate", f"the same folder as {printable(first)}"))

    def _file(self, name: str, info: os.stat_result) -> bool:
        if not name.isascii() and not self._named(name):
            return False
        if not stat.S_ISREG(info.st_mode):
            self.skipped.append(Skipped(name, "not_regular", "a pipe, socket or device"))
        elif info.st_size > self._max_bytes:
            size = f"{info.st_size} bytes, at most {self._max_bytes} are indexed"
            self.skipped.append(Skipped(name, "too_large", size))
        else:
            self.files[name] = state_of(info)
            if self._tied is not None:
                self.links[name] = self._tied
            return True
        return False

    def _follow(self, path: str, name: str) -> None:
        self.linked = True
        wanted = ending(name) in self._endings
        try:
            real = os.path.realpath(path, strict=True)
        except (FileNotFoundError, NotADirectoryError):
            if wanted and self._named(name):
                self.skipped.append(Skipped(name, "broken_link", "the link leads nowhere"))
            return
        info = os.lstat(real)
        folder = stat.S_ISDIR(info.st_mode)
        if not folder and not wanted:
            self.ignored += 1
        elif not self._named(name):
            return
        elif not within(self._root, real):
            self.skipped.append(Skipped(name, "outside", "the link leads out of the knowledge folder"))
        elif folder:
            self._linked.append((name, path, (info.st_dev, info.st_ino)))
        elif self._file(name, info):
            self.links.setdefault(name, _parent(name))

    def _named(self, name: str) -> bool:
        try:
            name.encode()
        except UnicodeEncodeError:
            self.skipped.append(Skipped(printable(name), "name_not_utf8", "the name is not UTF-8; rename it"))
            return False
        return True

    def _refuse(self, name: str, error: OSError) -> None:
        if error.errno != errno.ELOOP:
            self.unseen.append(name)
        self.skipped.append(Skipped(printable(name), *reason(error)))


def reason(error: OSError) -> tuple[str, str]:
    """Why a file or folder could not be read: a stable word and a sentence for people."""
    if isinstance(error, PermissionError):
        return "permission", "the service may not read it"
    if error.errno == errno.ELOOP:
        return "loop", "the link leads back to itself"
    return "unreadable", error.strerror or "it cannot be read"


def _parent(name: str) -> str:
    return name.rpartition("/")[0]


def temporary(name: str) -> bool:
    """Hidden names and what editors leave while they save; `..data` of a ConfigMap is reached by its links."""
    return name[0] == "." or name[-1] == "~" or (name[0] == "#" and name[-1] == "#")


def counts(folder: Folder, name: str) -> bool:
    """Whether a file of this name, told from the name alone, is one to index."""
    return ending(name) in folder.endings and not any(map(temporary, filter(None, name.split("/"))))


def ending(name: str) -> str:
    """The ending that decides whether a file counts: lower case with its dot, '' for none."""
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - a Path costs more than the rest of the scan


def within(root: Root, real: str) -> bool:
    """Whether a path without links lies in the folder."""
    return real == root.path or real.startswith(root.path.rstrip("/") + "/")


def state_of(info: os.stat_result) -> FileState:
    """The fingerprint of a file that is not a link."""
    return FileState(
        info.st_dev & _INT64,
        info.st_ino & _INT64,
        info.st_size,
        info.st_mtime_ns & _INT64,
        info.st_ctime_ns & _INT64,
    )
