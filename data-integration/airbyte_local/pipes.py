"""The pipes of processes that were started with them."""

from __future__ import annotations

from typing import IO, AnyStr


def pipe_of(stream: IO[AnyStr] | None) -> IO[AnyStr]:
    """A stream of a process that was started with a pipe for it. Raises ValueError for one without."""
    if stream is None:
        raise ValueError("the process has no pipe there")
    return stream
