"""What the services of optional sources have in common: how calls are counted, and how their parameters are read."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request

from foundation.limits.rate import Bucket

AN_ERROR_IN = 40  # calls


class Calls:
    """Counts the calls of a service that takes `per_minute` of them, a twelfth of those at once. `faults`: now and then one fails."""

    def __init__(self, per_minute: float, *, faults: bool) -> None:
        self.limit = Bucket(per_minute, max(1.0, per_minute / 12))
        self.faults, self.number = faults, 0

    def count(self) -> None:
        """Take one. Raises HTTPException: 429 with `Retry-After` beyond the limit; 500 for one in AN_ERROR_IN, with faults."""
        if wait := self.limit.wait():
            raise HTTPException(429, "too many calls", {"Retry-After": str(math.ceil(wait))})
        self.number += 1
        if self.faults and self.number % AN_ERROR_IN == 0:
            raise HTTPException(500, "something went wrong, try again")


def moment(request: Request, name: str) -> datetime:
    """A parameter as a time in UTC, which one without a zone is in. Raises HTTPException that names it."""
    try:
        found = datetime.fromisoformat(request.query_params.get(name, ""))
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the second: in UTC it would be in no year from 1 to 9999
        raise HTTPException(400, f"{name}: an ISO 8601 time, as 2026-01-31T00:00:00Z") from None


def page_size(request: Request, default: int, most: int) -> int:
    """The parameter `page_size`. Raises HTTPException: no whole number from 1 to `most`."""
    given = request.query_params.get("page_size", str(default))
    try:
        size = int(given)
    except ValueError:
        raise HTTPException(400, "page_size: a whole number") from None
    if not 1 <= size <= most:
        raise HTTPException(400, f"page_size: from 1 to {most}")
    return size
