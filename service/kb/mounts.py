"""Which file systems others may change without our system seeing it, so that no file event tells of it."""

import os
import re
from pathlib import Path
from typing import Final

_TABLE: Final = Path("/proc/self/mountinfo")
# Network drives, what a virtual machine shares, and FUSE, behind which anything may be; fuseblk is a disk.
_SHARED: Final = re.compile(
    r"fuse(?:\..*)?|nfs4?|cifs|smb\w*|9p|virtiofs|ceph|glusterfs|lustre|afs|gfs2?|ocfs2|beegfs|vboxsf|vmhgfs|prl_fs"
)


def is_shared(device: int) -> bool:
    """Whether the device, as `stat` gives it, is one of these; False where the system does not tell."""
    try:
        table = _TABLE.read_text("utf-8", "replace")
    except OSError:
        return False
    return is_shared_by(table, device)


def is_shared_by(table: str, device: int) -> bool:
    """The same by the text of the kernel's table of mounts, see proc(5)."""
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in table.splitlines():
        left, _, right = line.partition(" - ")
        if left.split()[2:3] == [number]:
            return _SHARED.fullmatch(right.split(" ", 1)[0]) is not None
    return False
