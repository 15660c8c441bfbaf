"""DuckDB's errors in the user's words."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from airbyte_local.destinations.duckdb import memory
from airbyte_local.failures import StreamError
from airbyte_local.schema import StreamPlan
from foundation.errors import EltError

_FULL = ("No space left on device", "File too large", "Disk quota exceeded", "max_temp_directory_size")
_LOCKED = re.compile(r"Conflicting lock is held in (.*?) \(PID (\d+)\)")


def is_locked(error: duckdb.Error) -> bool:
    """Whether another process has the file open."""
    return "Could not set lock" in str(error)


def explained(error: Exception, path: Path, doing: str | StreamPlan) -> EltError:
    """What was found and what to do about it, while `doing` a step or loading a stream.

    A value that does not fit is that stream's alone: a StreamError.
    """
    message = str(error)
    if isinstance(doing, StreamPlan):
        if isinstance(error, duckdb.ConversionException):
            return StreamError(
                doing.key,
                f"stream {doing.label}: a value does not fit its column: {_first_line(message)}",
                "correct the value in the source, or leave the column out with selectedFields",
                unfit=True,
            )
        doing = f"stream {doing.label}"
    if any(sign in message for sign in _FULL):
        return EltError(
            f"the disk of the warehouse {path} is full ({doing}); the warehouse is as it was before this sync",
            f"free space on {path.parent}, then sync again",
        )
    if "Could not set lock" in message:
        held = _LOCKED.search(message)
        owner = f"{Path(held[1].split()[0]).name} (process {held[2]})" if held else "another process"
        return EltError(
            f"the warehouse {path} is in use by {owner}", "wait for it to end, or stop it, then sync again"
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return EltError(
            f"not enough memory for {doing}: {_first_line(message)}",
            f"raise {memory.VARIABLE} (it is {memory.megabytes()}) and restart the server, or leave columns out",
        )
    return EltError(f"{doing}: the warehouse {path} refused: {_first_line(message)}", "see the job's log")


def _first_line(message: str) -> str:
    return message.strip().partition("\n")[0]
