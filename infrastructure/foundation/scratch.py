"""Temporary folders that do not stay: those of processes that were killed go when the next one is made."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def scratch(name: str, above: Path | None = None) -> Iterator[Path]:
    """A folder that only this user may read, for the length of the block; `above`: where, by default in TMPDIR.

    Raises OSError when none can be made there.
    """
    above = above or Path(tempfile.gettempdir())
    above.mkdir(parents=True, exist_ok=True, mode=0o700)
    sweep(name, above)
    folder, lock = _made(name, above)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep(name: str, above: Path | None = None) -> None:
    """Remove this user's folders of that name which no process holds any more."""
    for left in (above or Path(tempfile.gettempdir())).glob(f"elt-{name}-*"):
        with suppress(OSError):
            if left.lstat().st_uid == os.geteuid() and (lock := _locked(left)) is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(lock)


def _made(name: str, above: Path) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"elt-{name}-", dir=above))
        with suppress(FileNotFoundError):
            if (lock := _locked(folder, without_locks=True)) is not None:
                if folder.exists():  # else another's sweep came before the lock
                    return folder, lock
                os.close(lock)


def _locked(folder: Path, *, without_locks: bool = False) -> int | None:
    """The descriptor that holds a folder as long as its process lives; None when another one does.

    `without_locks`: a file system that has none will do. No sweep removes anything there. Else raises OSError there.
    """
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    except OSError:  # NFS has no lock for a folder that is only read
        if not without_locks:
            os.close(lock)
            raise
    return lock
