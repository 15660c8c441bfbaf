"""Read the DuckDB warehouse between its writers: wait a little, else say who is in the way."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import duckdb

from foundation.errors import EltError
from foundation.lease import WarehouseInUseError, reading

Config = dict[str, str | bool | int | float | list[str]]  # as DuckDB's `connect` takes it
WAIT_SECONDS = 10.0
BUSY = re.compile(
    r"Could not set lock on file.*?Conflicting lock is held in (?P<holder>.+?)(?:\\. See|\.$|$)", re.S
)

# what reads a new file has the same version of DuckDB, by the lock file: text is smaller, and written in half the time
NEW_FILE: Config = {"storage_compatibility_version": "latest"}

MAGIC = slice(8, 12)  # the bytes by which DuckDB knows its files

# what someone who may only read the file's tables needs: no other file, no way to change these settings back
LOCKED_DOWN: Config = {
    "enable_external_access": "false",
    "autoload_known_extensions": "false",
    "lock_configuration": "true",
}


def is_there(path: Path, remedy: str = "remove or restore the file, then `make demo`") -> bool:
    """Whether there is a database file of DuckDB. Raises EltError for what else is there: a folder, a link to nothing, another
    file; DuckDB would look for an extension that reads it, in the network, too."""
    if not path.exists():
        if path.is_symlink():
            raise EltError(f"{path} can't be read: it is a link to nothing", remedy)
        return False
    if not path.is_file():
        raise EltError(f"{path} can't be read: it is no file", remedy)
    with path.open("rb") as file:
        if file.read(MAGIC.stop)[MAGIC] != b"DUCK":
            raise EltError(f"{path} can't be read: it is no database of DuckDB", remedy)
    return True


@contextmanager
def open_read_only(
    path: Path,
    reader: str,
    *,
    leased: bool = True,
    config: Config | None = None,
    wait_seconds: float | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to `path` for the length of a block; writers wait for its end.

    `reader` names who reads ("elt sql"); `leased=False` is for published files, which nobody writes. Raises EltError when
    the file is missing or can't be read, WarehouseInUseError (with the owner) when it stays locked.
    """
    if not path.exists():
        raise EltError(f"there is no warehouse at {path}", "run `make demo` first (ELT_HOME moves it)")
    wait_seconds = WAIT_SECONDS if wait_seconds is None else wait_seconds
    with reading(path, reader, wait_seconds) if leased else nullcontext():
        is_there(path)  # whoever makes the file has the lease
        connection = _connect(path, config or {}, time.monotonic() + wait_seconds)
        try:
            yield connection
        finally:
            connection.close()


def _connect(path: Path, config: Config, deadline: float) -> duckdb.DuckDBPyConnection:
    while True:
        try:
            return duckdb.connect(path, read_only=True, config=config)
        except duckdb.Error as error:
            busy = BUSY.search(str(error))
            if busy is None:
                raise EltError(
                    f"{path} can't be read: {first_line(error)}",
                    "remove or restore the file, then `make demo`",
                ) from None
            if time.monotonic() >= deadline:
                raise _in_use(path, busy) from None
        time.sleep(0.1)


def _in_use(path: Path, busy: re.Match[str]) -> WarehouseInUseError:
    """By a program that does not know the lease: DuckDB names its process."""
    return WarehouseInUseError(
        f"the warehouse {path} is in use by {busy['holder']}", "end that program, then try again"
    )


def wait_until_writable(path: Path, deadline: float) -> None:
    """Wait for programs that have the file open without the lease, until `deadline` (of the monotonic clock).

    For a holder of the lease that lets another library open the file; the library reports other faults of the file. Raises
    WarehouseInUseError, with DuckDB's words about the process.
    """
    while True:
        try:
            duckdb.connect(path).close()
        except duckdb.Error as error:
            busy = BUSY.search(str(error))
            if busy is not None and time.monotonic() >= deadline:
                raise _in_use(path, busy) from None
            if busy is None:
                return
        else:
            return
        time.sleep(0.1)


def first_line(error: Exception) -> str:
    """The first line of DuckDB's message: what is wrong, without the excerpt below it."""
    return str(error).strip().splitlines()[0]
