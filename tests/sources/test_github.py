"""The official connector for GitHub on its service's bad days, into a warehouse; and the marts that are built of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount

from foundation.errors import EltError
from foundation.settings import settings
from local_apis.api import refused
from local_apis.github import TOOLS, Github, commit_of
from local_apis.github_api import GithubApi, Token
from tests.fixtures.apis import Clock, Services, Syncs, served
from tests.fixtures.snowflake import Snowflake
from tests.integration.transformation.raw_layer import Warehouse
from tests.integration.transformation.small_shop import FIRST_SYNC, order
from tests.integration.transformation.test_snowflake import differences
from tests.sources.questions import Question, questions
from tests.sources.troubles import passed, replied

NOW = datetime(2024, 4, 10, 12, 0, tzinfo=UTC)
START = date(2024, 3, 1)
READ = {tool.full_name: tool for tool in TOOLS if tool.full_name in ("spotify/luigi", "kestra-io/kestra")}
SOURCES = {"ELT_SOURCES": "adventureworks,github", "DBT_INDIRECT_SELECTION": "buildable"}


@dataclass
class Hub:
    """The service, and syncs from it."""

    services: Services
    api: GithubApi
    clock: Clock
    syncs: Syncs

    def sync(self, tokens: str = "first", repositories: tuple[str, ...] = tuple(READ)) -> int:
        return self.syncs.sync(
            "github",
            {
                "credentials": {"option_title": "PAT Credentials", "personal_access_token": tokens},
                "repositories": list(repositories),
                "start_date": f"{START}T00:00:00Z",
                "api_url": f"{self.services.url}/github",
                "max_waiting_time": 1,
            },
        )

    def known(self) -> dict[str, set[str]]:
        """The commits of each repository, by hash."""
        now = self.clock.now
        return {
            name: {one["sha"] for one in self.api.github.commits(tool, now)} for name, tool in READ.items()
        }

    def kept(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {name: set() for name in READ}
        for name, sha in self.syncs.rows("select repository, sha from github.commits"):
            found[name].add(sha)
        return found


def hub_of(warehouse: Path) -> tuple[GithubApi, Clock, Starlette]:
    clock = Clock(NOW)
    api = GithubApi(Github(START), {"first": Token(), "second": Token()}, clock)
    app = Starlette(
        routes=[Mount("/github", Starlette(routes=api.routes, exception_handlers={HTTPException: refused}))]
    )
    return api, clock, app


@pytest.fixture
def hub(in_manifest_home: Path, tmp_path: Path) -> Iterator[Hub]:
    warehouse = tmp_path / "warehouse.duckdb"
    api, clock, app = hub_of(warehouse)
    with served(app) as services:
        yield Hub(services, api, clock, Syncs(warehouse))


def test_every_page_of_every_stream_arrives_and_later_commits_with_the_next_sync(hub: Hub) -> None:
    hub.sync()
    assert hub.kept() == hub.known()
    assert max(len(commits) for commits in hub.known().values()) > 100, "one page held all of them"
    stars = hub.syncs.rows("select repository, count(*) from github.stargazers group by 1 order by 1")
    now = hub.clock.now
    assert dict(stars) == {name: len(hub.api.github.stargazers(tool, now)) for name, tool in READ.items()}
    counts = hub.syncs.rows("select repository, sum(total)::int from github.contributor_activity group by 1")
    assert dict(counts) == {name: len(commits) for name, commits in hub.known().items()}
    hub.clock.now += timedelta(days=3)
    # a commit that was written before all others, and reaches the branch now
    late = commit_of(
        READ["spotify/luigi"], "late", 7, datetime(2024, 3, 2, tzinfo=UTC), hub.clock.now - timedelta(hours=1)
    )
    hub.api.github.extra["spotify/luigi"].append(late)
    hub.sync()
    assert hub.kept() == hub.known()
    assert late["sha"] in hub.kept()["spotify/luigi"]


def releases_known(hub: Hub) -> list[tuple[Any, ...]]:
    """Id, tag, whether it is for trying out, and when it was published, of each release that the service shows."""
    return sorted(
        (one["id"], one["tag_name"], one["prerelease"], one["published_at"])
        for tool in READ.values()
        for one in hub.api.github.releases(tool, hub.clock.now)
    )


def test_a_release_that_is_edited_published_late_or_deleted_is_as_the_service_has_it(hub: Hub) -> None:
    kept = (
        "select id, tag_name, prerelease, strftime(published_at, '%Y-%m-%dT%H:%M:%SZ')"
        " from github.releases order by 1"
    )
    hub.clock.now += timedelta(days=120)
    edited = hub.api.github.edited
    older, trial, gone, *_ = (
        one["id"] for one in hub.api.github.releases(READ["kestra-io/kestra"], hub.clock.now)
    )
    edited[older] = None  # a draft, which nobody sees
    edited[trial] = {"prerelease": True}
    hub.sync()
    assert hub.syncs.rows(kept) == releases_known(hub)
    hub.clock.now += timedelta(hours=1)
    edited[older] = {"published_at": f"{hub.clock.now:%Y-%m-%dT%H:%M:%SZ}"}
    edited[trial] = {"prerelease": False}
    edited[gone] = None
    hub.sync()
    assert hub.syncs.rows(kept) == releases_known(hub)


def test_limits_and_a_repository_that_vanishes_lose_nothing_of_the_others(hub: Hub) -> None:
    secondary = replied(403, b'{"message": "You have exceeded a secondary rate limit."}', retry_after="1")
    too_many = replied(429, b'{"message": "Too many requests"}', retry_after="1")
    hub.services.troubles.extend([*[passed] * 9, secondary, passed, too_many, passed, secondary])
    hub.sync(repositories=(*READ, "spotify/gone"))
    assert hub.kept() == hub.known()


def test_a_token_without_quota_hands_over_to_the_next(hub: Hub) -> None:
    hub.api.tokens["first"].left = 12
    hub.api.tokens["first"].reset = time.time() + 3_000
    hub.sync(tokens="first,second")
    assert hub.kept() == hub.known()
    assert hub.api.tokens["first"].left <= 1, "the first was not used up"
    assert hub.api.tokens["second"].left < hub.api.tokens["second"].quota


def test_a_dead_token_fails_the_check_with_its_reason_and_without_the_token(hub: Hub) -> None:
    with pytest.raises(EltError, match="authentication failed") as ended:
        hub.sync(tokens="a-token-that-nobody-gave")
    assert "a-token-that-nobody-gave" not in str(ended.value)


@dataclass
class Chain:
    hub: Hub
    warehouse: Warehouse

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.warehouse.rows(query)


@pytest.fixture(scope="module")
def chain(manifest_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """What the connector left, and the models built of it with their tests."""
    warehouse = Warehouse(tmp_path_factory.mktemp("models of github"))
    warehouse.create_raw()
    warehouse.sync(FIRST_SYNC, {"sales.salesorderheader": [order(1, 1, "2024-02-01", "10.00")]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ELT_HOME", str(manifest_home))
        settings.cache_clear()
        api, clock, app = hub_of(warehouse.path)
        with served(app) as services:
            hub = Hub(services, api, clock, Syncs(warehouse.path))
            hub.sync()
            selected = ("--select", "+tag:github", "--select", "+dim_date")
            done = warehouse.elt("build", *selected, environ=SOURCES)
            assert done.returncode == 0, done.stdout[-6000:] + done.stderr
            yield Chain(hub, warehouse)
    settings.cache_clear()


def test_a_repository_that_two_pages_have_is_there_once(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    warehouse.create_raw()
    warehouse.write(
        "create schema github; create table github.repositories as select id, 'spotify/luigi' as full_name,"
        " 'Python' as language, id as stargazers_count, 2 as forks_count, 3 as open_issues_count,"
        " timestamptz '2024-01-01 00:00:00+00' as created_at, timestamptz '2024-02-01 00:00:00+00' as"
        " _airbyte_extracted_at from (values (1), (1), (2)) as pages (id)"
    )
    done = warehouse.elt("build", "--select", "stg_github_repositories", environ=SOURCES)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    assert warehouse.rows("select repository_id, star_count from staging.stg_github_repositories") == [(2, 2)]


def commits_of(chain: Chain) -> list[tuple[str, str, datetime]]:
    """Repository, author and time of writing of every commit that the service knows."""
    return [
        (name, one["author"]["login"], datetime.fromisoformat(one["commit"]["author"]["date"]))
        for name, tool in READ.items()
        for one in chain.hub.api.github.commits(tool, chain.hub.clock.now)
    ]


def test_activity_by_week_is_what_the_service_knows(chain: Chain) -> None:
    expected = Counter(
        (name, (at - timedelta(days=at.weekday())).date()) for name, _, at in commits_of(chain)
    )
    found = chain.rows(
        "select repository_name, week_start, commit_count from marts.mart_repository_weeks where commit_count > 0"
    )
    assert {(name, week): count for name, week, count in found} == dict(expected)


def test_top_contributors_are_those_with_most_commits(chain: Chain) -> None:
    expected = Counter((name, login) for name, login, _ in commits_of(chain))
    found = chain.rows(
        "select repository_name, contributor_login, commit_count from marts.mart_repository_contributors"
    )
    assert {(name, login): count for name, login, count in found} == dict(expected)
    for name in READ:
        top = chain.rows(
            f"select commit_count from marts.mart_repository_contributors where repository_name = '{name}' and commit_rank = 1"
        )
        assert top == [(max(count for (one, _), count in expected.items() if one == name),)]


@pytest.mark.parametrize("question", [one for one in questions() if "repository" in one.sql], ids=str)
def test_a_question_of_the_page_has_an_answer(chain: Chain, question: Question) -> None:
    assert chain.rows(question.sql) != []


def test_few_who_do_nearly_all_are_told_from_many_who_do_a_little(chain: Chain) -> None:
    """Computed by hand from what the service knows."""
    by_person = Counter((name, login) for name, login, _ in commits_of(chain))
    (question,) = [one for one in questions() if one.title.startswith("Where do many")]
    for name, contributors, few, percent in chain.rows(question.sql):
        counts = sorted((count for (one, _), count in by_person.items() if one == name), reverse=True)
        busiest = counts[: -(-len(counts) // 10)]
        assert (contributors, few) == (len(counts), sum(count <= 5 for count in counts))
        assert float(percent) == pytest.approx(100 * sum(busiest) / sum(counts), abs=0.06)


def test_both_warehouses_have_the_same_marts(chain: Chain, snowflake_emulator: Snowflake) -> None:
    snowflake_emulator.load_raw(chain.warehouse.path)
    without_tests = ("--exclude", "resource_type:test", "--exclude", "resource_type:unit_test")
    snowflake_emulator.build("--select", "+tag:github", "--select", "+dim_date", *without_tests, **SOURCES)
    marts = (
        *("dim_repository", "dim_contributor", "fct_commits", "fct_stars", "fct_releases"),
        *("mart_repository_weeks", "mart_repository_contributors"),
    )
    assert differences(chain.warehouse, snowflake_emulator, [("marts", mart) for mart in marts]) == {}


def test_no_repository_that_is_not_watched_and_no_name_or_address_is_in_the_warehouse(chain: Chain) -> None:
    names = chain.rows(
        "select repository_name from marts.dim_repository where repository_key <> '-1' order by 1"
    )
    assert names == [("kestra-io/kestra",), ("spotify/luigi",)]
    languages = chain.rows("select distinct main_language from marts.mart_repository_weeks order by 1")
    assert languages == [("Java",), ("Python",)]
    texts = chain.rows("select author::varchar from github.commits")
    assert not any("@" in text or "Developer" in text for (text,) in texts)
    columns = chain.rows(
        "select column_name from duckdb_columns() where schema_name = 'github' and table_name = 'commits'"
    )
    assert ("commit",) not in columns
