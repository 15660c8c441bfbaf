"""One typed reading of a record's values: type of the schema × form in JSON → the column's value, and what was lost of it.

`TABLE` is the whole of it. The rules are those of Airbyte's own destinations (`AirbyteValueCoercer` of its bulk CDK) and of
"Data types in records", Airbyte's page of types; where they lose something without a word, it is said here. Numbers stay the
text that they came as until a column needs them otherwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, NamedTuple

from airbyte_local.exact import Constant, Digits

DAY = 86_400_000_000  # microseconds
LEAST, GREATEST = -(2**63), 2**63 - 1  # of an integer
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair, and bytes that are not UTF-8
NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
CLOCK = r"([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)? ?(Z|z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?"
TIME = re.compile(CLOCK)
MOMENT = re.compile(rf"([0-9]{{4}})([-/.]?)([0-9]{{2}})\2([0-9]{{2}})(?:[Tt ]{CLOCK})?(?: (BC|AD))?")
ESCAPES = {code: f"\\u{code:04X}" for code in range(0x20)} | {
    ord(char): f"\\{escaped}" for char, escaped in zip('"\\\b\f\n\r\t', '"\\bfnrt', strict=True)
}


class Pairs(list[tuple[str, Any]]):
    """An object: its names and values in their order."""


class Change(StrEnum):
    """What happened to a value, in the protocol's words."""

    NULLED = "NULLED"
    TRUNCATED = "TRUNCATED"


class Reason(StrEnum):
    """Why, in the protocol's words."""

    TYPECAST = "DESTINATION_TYPECAST_ERROR"
    SIZE = "DESTINATION_FIELD_SIZE_LIMITATION"
    SERIALIZATION = "DESTINATION_SERIALIZATION_ERROR"


class Loss(NamedTuple):
    """What is said of a value that is not what it was."""

    change: Change
    reason: Reason


NO_FORM = Loss(Change.NULLED, Reason.TYPECAST)
TOO_LARGE = Loss(Change.NULLED, Reason.SIZE)
CUT = Loss(Change.TRUNCATED, Reason.TYPECAST)  # a time or a zone that the type has not
ROUNDED = Loss(Change.TRUNCATED, Reason.SIZE)  # digits that the type has not
REPLACED = Loss(Change.TRUNCATED, Reason.SERIALIZATION)  # what has no encoding

Reading = tuple[Any, Loss | None]  # a value of the column's type, and what was lost on the way
Rule = Callable[[Any], Reading]
FORMS = {
    str: "string",
    Digits: "number",
    Constant: "NaN, infinity",
    bool: "boolean",
    Pairs: "object",
    list: "array",
}
DECODER = json.JSONDecoder(
    strict=False, parse_int=Digits, parse_float=Digits, parse_constant=Constant, object_pairs_hook=Pairs
)


