"""Single files of the knowledge folder: whether one has changed, and its bytes.

Never leaves the folder and never blocks on a pipe or device. Synchronous: run it in a thread.
"""

import errno
import os
import stat
from typing import Final

from service.kb.folder import Folder, Root, locate, state_of, within
from service.kb.rows import FileState

_OPEN: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY


class Files:
    """The files of the folder as it lies just now; for a short while only, since it remembers real places."""

    __slots__ = ("_max_bytes", "_parents", "root")

    def __init__(self, folder: Folder) -> None:
        """Find the folder; where there is none every file is gone. Raises OSError when that cannot be told."""
        try:
            self.root: Root | None = locate(folder.path)
        except (FileNotFoundError, NotADirectoryError):
            self.root = None
        self._max_bytes = folder.max_bytes
        self._parents: dict[str, str] = {}

    def look(self, name: str) -> FileState | None:
        """How the file looks; None when it is gone, too large or not a regular file. Raises OSError."""
        try:
            info = os.lstat(self._place(name))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return state_of(info) if stat.S_ISREG(info.st_mode) and info.st_size <= self._max_bytes else None

    def read(self, name: str, expected: FileState, *, moving: bool = False) -> bytes | None:
        """The bytes of the file that was looked at; None when it is gone, another one, or changed meanwhile.

        `moving` takes a file that will not keep still as it is. Raises OSError.
        """
        try:
            descriptor = os.open(self._place(name), _OPEN)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:  # a link by now
                return None
            raise
        try:
            if not _is(descriptor, expected, moving=moving):
                return None
            data = _contents(descriptor, self._max_bytes)
            return data if data is not None and _is(descriptor, expected, moving=moving) else None
        finally:
            os.close(descriptor)

    def _place(self, name: str) -> str:
        """Where the file really is. FileNotFoundError when that is not in the folder."""
        folder, _, last = name.rpartition("/")
        parent = self._parents.get(folder)
        if parent is None:
            parent = self._parents[folder] = self._real(folder)
        path = f"{parent}/{last}"
        return self._real(name) if os.path.islink(path) else path  # noqa: PTH114 - cheap for 10,000

    def _real(self, name: str) -> str:
        if self.root is None:
            raise FileNotFoundError(errno.ENOENT, "no knowledge folder", name)
        real = os.path.realpath(f"{self.root.path}/{name}", strict=True)
        if not within(self.root, real):
            raise FileNotFoundError(errno.ENOENT, "outside the knowledge folder", name)
        return real


def _is(descriptor: int, expected: FileState, *, moving: bool) -> bool:
    info = os.fstat(descriptor)
    if not stat.S_ISREG(info.st_mode):
        return False
    state = state_of(info)
    return state == expected or (moving and state.inode == expected.inode and state.dev == expected.dev)


def _contents(descriptor: int, max_bytes: int) -> bytes | None:
    """Everything up to the end; None for a file that has grown past the limit."""
    parts: list[bytes] = []
    length = 0
    while part := os.read(descriptor, 1 << 20):
        parts.append(part)
        length += len(part)
        if length > max_bytes:
            return None
    return b"".join(parts)
