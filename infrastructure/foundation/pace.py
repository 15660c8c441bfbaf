"""Events at an even rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

LONGEST_NAP = 0.1  # seconds; then it is asked whether to stop


def paced(
    rate: float,
    stopped: Callable[[], bool] = lambda: False,
    *,
    seconds: float | None = None,
    events: int | None = None,
) -> Iterator[int]:
    """Numbers from 1 on, `rate` of them a second, the first at once; who takes longer gets the late ones without a wait.

    Ends after `seconds`, after so many `events`, or soon after `stopped()`.
    """
    started, number = time.monotonic(), 0
    while (
        not stopped()
        and (seconds is None or time.monotonic() - started < seconds)
        and (events is None or number < events)
    ):
        wait = started + number / rate - time.monotonic()
        if wait > 0:
            time.sleep(min(wait, LONGEST_NAP))
        else:
            number += 1
            yield number
