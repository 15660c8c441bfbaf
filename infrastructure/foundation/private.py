"""Local state is its owner's alone: what is made under ELT_HOME, from its first byte, and what an older version left open."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def private() -> None:
    """From here on nobody but this user may read what this process and those that it starts make."""
    os.umask(OTHERS)


def home_mode() -> int:
    """The mode of ELT_HOME. Root's PostgreSQL runs as another user: it passes through to its own folder and sees nothing."""
    return 0o711 if os.geteuid() == 0 else 0o700


def tighten(home: Path) -> list[Path]:
    """Make ELT_HOME, and close it and all that lies directly in it to others; what had been open.

    A folder that is closed closes all below it. Links are left alone, and so is what belongs to somebody else.
    """
    home.mkdir(parents=True, exist_ok=True, mode=home_mode())
    mended = []
    for path in (home, *home.iterdir()):
        with contextlib.suppress(OSError):  # a file that has just gone, or another's
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                continue
            mode = stat.S_IMODE(mode)
            wanted = home_mode() if path == home else mode & ~OTHERS
            if mode != wanted:
                path.chmod(wanted)
            if mode & ~wanted:
                mended.append(path)
    return mended


def open_to_others(path: Path) -> str | None:
    """The mode of a file ("0644") when others may read or write it, else None."""
    mode = stat.S_IMODE(path.stat().st_mode)
    return f"{mode:04o}" if mode & OTHERS else None
