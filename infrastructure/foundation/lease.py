"""The lease on the warehouse: one writer at a time, and everybody can see who it is.

DuckDB lets one process write. The lease is a kernel file lock next to the warehouse (gone with its process, however
that ends) plus a readable note of its owner; the note alone means nothing, so that a crash leaves nothing to clean up.

A run of the DAG is many processes, one after the other. Between them it keeps the lease by a reservation: a note that names the
run, which only processes of that run (ELT_RUN) get past. It has to be renewed, and ends by itself when nobody does.
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

from foundation.errors import EltError, Kind

RUN_VARIABLE = "ELT_RUN"  # in the environment of a run's processes: which run
RESERVED_SECONDS = 120.0  # that a reservation outlives its last renewal


class WarehouseInUseError(EltError):
    """Another writer holds the warehouse."""

    kind = Kind.RETRY


def _note(warehouse: Path) -> Path:
    return warehouse.with_name(warehouse.name + ".owner.json")


def lease_lock(warehouse: Path) -> FileLock:
    """The lock itself, for a caller that keeps it as long as its process lives."""
    warehouse.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(warehouse.with_name(warehouse.name + ".lock"))


def acquire(warehouse: Path, owner: str, wait_seconds: float = 60.0, run: str | None = None) -> FileLock:
    """Take the lease for `owner` ("sync job 12", "dbt build"); release with `.release()` or by ending the process.

    `run`: on whose behalf, when it is a run's; else what ELT_RUN says. Raises WarehouseInUseError, naming the present owner,
    when it is not free, or is reserved for another run, for `wait_seconds`.
    """
    lock = lease_lock(warehouse)
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            lock.acquire(timeout=max(0.0, deadline - time.monotonic()), poll_interval=0.1)
        except Timeout:
            raise in_use(warehouse) from None
        reserved = _reservation(warehouse)
        ours = reserved is not None and reserved["run"] == (run or os.environ.get(RUN_VARIABLE))
        if ours or not _alive(warehouse):
            if not ours:  # one that nobody renewed is over
                _reserved(warehouse).unlink(missing_ok=True)
            _sign(warehouse, owner)
            return lock
        lock.release()
        if time.monotonic() >= deadline:
            raise in_use(warehouse)
        time.sleep(0.1)


def in_use(warehouse: Path) -> WarehouseInUseError:
    """The error that names who holds the warehouse now."""
    return WarehouseInUseError(
        f"the warehouse {warehouse} is in use by {holder(warehouse) or 'another process'}",
        "wait for it to end (`elt status`), or stop it, then try again",
    )


def _sign(warehouse: Path, owner: str) -> None:
    note = {"owner": owner, "pid": os.getpid(), "since": _now()}
    draft = _note(warehouse).with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(note))
    draft.replace(_note(warehouse))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@contextmanager
def lease(warehouse: Path, owner: str, wait_seconds: float = 60.0, run: str | None = None) -> Iterator[None]:
    """Hold the lease for the length of a block. Raises as `acquire` does."""
    lock = acquire(warehouse, owner, wait_seconds, run)
    try:
        yield
    finally:
        lock.release()


def reserve(warehouse: Path, run: str) -> None:
    """Keep the lease for `run` between its processes; for who holds the lease. Renew it within RESERVED_SECONDS."""
    note = {"run": run, "pid": os.getpid(), "since": _now()}
    draft = _reserved(warehouse).with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(note))
    draft.replace(_reserved(warehouse))


def renew(warehouse: Path, run: str) -> bool:
    """Keep the reservation alive; False when somebody else has had the lease since, because it was not."""
    reserved = _reservation(warehouse)
    if reserved is None or reserved["run"] != run:
        return False
    os.utime(_reserved(warehouse))
    return True


def give_back(warehouse: Path, run: str) -> None:
    """End the reservation, if it is this run's."""
    reserved = _reservation(warehouse)
    if reserved is not None and reserved["run"] == run:
        _reserved(warehouse).unlink(missing_ok=True)


def _reserved(warehouse: Path) -> Path:
    return warehouse.with_name(warehouse.name + ".reserved.json")


def _reservation(warehouse: Path) -> dict[str, str] | None:
    """The last reservation, unless it was given back, or somebody took the lease after it was over."""
    return _read(_reserved(warehouse), ("run", "since"))


def _read(note: Path, fields: tuple[str, ...]) -> dict[str, str] | None:
    """A note with these fields; None for one that is not there, or damaged: it says nothing."""
    try:
        found = json.loads(note.read_text())
        return {name: str(found[name]) for name in fields}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _alive(warehouse: Path) -> bool:
    try:
        return time.time() - _reserved(warehouse).stat().st_mtime < RESERVED_SECONDS
    except OSError:
        return False


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
        note = _read(_note(warehouse), ("owner", "pid", "since"))
        if note is None:
            return "a writer that has just started"
        return f"{note['owner']} (process {note['pid']}, since {note['since']})"
    lock.release()
    reserved = _reservation(warehouse)
    if reserved is None and _alive(warehouse):
        return f"a run, by a note that is damaged ({_reserved(warehouse)}; it ends within {RESERVED_SECONDS:g} s)"
    if reserved is not None and _alive(warehouse):
        return f"the run {reserved['run']}, between two of its tasks (since {reserved['since']})"
    return None
