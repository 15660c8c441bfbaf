"""What people write about data tools: invented posts of each day, and the files of JSON lines that they arrive in.

A day's file has a line per post, is there when the day is over, and never changes (a pipe of Snowflake would not read it again). Days
are not always good: some posts arrive twice, some are edited the next day, some files are days late, some lines are cut off. The same
seed gives the same files, in any process. Nobody has written these posts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from local_apis.chance import fractions

CHANNELS = ("forum", "newsletter", "chat", "blog")

# by kind: a tool or trend as it is written, and the day since when somebody writes of it
TOOLS = {
    "warehouse": {
        "Snowflake": None,
        "BigQuery": None,
        "Redshift": None,
        "DuckDB": None,
        "ClickHouse": date(2022, 3, 1),
        "Databricks": None,
    },
    "orchestrator": {"Airflow": None, "Dagster": None, "Prefect": None, "Kestra": date(2023, 6, 1)},
    "table format": {"Iceberg": None, "Delta Lake": None, "Hudi": None, "DuckLake": date(2025, 5, 27)},
    "trend": {
        "data contracts": None,
        "the semantic layer": None,
        "data mesh": None,
        "reverse ETL": None,
        "zero-copy sharing": date(2024, 2, 1),
        "AI agents": date(2025, 1, 15),
    },
}
NAMES = {
    "the semantic layer": "semantic layer",
    "zero-copy sharing": "zero-copy",
}  # as a keyword, where that differs

SENTENCES = {
    "positive": (
        "We moved our reports to {a}, and everybody loves how fast they are.",
        "{a} made our nightly load a pleasure; great work by its maintainers.",
        "A year with {a}: reliable, easy to run, and we are happy with it.",
        "{a} and {b} work together beautifully here.",
        "Good news for our team: {a} solved the problem that {b} could not.",
    ),
    "negative": (
        "{a} failed again last night and nobody knows why. Terrible.",
        "The upgrade of {a} was a disaster, and we lost a day.",
        "I am tired of the bad documentation of {a}.",
        "{a} with {b} is a nightmare: slow, broken and hard to debug.",
        "Our bill for {a} is horrible, and support ignored us.",
    ),
    "neutral": (
        "The new release of {a} is out this week.",
        "How do you schedule a job in {a} that depends on {b}?",
        "We run {a} in two regions and read from it with a notebook.",
        "Here is a table of what {a} and {b} each store in their logs.",
        "The meeting about {a} begins at noon.",
    ),
    "aside": ("The office moves to the third floor on Monday.", "Notes from the meeting are in the wiki."),
}

EDITED_IN, TWICE_IN = 25, 20  # posts
LATE_IN, BROKEN_IN = 25, 20  # days
LATE_DAYS = 3


@dataclass(frozen=True)
class Post:
    """A post as it is at a time. `keywords`: what it is about, in the words of the seed `post_keywords`."""

    post_id: str
    channel: str
    posted_at: datetime
    edited_at: datetime | None
    text: str
    mood: str
    keywords: frozenset[str]

    @property
    def line(self) -> str:
        record = {
            "post_id": self.post_id,
            "channel": self.channel,
            "posted_at": told(self.posted_at),
            "edited_at": told(self.edited_at) if self.edited_at else None,
            "text": self.text,
        }
        return json.dumps(record, ensure_ascii=False)

    @property
    def version(self) -> datetime:
        return self.edited_at or self.posted_at


def told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


class Posts:
    """The posts from a day on. `extra`: lines by day that a test has added, broken ones among them."""

    def __init__(self, first_day: date, seed: int = 42, *, bad_days: bool = True) -> None:
        self.first_day, self._seed, self._bad_days = first_day, seed, bad_days
        self.extra: dict[date, list[str | Post]] = {}

    def files(self, now: datetime) -> Iterator[tuple[str, bytes]]:
        """Each file that is there by now: its name and its content, the first day first."""
        for day in self._days(now):
            lines = [one if isinstance(one, str) else one.line for one in self._lines(day)]
            yield f"{day:%Y/%m}/{day}.jsonl", "".join(f"{line}\n" for line in lines).encode()

    def truth(self, now: datetime) -> dict[str, Post]:
        """The posts that have arrived by now, as they were last edited."""
        known: dict[str, Post] = {}
        for day in self._days(now):
            for one in self._lines(day):
                if isinstance(one, Post) and (
                    one.post_id not in known or known[one.post_id].version <= one.version
                ):
                    known[one.post_id] = one
        return known

    def broken(self, now: datetime) -> int:
        """How many lines of the files are no posts."""
        return sum(isinstance(one, str) for day in self._days(now) for one in self._lines(day))

    def _days(self, now: datetime) -> Iterator[date]:
        """The days whose files have arrived."""
        for number in range((now.date() - self.first_day).days):
            day = self.first_day + timedelta(days=number)
            wait = LATE_DAYS if self._bad_days and self._happens("late", LATE_IN, day) else 1
            if now.date() - day >= timedelta(days=wait):
                yield day

    def _lines(self, day: date) -> list[str | Post]:
        """A day's file: its posts, then edits of the day before, repeated ones, and a line that was cut off."""
        found: list[str | Post] = [*self._of(day), *self.extra.get(day, [])]
        if self._bad_days and day > self.first_day:
            yesterday = self._of(day - timedelta(days=1))
            found += [self._edited(one) for one in yesterday if self._happens("edit", EDITED_IN, one.post_id)]
            found += [one for one in yesterday if self._happens("twice", TWICE_IN, one.post_id)]
            if self._happens("broken", BROKEN_IN, day):
                found.append(yesterday[0].line[:-20])
        return found

    def _of(self, day: date) -> list[Post]:
        many, *_ = fractions(self._seed, "posts", day)
        return [self._post(day, number) for number in range(6 + int(8 * many))]

    def _post(self, day: date, number: int) -> Post:
        name = f"{day}-{number:03}"
        when, where, mood, topic = fractions(self._seed, "post", name)
        first, second, which, words = fractions(self._seed, "text", name)
        kinds = list(TOOLS)
        a, a_keyword = self._tool(kinds[int(topic * len(kinds))], first, day)
        b, b_keyword = self._tool(kinds[int(which * len(kinds))], second, day)
        tone = (
            "positive" if mood < 0.35 else "negative" if mood < 0.6 else "neutral" if mood < 0.95 else "aside"
        )
        sentence = SENTENCES[tone][int(words * len(SENTENCES[tone]))]
        text = sentence.format(a=a, b=b)
        used = {keyword for slot, keyword in (("{a}", a_keyword), ("{b}", b_keyword)) if slot in sentence}
        return Post(
            name,
            CHANNELS[int(where * len(CHANNELS))],
            at(day, int(when * 86_399)),
            None,
            text[0].upper() + text[1:],
            "neutral" if tone == "aside" else tone,
            frozenset(used),
        )

    def _tool(self, kind: str, chance: float, day: date) -> tuple[str, str]:
        known = [name for name, since in TOOLS[kind].items() if since is None or since <= day]
        name = known[int(chance * len(known))]
        return name, NAMES.get(name, name)

    def _edited(self, post: Post) -> Post:
        """The post the morning after, when its author was sorry."""
        return replace(
            post,
            edited_at=at(post.posted_at.date() + timedelta(days=1), 5 * 3600),
            text=f"{post.text} Correction: it was our mistake, we are sorry.",
            mood="edited",
        )

    def _happens(self, what: str, once_in: int, *names: Any) -> bool:
        return fractions(self._seed, what, *names)[0] < 1 / once_in


def at(day: date, seconds: int) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=seconds)
