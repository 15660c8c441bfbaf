"""How many digits DuckDB's types of exact numbers hold."""

from __future__ import annotations

import re
from typing import NamedTuple

INTEGER_DIGITS = {"SMALLINT": 5, "INTEGER": 10, "BIGINT": 19}


class Digits(NamedTuple):
    """Digits before and after the decimal point."""

    whole: int
    scale: int

    def hold(self, other: Digits) -> bool:
        """Whether every number of `other` digits fits in these, exactly."""
        return self.whole >= other.whole and self.scale >= other.scale

    def with_room_for(self, other: Digits) -> Digits:
        """The fewest digits that hold both."""
        return Digits(max(self.whole, other.whole), max(self.scale, other.scale))


def digits(type_: str) -> Digits | None:
    """The digits of a type as DuckDB's catalogue spells it ("DECIMAL(8,2)" → 6 and 2); None when it is not exact."""
    if type_ in INTEGER_DIGITS:
        return Digits(INTEGER_DIGITS[type_], 0)
    found = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", type_)
    return Digits(int(found[1]) - int(found[2]), int(found[2])) if found else None
