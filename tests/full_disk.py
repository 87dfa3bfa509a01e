"""A disk that is full, for the files of this process."""

import contextlib
import resource
from collections.abc import Iterator


@contextlib.contextmanager
def files_limited(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes while the block lasts, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
