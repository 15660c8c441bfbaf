"""The local GitHub: pages by `Link`, quotas of tokens, and counts that agree with each other."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from local_apis.api import refused
from local_apis.github import TOOLS, Github
from local_apis.github_api import GithubApi, Token

NOW = datetime(2024, 4, 10, tzinfo=UTC)
LUIGI = next(tool for tool in TOOLS if tool.full_name == "spotify/luigi")


@pytest.fixture(scope="module")
def github() -> Github:
    return Github(date(2024, 1, 1))


@pytest.fixture
def tokens() -> dict[str, Token]:
    return {"one": Token()}


@pytest.fixture
def client(github: Github, tokens: dict[str, Token]) -> TestClient:
    api = GithubApi(github, tokens, lambda: NOW)
    app = Starlette(routes=api.routes, exception_handlers={HTTPException: refused})
    return TestClient(app, headers={"Authorization": "token one"})


def test_pages_follow_each_other_and_hold_every_commit_once(client: TestClient, github: Github) -> None:
    found, address = [], "/repos/spotify/luigi/commits?per_page=10"
    while address:
        answer = client.get(address)
        found += [one["sha"] for one in answer.json()]
        address = answer.links.get("next", {}).get("url")
    known = [one["sha"] for one in github.commits(LUIGI, NOW)]
    assert found == known and len(known) > 30


def test_contributors_are_computed_first_and_agree_with_the_commits(
    client: TestClient, github: Github
) -> None:
    assert client.get("/repos/spotify/luigi/stats/contributors").status_code == 202
    found = client.get("/repos/spotify/luigi/stats/contributors").json()
    assert sum(one["total"] for one in found) == len(github.commits(LUIGI, NOW))
    assert all(one["total"] == sum(week["c"] for week in one["weeks"]) for one in found)


def test_a_repository_was_updated_when_something_last_happened_in_it(
    client: TestClient, github: Github
) -> None:
    """The connector leaves out a repository that was not updated since its first day."""
    stars = github.stargazers(LUIGI, NOW)
    found = client.get("/repos/spotify/luigi").json()
    assert found["stargazers_count"] == len(stars)
    assert found["pushed_at"] == github.commits(LUIGI, NOW)[0]["commit"]["committer"]["date"]
    assert found["updated_at"] == max(found["pushed_at"], stars[-1]["starred_at"]) > found["created_at"]
    assert found["updated_at"] in [one["updated_at"] for one in client.get("/orgs/spotify/repos").json()]


def test_a_token_has_a_quota_and_asking_for_it_costs_nothing(
    client: TestClient, tokens: dict[str, Token]
) -> None:
    tokens["one"].left = 1
    assert client.get("/rate_limit").json()["resources"]["core"]["remaining"] == 1
    assert client.get("/repos/spotify/luigi").headers["X-RateLimit-Remaining"] == "0"
    over = client.get("/repos/spotify/luigi")
    assert (over.status_code, over.json()["message"]) == (403, "API rate limit exceeded")


def test_an_unknown_token_and_an_unknown_repository_are_refused(client: TestClient) -> None:
    assert client.get("/repos/spotify/luigi", headers={"Authorization": "token two"}).status_code == 401
    assert client.get("/repos/spotify/nothing").status_code == 404
