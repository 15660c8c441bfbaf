"""Repositories of six orchestration tools as GitHub's API shows them. The names are real, all numbers and people are invented."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha1
from typing import Any

from local_apis.chance import fractions

PEOPLE = 400  # who contribute and star, over all repositories


@dataclass(frozen=True)
class Tool:
    """A repository. `crowd`: how evenly its work is shared, from 1 (few do nearly all of it) up; `pace`: commits of a weekday."""

    full_name: str
    language: str
    people: int
    crowd: float
    pace: float
    stars: int

    @property
    def number(self) -> int:
        return 1_000 + [tool.full_name for tool in TOOLS].index(self.full_name)


TOOLS = (
    Tool("apache/airflow", "Python", 180, 2.2, 6.0, 260),
    Tool("PrefectHQ/prefect", "Python", 60, 1.4, 4.0, 180),
    Tool("dagster-io/dagster", "Python", 70, 1.2, 5.0, 150),
    Tool("spotify/luigi", "Python", 90, 2.6, 0.6, 120),
    Tool("kestra-io/kestra", "Java", 40, 1.1, 4.5, 140),
    Tool("argoproj/argo-workflows", "Go", 100, 2.0, 2.5, 160),
)


class Github:
    """What the service knows at a time; `first_day`: when its history begins.

    `extra`: commits that a test has added; `edited`: what it has changed of releases, by id (None: the release is deleted).
    """

    def __init__(self, first_day: date = date(2022, 1, 1), seed: int = 42) -> None:
        self.first_day, self._seed = first_day, seed
        self.extra: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.edited: dict[int, dict[str, Any] | None] = {}
        self._made: dict[str, list[dict[str, Any]]] = {}

    def repository(self, tool: Tool, now: datetime) -> dict[str, Any]:
        """A repository as it is shown by now. The connector leaves out one that was not updated since its first day."""
        stars = self.stargazers(tool, now)
        pushed = max((one["commit"]["committer"]["date"] for one in self.commits(tool, now)), default=None)
        starred = max((one["starred_at"] for one in stars), default=None)
        created = f"{self.first_day}T00:00:00Z"
        owner, name = tool.full_name.split("/")
        organisation = {"login": owner, "id": tool.number + 10_000, "type": "Organization"}
        return {
            "id": tool.number,
            "name": name,
            "full_name": tool.full_name,
            "owner": organisation,
            "organization": organisation,
            "private": False,
            "description": f"{name}, with an invented history",
            "fork": False,
            "default_branch": "main",
            "language": tool.language,
            "stargazers_count": len(stars),
            "forks_count": tool.stars // 5,
            "open_issues_count": tool.people,
            "created_at": created,
            "updated_at": max(pushed or created, starred or created),
            "pushed_at": pushed or created,
        }

    def commits(self, tool: Tool, now: datetime) -> list[dict[str, Any]]:
        """The commits of the main branch up to now, the newest first."""
        if tool.full_name not in self._made:
            self._made[tool.full_name] = [
                commit
                for number in range((datetime.now(UTC).date() - self.first_day).days + 400)
                for commit in self._of_day(tool, self.first_day + timedelta(days=number))
            ]
        until = f"{now:%Y-%m-%dT%H:%M:%SZ}"
        found = [
            one
            for one in (*self._made[tool.full_name], *self.extra[tool.full_name])
            if one["commit"]["committer"]["date"] <= until
        ]
        return sorted(found, key=lambda one: (one["commit"]["committer"]["date"], one["sha"]), reverse=True)

    def _of_day(self, tool: Tool, day: date) -> list[dict[str, Any]]:
        many, _, _, _ = fractions(self._seed, tool.full_name, day)
        count = int(tool.pace * (0.25 if day.weekday() > 4 else 1.0) * 2 * many + 0.5)
        return [self._commit(tool, day, number) for number in range(count)]

    def _commit(self, tool: Tool, day: date, number: int) -> dict[str, Any]:
        who, hour, delay, _ = fractions(self._seed, tool.full_name, day, number)
        # the smaller `crowd`, the more goes to the first of them
        rank = int(tool.people * who ** (6 / tool.crowd))
        first, *_ = fractions(self._seed, "people", tool.full_name)
        person = (int(first * PEOPLE) + rank) % PEOPLE
        written = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=int(hour * 86_399))
        return commit_of(
            tool, f"{day}-{number}", person, written, written + timedelta(hours=int(delay**8 * 72))
        )

    def stargazers(self, tool: Tool, now: datetime) -> list[dict[str, Any]]:
        """Who starred it and when, the first ones first; most of them star several tools."""
        span = (datetime.now(UTC).date() - self.first_day).days + 400
        found = []
        for number in range(tool.stars):
            when, *_ = fractions(self._seed, "star", tool.full_name, number)
            at = datetime(self.first_day.year, self.first_day.month, self.first_day.day, tzinfo=UTC)
            at += timedelta(seconds=int(when * span * 86_400))
            if at <= now:
                found.append({"starred_at": f"{at:%Y-%m-%dT%H:%M:%SZ}", "user": user(number)})
        return sorted(found, key=lambda one: (one["starred_at"], one["user"]["id"]))

    def contributors(self, tool: Tool, now: datetime) -> list[dict[str, Any]]:
        """Who contributed how many commits in which weeks (which begin on Sundays), the busiest last."""
        weeks: dict[int, Counter[int]] = defaultdict(Counter)
        for one in self.commits(tool, now):
            day = datetime.fromisoformat(one["commit"]["author"]["date"])
            sunday = (day - timedelta(days=(day.weekday() + 1) % 7)).replace(hour=0, minute=0, second=0)
            weeks[one["author"]["id"]][int(sunday.timestamp())] += 1
        found = [
            {
                "author": user(number - 1),
                "total": sum(counts.values()),
                "weeks": [{"w": week, "a": 10 * n, "d": 3 * n, "c": n} for week, n in sorted(counts.items())],
            }
            for number, counts in weeks.items()
        ]
        return sorted(found, key=lambda one: (one["total"], one["author"]["id"]))

    def releases(self, tool: Tool, now: datetime) -> list[dict[str, Any]]:
        """A release about every thirty days of work, the first ones first, as nodes of GraphQL."""
        found: list[dict[str, Any]] = []
        day, number = self.first_day + timedelta(days=20), 1
        while day <= now.date():
            at = f"{day}T12:00:00Z"
            found.append(
                {
                    "node_id": f"R_{tool.number}_{number}",
                    "id": tool.number * 1_000 + number,
                    "name": f"1.{number}",
                    "tag_name": f"v1.{number}",
                    "created_at": at,
                    "published_at": at,
                    "updated_at": at,
                    "draft": False,
                    "prerelease": number % 4 == 0,
                    "body": "",
                    "body_html": "",
                    "html_url": f"https://github.example/{tool.full_name}/releases/v1.{number}",
                    "tagCommit": None,
                    "author": None,
                    "assets": {"nodes": [], "pageInfo": {"hasNextPage": False}},
                    "reaction_groups": [],
                    "mentions_connection": {"totalCount": 0},
                }
            )
            day += timedelta(days=20 + int(20 * fractions(self._seed, tool.full_name, "release", number)[0]))
            number += 1
        edited = [(one, self.edited.get(one["id"], {})) for one in found]
        return [one | changes for one, changes in edited if changes is not None]


def user(person: int) -> dict[str, Any]:
    """An account of the service."""
    login = f"dev-{person:03}"
    return {
        "login": login,
        "id": person + 1,
        "node_id": f"U_{person}",
        "type": "User",
        "site_admin": False,
        "html_url": f"https://github.example/{login}",
    }


def commit_of(tool: Tool, name: str, person: int, written: datetime, pushed: datetime) -> dict[str, Any]:
    """A commit that somebody wrote at one time and that reached the branch at another."""
    sha = sha1(f"{tool.full_name} {name}".encode(), usedforsecurity=False).hexdigest()
    signature = {"name": f"Developer {person}", "email": f"dev-{person:03}@mail.example"}
    return {
        "sha": sha,
        "node_id": f"C_{sha[:12]}",
        "html_url": f"https://github.example/{tool.full_name}/commit/{sha}",
        "commit": {
            "author": signature | {"date": f"{written:%Y-%m-%dT%H:%M:%SZ}"},
            "committer": signature | {"date": f"{pushed:%Y-%m-%dT%H:%M:%SZ}"},
            "message": f"Change {name}",
            "comment_count": 0,
        },
        "author": user(person),
        "committer": user(person),
        "parents": [],
    }
