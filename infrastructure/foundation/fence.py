"""A fence around this process, which the kernel holds (Landlock): files and servers that it can reach from then on."""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

# Linux, include/uapi/linux/landlock.h; the numbers are the same on x86-64 and arm64
CREATE, ADD, RESTRICT = 444, 445, 446
VERSION_ASKED, PATH_BENEATH, NO_NEW_PRIVILEGES = 1, 1, 38
EXECUTE, WRITE, READ, READ_FOLDER, MOVE, TRUNCATE, DEVICE = 1, 2, 4, 8, 1 << 13, 1 << 14, 1 << 15
OF_FILES = EXECUTE | WRITE | READ | TRUNCATE | DEVICE
TCP_BIND, TCP_CONNECT = 1, 2
OLDEST = 2  # before, nothing could be moved from one folder to another


def fence(reads: Iterable[Path], writes: Iterable[Path]) -> bool:
    """From here on this thread, and all that it starts, open files below `reads` to read and below `writes` for everything, and no other.

    Nor do they open TCP connections or listen on further ports, where the kernel can forbid that (Linux 6.7). What is open stays open.
    Paths that are not there are passed over. False, and nothing is changed: this is no Linux from 5.19 on, or its administrator has
    switched Landlock off.
    """
    if sys.platform != "linux":
        return False
    version = _call(CREATE, None, 0, VERSION_ASKED)
    if version < OLDEST:
        return False
    every = (MOVE << 1) - 1 | (TRUNCATE if version >= 3 else 0) | (DEVICE if version >= 5 else 0)
    rules = struct.pack("=Q", every) + (struct.pack("=Q", TCP_BIND | TCP_CONNECT) if version >= 4 else b"")
    ruleset = _call(CREATE, rules, len(rules), 0)
    if ruleset < 0:
        return False
    try:
        for paths, rights in ((reads, EXECUTE | READ | READ_FOLDER), (writes, every)):
            for path in paths:
                with suppress(FileNotFoundError):
                    _allow(ruleset, path, rights & every)
        libc = ctypes.CDLL(None, use_errno=True)
        return libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0 and _call(RESTRICT, ruleset, 0) == 0
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            rights &= OF_FILES
        if _call(ADD, ruleset, PATH_BENEATH, struct.pack("=Qi", rights, opened), 0) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
    finally:
        os.close(opened)


def _call(number: int, *arguments: object) -> int:
    return int(ctypes.CDLL(None, use_errno=True).syscall(number, *arguments))
