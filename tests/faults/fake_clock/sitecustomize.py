"""A `time.sleep` for processes with libfaketime, which Python runs when they start.

Python sleeps until a moment. libfaketime 0.9.10 makes a length of it, and fails (EINVAL) where that moment has passed already, as it
does on a machine that is busy.
"""

import select
import time


def sleep(seconds: float) -> None:
    """Wait so many seconds of the real clock."""
    select.select((), (), (), seconds)


time.sleep = sleep
