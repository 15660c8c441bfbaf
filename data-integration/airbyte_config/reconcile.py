"""After a sync, while the source goes on changing: does raw hold what the source had committed when the sync began?

`verify` without the keys that have changed since. A row that still differs may have been deleted meanwhile, or committed late
in a sync that was adopted: those keys are checked once more, after one more sync. A difference that outlives it is real.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from airbyte_config.documents import DIRECTORY
from airbyte_config.row_comparison import StreamResult
from airbyte_config.verify import verify
from foundation.errors import EltError
from foundation.settings import Settings

WAIT_SECONDS = 600.0  # for a writer of the warehouse


class NotReconciledError(EltError):
    """Raw is not what the source was; `results` are the streams that differ."""

    exit_code = 1

    def __init__(self, results: list[StreamResult]) -> None:
        self.results = results
        super().__init__(
            "; ".join(result.line() for result in results),
            "find out what wrote into raw, then `elt airbyte refresh` the connection",
        )


def reconcile(
    connection: str,
    since: str | None,
    sync_again: Callable[[], str | None],
    *,
    directory: Path = DIRECTORY,
    report: Callable[[StreamResult], None] = lambda result: None,
    settings: Settings | None = None,
) -> list[StreamResult]:
    """Compare each stream of `connection`; `since` is the source's moment (`verify.moment`) before its last sync.

    `sync_again` runs one more sync and returns the moment before that; it is called when a stream differs, once.
    Raises NotReconciledError with up to five keys of each stream that differs after that, too; EltError when a side can't
    be read.
    """
    compare = partial(
        verify, connection, directory=directory, report=report, settings=settings, wait_seconds=WAIT_SECONDS
    )
    results = compare(since=since)
    doubtful = {result.stream: result.differing for result in results if not result.equal}
    if doubtful:
        again = compare(since=sync_again(), among=doubtful)
        if differing := [result for result in again if not result.equal]:
            raise NotReconciledError(differing)
    return results
