"""The space that is left on the disks of a stack, and what has to be on one."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from foundation.settings import Settings

NEEDED = 3_000_000_000  # bytes: a sync, a build, a version more, and the backup of the night
FREE_SOME = "free 3 GB, or move ELT_HOME to another disk"


def full(error: Exception) -> bool:
    """Whether this is what the system says of a disk without room."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def disk_lacks(config: Settings) -> str:
    """What is wrong with the space for ELT_HOME and for the published versions, which may be on another disk. Empty: nothing."""
    lacking: dict[int, str] = {}  # by disk: the folder that names it
    for folder in (config.home, config.serving_path.parent.parent):
        if folder.exists() and (free := shutil.disk_usage(folder).free) < NEEDED:
            lacking.setdefault(folder.stat().st_dev, f"the disk of {folder} has {free / 1e9:.1f} GB free")
    return ", ".join(lacking.values())


def flush(path: Path) -> None:
    """Make sure that a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
