"""A call that is wrong is told so: 400 or 422, with a line that names the field, and never an error of the service."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime

import pytest
from starlette.testclient import TestClient

from local_apis.api import Apis
from local_apis.github import Github
from local_apis.github_api import GithubApi, Token
from local_apis.rates import Rates
from local_apis.weather import City, Weather

KEY = "key of a test that nobody guesses"
NOW = datetime(2024, 4, 10, tzinfo=UTC)
OBSERVATIONS = {
    "country": "GB",
    "updated_since": "2024-04-01T00:00:00Z",
    "updated_until": "2024-04-05T00:00:00Z",
}
DEEP = "[" * 100_000 + "]" * 100_000
LUIGI = {"owner": "spotify", "name": "luigi"}


@pytest.fixture(scope="module")
def client() -> TestClient:
    github = GithubApi(Github(date(2024, 1, 1)), {"one": Token()}, lambda: NOW)
    weather = Weather((City("GB", "ENG", "London"),))
    apis = Apis(weather, Rates(), KEY, calls_per_minute=100_000, github=github, now=lambda: NOW)
    return TestClient(
        apis.app,
        headers={"Authorization": "token one", "X-Api-Key": KEY},
        raise_server_exceptions=False,
    )


def token(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


TOKENS = {
    "no base64": "A",
    "no JSON": token("no JSON"),
    "no text": base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    "not ASCII": "ä" * 8,
    "signs beside base64": "!" + token('["2024-04-02T06:00:00Z","ENG","London","2024-04-01"]') + "!",
    "an object": token('{"a": 1, "b": 2, "c": 3, "d": 4}'),
    "four signs": token('"abcd"'),
    "another length": token('["2024-04-02T06:00:00Z", "ENG"]'),
    "numbers": token("[1, 2, 3, 4]"),
    "null": token('["2024-04-02T06:00:00Z", null, "London", "2024-04-01"]'),
    "half a surrogate": token('["2024-04-02T06:00:00Z", "\\ud800", "London", "2024-04-01"]'),
    "a NUL": token('["2024-04-02T06:00:00Z", "\\u0000", "London", "2024-04-01"]'),
    "deep": token("[" * 20_000 + "]" * 20_000),
    "many digits": token("1" * 5_000),
    "NaN": token("[NaN, NaN, NaN, NaN]"),
}


@pytest.mark.parametrize("wrong", TOKENS.values(), ids=TOKENS)
def test_a_page_token_that_the_service_never_gave_is_refused(client: TestClient, wrong: str) -> None:
    answer = client.get("/weather/v1/observations", params=OBSERVATIONS | {"page_token": wrong})
    assert (answer.status_code, answer.json()["error"]) == (400, "page_token: not one of this service")


PARAMETERS = [
    ("/weather/v1/observations", OBSERVATIONS | {"updated_since": "yesterday"}, "updated_since"),
    ("/weather/v1/observations", OBSERVATIONS | {"updated_since": "0001-01-01T00:00:00Z"}, "updated_since"),
    (
        "/weather/v1/observations",
        OBSERVATIONS | {"updated_since": "0001-01-01T00:00:00+01:00"},
        "updated_since",
    ),
    ("/weather/v1/observations", OBSERVATIONS | {"updated_until": "9999-12-31T23:59:59Z"}, "updated_until"),
    (
        "/weather/v1/observations",
        OBSERVATIONS | {"updated_until": "9999-12-31T23:00:00-12:00"},
        "updated_until",
    ),
    ("/weather/v1/observations", OBSERVATIONS | {"updated_until": ""}, "updated_until"),
    ("/weather/v1/observations", OBSERVATIONS | {"page_size": "0"}, "page_size"),
    ("/weather/v1/observations", OBSERVATIONS | {"page_size": "many"}, "page_size"),
    ("/weather/v1/observations", OBSERVATIONS | {"page_size": "1" * 5_000}, "page_size"),
    ("/weather/v1/observations", OBSERVATIONS | {"page_size": str(1 << 70)}, "page_size"),
    ("/rates/v2/rates", {"from": "yesterday", "to": "2024-04-01"}, "from"),
    ("/rates/v2/rates", {"from": "2024-04-01"}, "to"),
    ("/rates/v2/rates", {"from": "0001-01-01", "to": "9999-12-31"}, "from"),
    ("/rates/v2/rates", {"from": "2024-04-01", "to": "2024-04-02", "base": "XXX"}, "base"),
    ("/rates/v2/rates", {"from": "2024-04-01", "to": "2024-04-02", "quotes": "EUR,\0"}, "quotes"),
    ("/github/repos/spotify/luigi/commits", {"since": "yesterday"}, "since"),
    ("/github/repos/spotify/luigi/commits", {"page": "two"}, "page"),
    ("/github/repos/spotify/luigi/commits", {"per_page": "1" * 5_000}, "per_page"),
]


@pytest.mark.parametrize(("path", "query", "field"), PARAMETERS)
def test_a_wrong_parameter_is_named(client: TestClient, path: str, query: dict[str, str], field: str) -> None:
    answer = client.get(path, params=query)
    assert answer.status_code in (400, 422)
    assert field in answer.json()["error"] and "\n" not in answer.json()["error"]
    assert len(answer.json()["error"]) < 200


BODIES = [
    ("", "the body"),
    ("no JSON", "the body"),
    ("[]", "the body"),
    ("null", "the body"),
    ('"variables"', "the body"),
    (DEEP, "the body"),
    (json.dumps({"variables": LUIGI})[:-1] + f', "more": {DEEP}}}', "the body"),
    ('{"variables": []}', "variables"),
    ('{"variables": "owner"}', "variables"),
    ('{"variables": 1}', "variables"),
    ('{"variables": {"owner": ["spotify"], "name": "luigi"}}', "variables.owner"),
    ('{"variables": {"name": "luigi"}}', "variables.owner"),
    ('{"variables": {"owner": "spotify", "name": null}}', "variables.name"),
    ('{"variables": {"owner": "spotify", "name": "\\ud800"}}', "variables.name"),
    ('{"variables": {"owner": "spotify", "name": "luigi\\u0000"}}', "variables.name"),
    *(
        (f'{{"variables": {{"owner": "spotify", "name": "luigi", "first": {wrong}}}}}', "variables.first")
        for wrong in ("0", "-1", "101", "true", "1.5", "[]", str(1 << 64), "1e999")
    ),
    *(
        (f'{{"variables": {{"owner": "spotify", "name": "luigi", "after": {wrong}}}}}', "variables.after")
        for wrong in (
            '"-1"',
            '"x"',
            '""',
            "true",
            "{}",
            "-3",
            f'"{1 << 64}"',
            f'"{"1" * 5_000}"',
            '"\\u0661"',
        )
    ),
]


@pytest.mark.parametrize(("body", "field"), BODIES, ids=[body[:90] for body, _ in BODIES])
def test_a_wrong_body_is_named(client: TestClient, body: str, field: str) -> None:
    answer = client.post("/github/graphql", content=body)
    assert answer.status_code in (400, 422)
    assert answer.json()["message"].startswith(field) and "\n" not in answer.json()["message"]
    assert len(answer.json()["message"]) < 200


def test_a_body_that_is_no_text_is_named(client: TestClient) -> None:
    answer = client.post("/github/graphql", content=b'{"variables": "\xff"}')
    assert answer.status_code == 400 and answer.json()["message"].startswith("the body")


def test_pages_of_releases_follow_each_other_to_the_last(client: TestClient) -> None:
    found: list[str] = []
    after: str | None = None
    while True:
        body = {"variables": LUIGI | {"first": 1, "after": after}}
        page = client.post("/github/graphql", json=body).json()["data"]["repository"]["releases"]
        found += [one["tag_name"] for one in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert len(found) > 2 and found == [f"v1.{number}" for number in range(1, len(found) + 1)]


def test_the_token_of_a_page_leads_to_the_next(client: TestClient) -> None:
    found, token_ = [], ""
    while True:
        answer = client.get(
            "/weather/v1/observations", params=OBSERVATIONS | {"page_size": "2", "page_token": token_}
        ).json()
        found += [one["date"] for one in answer["data"]]
        if not (token_ := answer["next_page_token"]):
            break
    assert found == sorted(set(found)) and len(found) == 4


@pytest.mark.threat("a request that makes a server fail")
def test_a_currency_that_is_named_many_times_is_answered_once(client: TestClient) -> None:
    days = {"from": "2024-04-01", "to": "2024-04-05", "base": "USD"}
    once = client.get("/rates/v2/rates", params=days | {"quotes": "EUR,GBP"})
    many = client.get("/rates/v2/rates", params=days | {"quotes": "EUR,GBP," * 100})
    assert len(once.json()) == 10 and many.json() == once.json()


@pytest.mark.parametrize(("since", "until"), [("9999-12-25", "9999-12-31"), ("2024-04-11", "2024-04-12")])
def test_nothing_is_known_of_days_to_come(since: str, until: str) -> None:
    apis = Apis(
        Weather(), Rates(), KEY, now=lambda: NOW
    )  # of all cities, so that some days are late and some corrected
    client = TestClient(apis.app, headers={"X-Api-Key": KEY}, raise_server_exceptions=False)
    query = {"country": "US", "updated_since": since, "updated_until": until}
    answer = client.get("/weather/v1/observations", params=query)
    assert (answer.status_code, answer.json()) == (200, {"data": [], "next_page_token": None})