def parsed(line: bytes) -> Any:
    """JSON with its numbers as they came. Raises ValueError.

    Bytes that are no UTF-8 become halves of surrogate pairs, so that one rule holds for all that has no encoding.
    """
    try:
        return DECODER.decode(line.decode(errors="surrogateescape"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def by_name(pairs: Any) -> dict[str, Any]:
    """An object by its names: of two values of one name the first counts. Raises ValueError when it is none."""
    if type(pairs) is not Pairs:
        raise ValueError("no object where the protocol has one")
    return dict(pairs[::-1])


def read(type_: str, value: Any) -> Reading:
    """A parsed value as a type of TABLE's."""
    return (None, None) if value is None else TABLE[type_][type(value)](value)


# -- rules: their first line is what the documentation says


def kept(value: str) -> Reading:
    """as it is"""
    if value.isascii():
        return value, None
    clean, found = HALF.subn(REPLACEMENT, value)
    return clean, REPLACED if found else None


def digits(value: str) -> Reading:
    """its text"""
    return "0" if value == "-0" else str(value), None


def word(value: bool) -> Reading:
    """its text"""
    return "true" if value else "false", None


def compact(value: Any) -> Reading:
    """its JSON"""
    lost: list[str] = []
    clean, loss = kept("".join(_written(value, lost)))
    return clean, REPLACED if lost else loss


def truth(value: bool) -> Reading:
    """as it is"""
    return value, None


def refused(_: Any) -> Reading:
    """null"""
    return None, NO_FORM


def integer(value: str) -> Reading:
    """the number, if it is whole"""
    exact = _exact(value)
    if exact is None or exact != exact.to_integral_value():
        return None, NO_FORM
    if not LEAST <= exact <= GREATEST:
        return None, TOO_LARGE
    return int(exact), None


def number(value: str) -> Reading:
    """the number, in double precision"""
    exact = _exact(value)
    if exact is None:
        return None, NO_FORM
    found = 0.0 if type(value) is Digits and value == "-0" else float(value)
    if found in (float("inf"), float("-inf")):
        return None, TOO_LARGE
    same = exact == Decimal(repr(found)) or exact == Decimal(found)
    return found, None if same else ROUNDED


def day(value: str) -> Reading:
    """the day; a time is cut off"""
    moment = _moment(value)
    if moment is None:
        return None, NO_FORM
    return moment.day, CUT if moment.clock or moment.is_finer else None


def instant(value: str) -> Reading:
    """the moment; without a zone it is in UTC"""
    moment = _moment(value)
    if moment is None:
        return None, NO_FORM
    at = moment.day * DAY + moment.clock - (moment.offset or 0)
    return at, ROUNDED if moment.is_finer else None


def local(value: str) -> Reading:
    """the date and time; a zone is cut off"""
    moment = _moment(value)
    if moment is None:
        return None, NO_FORM
    return moment.day * DAY + moment.clock, moment.loss


def clock(value: str) -> Reading:
    """the time of day; a zone is cut off"""
    found = TIME.fullmatch(value)
    moment = found and _clock(*found.groups())
    if moment is None or moment.clock >= DAY:
        return None, NO_FORM
    return moment.clock, moment.loss


def _only(**rules: Rule) -> dict[type, Rule]:
    """A row of the table: null for every form without a rule."""
    return {form: rules.get(name, refused) for form, name in FORMS.items()}


_TEXT: dict[type, Rule] = {
    str: kept,
    Digits: digits,
    Constant: digits,
    bool: word,
    Pairs: compact,
    list: compact,
}
_ANY: dict[type, Rule] = dict.fromkeys(FORMS, compact) | {Constant: refused}
TABLE: dict[str, dict[type, Rule]] = {
    "string": _TEXT,
    "time_with_timezone": _TEXT,
    "integer": _only(string=integer, number=integer),
    "number": _only(string=number, number=number),
    "boolean": _only(boolean=truth),
    "date": _only(string=day),
    "timestamptz": _only(string=instant),
    "timestamp": _only(string=local),
    "time": _only(string=clock),
    "object": _only(object=compact),
    "array": _only(array=compact),
    "union": _ANY,
    "any": _ANY,
}


# -- parts of rules


def _exact(text: str) -> Decimal | None:
    """A number in decimal notation, all its digits; None for other text, and for exponents of 18 digits and more."""
    if not NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


class Moment(NamedTuple):
    """Days since 1970; microseconds of the day; of the zone's offset, if there is one; whether more digits were there."""

    day: int
    clock: int
    offset: int | None
    is_finer: bool

    @property
    def loss(self) -> Loss | None:
        """Where the type has no zone."""
        if self.offset is not None:
            return CUT
        return ROUNDED if self.is_finer else None


def _moment(text: str) -> Moment | None:
    """A moment as RFC 3339, section 5.6, writes it, or ISO 8601 with less: without zone, seconds, or the time of day.

    Before Christ with ` BC` at its end. A leap second is the moment after it, as in PostgreSQL. None when it is none.
    """
    found = MOMENT.fullmatch(text)
    if found is None:
        return None
    year, _, month, of_month, *rest, era = found.groups()
    at = _clock(*rest) if rest[0] else Moment(0, 0, None, False)
    date = _day_number(1 - int(year) if era == "BC" else int(year), int(month), int(of_month))
    return None if at is None or date is None else at._replace(day=date)


def _clock(
    hour: str, minute: str, second: str | None, fraction: str | None, zone: str | None
) -> Moment | None:
    seconds, parts = int(second or 0), fraction or ""
    offset = _offset(zone)
    if int(hour) > 23 or int(minute) > 59 or seconds > 60 or offset == DAY:
        return None
    at = ((int(hour) * 60 + int(minute)) * 60 + seconds) * 1_000_000 + int(parts[:6].ljust(6, "0"))
    return Moment(0, at, offset, seconds == 60 or bool(parts[6:].strip("0")))


def _offset(zone: str | None) -> int | None:
    """Microseconds to the east; a day for what is no zone."""
    if zone is None:
        return None
    if zone[0] not in "+-":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
    if hours > 23 or minutes > 59:
        return DAY
    return (hours * 60 + minutes) * 60_000_000 * (-1 if zone[0] == "-" else 1)


def _day_number(year: int, month: int, day: int) -> int | None:
    """Days since 1970-01-01 in the Gregorian calendar, also before it was made; the year 0 is 1 BC."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    lengths = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    if not (1 <= month <= 12 and 1 <= day <= lengths[month - 1]):
        return None
    before = year - 1
    return (
        365 * before + before // 4 - before // 100 + before // 400 + sum(lengths[: month - 1]) + day - 719_163
    )


def _written(value: Any, lost: list[str]) -> Iterator[str]:
    """JSON without blanks; what JSON has not is null and `lost`."""
    kind = type(value)
    if kind is str:
        yield f'"{value.translate(ESCAPES)}"'
    elif kind is Digits:
        yield "0" if value == "-0" else value
    elif value is None:
        yield "null"
    elif kind is bool:
        yield "true" if value else "false"
    elif kind is Constant:
        lost.append(value)
        yield "null"
    elif kind is Pairs:
        for index, (name, one) in enumerate(value):
            yield f'{"," if index else "{"}"{name.translate(ESCAPES)}":'
            yield from _written(one, lost)
        yield "}" if value else "{}"
    else:
        for index, one in enumerate(value):
            yield "," if index else "["
            yield from _written(one, lost)
        yield "]" if value else "[]"
