"""The lease on the warehouse: one writer at a time, and everybody can see who it is.

DuckDB lets one process write. The lease is a kernel file lock beside the warehouse (gone with its process, however
that ends) plus a readable note of its owner; the note alone means nothing, so that a crash leaves nothing to clean up.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from elt.errors import EltError


class WarehouseInUseError(EltError):
    """Another writer holds the warehouse."""


def _note(warehouse: Path) -> Path:
    return warehouse.with_name(warehouse.name + ".owner.json")


def lease_lock(warehouse: Path) -> FileLock:
    """The lock itself, for a caller that keeps it as long as its process lives."""
    warehouse.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(warehouse.with_name(warehouse.name + ".lock"))


def acquire(warehouse: Path, owner: str, wait_seconds: float = 60.0) -> FileLock:
    """Take the lease for `owner` ("sync job 12", "dbt build"); release with `.release()` or by ending the process.

    Raises WarehouseInUseError, naming the present owner, when it is not free within `wait_seconds`.
    """
    lock = lease_lock(warehouse)
    try:
        lock.acquire(timeout=wait_seconds, poll_interval=0.1)
    except Timeout:
        raise in_use(warehouse) from None
    _sign(warehouse, owner)
    return lock


def in_use(warehouse: Path) -> WarehouseInUseError:
    """The error that names who holds the warehouse now."""
    return WarehouseInUseError(
        f"the warehouse {warehouse} is in use by {holder(warehouse) or 'another process'}",
        "wait for it to end (`elt status`), or stop it, then try again",
    )


def _sign(warehouse: Path, owner: str) -> None:
    note = {"owner": owner, "pid": os.getpid(), "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    draft = _note(warehouse).with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(note))
    draft.replace(_note(warehouse))


@contextmanager
def lease(warehouse: Path, owner: str, wait_seconds: float = 60.0) -> Iterator[None]:
    """Hold the lease for the length of a block. Raises as `acquire` does."""
    lock = acquire(warehouse, owner, wait_seconds)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def reading(warehouse: Path, owner: str, wait_seconds: float = 10.0) -> Iterator[None]:
    """Hold writers off for the length of a block that reads; any number of readers may at the same time.

    A writer that found DuckDB's file open would fail at once; so it waits for the lease instead. Raises as `acquire`.
    """
    lock = os.open(lease_lock(warehouse).lock_file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise in_use(warehouse) from None
                time.sleep(0.1)
        _sign(warehouse, owner)
        yield
    finally:
        os.close(lock)


def holder(warehouse: Path) -> str | None:
    """Who holds the lease now ("sync job 12, process 4711, since …"), or None when it is free."""
    lock = lease_lock(warehouse)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        try:
            note = json.loads(_note(warehouse).read_text())
        except (OSError, ValueError):
            return "a writer that has just started"
        return f"{note['owner']} (process {note['pid']}, since {note['since']})"
    lock.release()
    return None
