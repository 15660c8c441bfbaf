"""Schedules as Airbyte writes them: Quartz expressions with seconds, a `?`, perhaps a year and a time zone.

`0 30 6 ? * MON-FRI`, `0 0 0/6 * * ? UTC`, `0 0 12 L * ? * Europe/Paris`. croniter computes the moments; what Quartz writes
otherwise (weekdays count from Sunday = 1) is translated for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from croniter import croniter
from croniter.croniter import CroniterBadDateError, CroniterError

MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


@dataclass(frozen=True)
class Field:
    name: str
    least: int
    greatest: int
    words: frozenset[str] = frozenset()


FIELDS = (
    Field("seconds", 0, 59),
    Field("minutes", 0, 59),
    Field("hours", 0, 23),
    Field("day of month", 1, 31, frozenset({"L", "W", "LW"})),
    Field("month", 1, 12, frozenset(MONTHS)),
    Field("day of week", 1, 7, frozenset({*WEEKDAYS, "L"})),
    Field("year", 1970, 2099),
)


@dataclass(frozen=True)
class Cron:
    """A valid expression. `text` names its time zone always, as Airbyte answers it."""

    text: str
    zone: ZoneInfo
    translated: str

    def after(self, moment: datetime) -> datetime | None:
        """The first moment later than this one, in UTC; None when there is none."""
        times = croniter(self.translated, moment.astimezone(self.zone), second_at_beginning=True)
        try:
            return times.get_next(datetime).astimezone(UTC)
        except CroniterBadDateError:
            return None


def parse(text: str) -> Cron:
    """Read an expression. Raises ValueError with what is wrong."""
    parts = text.split()
    zone = parts.pop() if len(parts) > 6 and re.match("[A-Za-z]", parts[-1]) else "UTC"
    if len(parts) not in (6, 7):
        raise ValueError(
            f"has {len(parts)} fields: a Quartz expression has 6 or 7 (seconds first), then perhaps a time zone"
        )
    day, weekday = parts[3], parts[5]
    if (day == "?") == (weekday == "?"):
        raise ValueError("exactly one of day of month and day of week must be ?")
    translated = [_checked(part.upper(), field) for part, field in zip(parts, FIELDS, strict=False)]
    translated[5] = _weekdays(translated[5])
    try:
        cron = Cron(" ".join([*parts, zone]), ZoneInfo(zone), " ".join(translated))
    except (KeyError, OSError, ValueError):  # unknown, or not even a name
        raise ValueError(f"{zone} is not a time zone") from None
    try:
        croniter(cron.translated, second_at_beginning=True)
    except CroniterError:
        raise ValueError(f"{text!r} is not a Quartz expression that this server can read") from None
    return cron


def _checked(part: str, field: Field) -> str:
    """The field, upper case, when its characters, words and numbers are Quartz's. Raises ValueError that names it."""
    allowed = "?" if field.name.startswith("day") else ""
    words = set(re.findall("[A-Z]+", part))
    if not re.fullmatch(rf"[A-Z0-9*,/#\-{allowed}]+", part) or not words <= field.words:
        raise ValueError(f"{part} is not a value for {field.name}")
    if re.search(r"LW|L-|^,|,$|,,", part):
        raise ValueError(f"{part} is not supported by this server for {field.name}")
    for number in re.findall(r"(?<![/#\d])\d+", part):
        if not field.least <= int(number) <= field.greatest:
            raise ValueError(f"{number} is not between {field.least} and {field.greatest} ({field.name})")
    for step in re.findall(r"/(\d*)", part):
        if not step or not 1 <= int(step) <= field.greatest:
            raise ValueError(f"/{step} is not a step for {field.name}")
    return part


def _weekdays(part: str) -> str:
    """Quartz's weekdays (1 or SUN to 7 or SAT, `6L`, `6#3`) as croniter's (0 is Sunday)."""
    if part in ("*", "?"):
        return "*"
    return ",".join(_weekday(item) for item in part.split(","))


def _weekday(item: str) -> str:
    if item == "L":
        return "6"
    if match := re.fullmatch(r"(\w+)L", item):
        return f"L{_number(match[1])}"
    if match := re.fullmatch(r"(\w+)#([1-5])", item):
        return f"{_number(match[1])}#{match[2]}"
    span, _, step = item.partition("/")
    first, _, last = ("SUN-SAT" if span == "*" else span).partition("-")
    start = _number(first)
    end = _number(last) if last else 6 if step else start
    days = range(start, end + 1 if end >= start else end + 8, int(step or 1))
    return ",".join(str(day % 7) for day in days)


def _number(day: str) -> int:
    if day in WEEKDAYS:
        return WEEKDAYS.index(day)
    if not re.fullmatch("[1-7]", day):
        raise ValueError(f"{day} is not a value for day of week")
    return int(day) - 1
