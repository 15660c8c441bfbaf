"""Answers of an Airbyte, as a real one may give them, and what a person gets to read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from airbyte_api.errors import AirbyteAPIError

from airbyte_config import client
from airbyte_config.apply import apply, place_of
from airbyte_config.client import detail_of, named, pages, talking
from airbyte_config.jobs import job_of, sync
from airbyte_config.raw_types import raw_type, read_as_text
from foundation.errors import EltError, Kind
from foundation.settings import Settings, load_settings

Handler = Callable[[httpx.Request], httpx.Response]
URL = "https://airbyte.example.com/api/public/v1"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"ELT_HOME": str(tmp_path), "AIRBYTE_URL": URL})


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], list[str]]:
    """Answer requests by path, through the real SDK and httpx; returns the requests that came."""
    original = httpx.Client

    def install(answers: dict[str, Any]) -> list[str]:
        seen: list[str] = []

        def handle(request: httpx.Request) -> httpx.Response:
            path = request.url.path.removeprefix("/api/public/v1")
            seen.append(f"{request.method} {path}")
            if path == "/applications/token":
                return httpx.Response(
                    200, json={"access_token": "t", "token_type": "bearer", "expires_in": 900}
                )
            given = answers[f"{request.method} {path}"]
            return given if isinstance(given, httpx.Response) else httpx.Response(200, json=given)

        def patched(**options: Any) -> httpx.Client:
            return original(**options, transport=httpx.MockTransport(handle))

        monkeypatch.setattr(client, "_http_client", patched)
        return seen

    return install


WORKSPACES = {"data": [{"workspaceId": "w", "name": "mine", "dataResidency": "auto", "notifications": {}}]}


def job(status: str, **more: Any) -> dict[str, Any]:
    return {
        "jobId": 7,
        "connectionId": "c",
        "jobType": "sync",
        "startTime": "2026-01-01T00:00:00Z",
        "status": status,
        **more,
    }


def connection(name: str) -> dict[str, Any]:
    return {
        "connectionId": "c",
        "name": name,
        "sourceId": "s",
        "destinationId": "d",
        "workspaceId": "w",
        "status": "active",
        "schedule": {"scheduleType": "manual"},
        "configurations": {"streams": []},
        "createdAt": 0,
        "tags": [],
    }


def test_a_job_of_a_real_airbyte_needs_only_the_required_fields() -> None:
    read = job_of(job("succeeded", startTime="2026-01-01T00:00:00", lastUpdatedAt="2026-01-01T00:01:05Z"))
    assert (read.id, read.rows, read.bytes, read.seconds, read.reason) == (7, 0, 0, 65.0, "")
    assert not read.active
    assert read.progress() == "0 rows, 0.0 MB, 65 s"
    assert job_of(job("incomplete")).active


def test_a_failure_without_a_reason_points_to_airbyte(answer, settings: Settings) -> None:
    answer(
        {
            "GET /workspaces": WORKSPACES,
            "GET /connections": {"data": [connection("adventureworks")]},
            "POST /jobs": job("running"),
            "GET /jobs/7": job("failed"),
        }
    )
    with pytest.raises(EltError) as caught:
        sync(settings=settings)
    assert str(caught.value) == (
        "sync job 7 of adventureworks failed: Airbyte's API gives no reason — see the job's log in Airbyte"
    )


def test_a_conflict_without_a_running_job_is_tried_again_then_reported(
    answer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airbyte_config.jobs.time.sleep", lambda seconds: None)
    conflict = httpx.Response(409, json={"detail": "A sync is already running."})
    seen = answer(
        {
            "GET /workspaces": WORKSPACES,
            "GET /connections": {"data": [connection("adventureworks")]},
            "POST /jobs": conflict,
            "GET /jobs": {"data": [job("succeeded")]},
        }
    )
    with pytest.raises(EltError, match="Airbyte says: A sync is already running"):
        sync(settings=settings)
    assert seen.count("POST /jobs") == 5


def test_another_connector_under_the_same_name_is_refused_with_the_line(answer, settings: Settings) -> None:
    mysql = {
        "sourceId": "s",
        "name": "adventureworks",
        "sourceType": "mysql",
        "definitionId": "x",
        "workspaceId": "w",
        "createdAt": 0,
        "configuration": {
            "sourceType": "mysql",
            "host": "h",
            "port": 3306,
            "database": "d",
            "username": "u",
            "replication_method": {"method": "STANDARD"},
        },
    }
    nothing: dict[str, Any] = {"data": []}
    seen = answer(
        {
            "GET /workspaces": WORKSPACES,
            "GET /sources": {"data": [mysql]},
            "GET /destinations": nothing,
            "GET /connections": nothing,
        }
    )
    with pytest.raises(
        EltError,
        match=r"sources/adventureworks.yaml, line 4: Airbyte's source adventureworks is a mysql and can't become a postgres",
    ):
        apply(settings=settings)
    assert all(line.startswith("GET ") or line == "POST /applications/token" for line in seen)


def test_an_answer_that_the_sdk_does_not_understand_is_reported(answer, settings: Settings) -> None:
    answer({"GET /workspaces": {"data": [{"surprise": 1}]}})
    with pytest.raises(EltError, match=r"is not what airbyte-api expects — compare the versions"):
        apply(settings=settings)


@pytest.mark.parametrize("listed", [["nothing of ours"], {"data": 1}], ids=["a list", "no list of items"])
def test_an_answer_of_another_shape_is_reported(answer, settings: Settings, listed: Any) -> None:
    answer({"GET /workspaces": WORKSPACES, "GET /sources": listed})
    with pytest.raises(EltError, match=r"listing sources: the answer of .* is not what airbyte-api expects"):
        apply(settings=settings)


def test_no_workspace_is_reported(answer, settings: Settings) -> None:
    answer({"GET /workspaces": {"data": []}})
    with pytest.raises(EltError, match=r"airbyte.example.com/api/public/v1 has no workspace"):
        apply(settings=settings)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (500, "<html>Bad\n gateway</html>", "Airbyte says: <html>Bad gateway</html> — see Airbyte's log"),
        (403, '{"title": "forbidden"}', "Airbyte says: forbidden — check AIRBYTE_CLIENT_ID"),
        (400, "[]", "Airbyte says: HTTP 400 — correct the file"),
    ],
)
def test_refusals_are_one_line_with_a_remedy(
    answer, settings: Settings, status: int, body: str, expected: str
) -> None:
    answer({"GET /workspaces": httpx.Response(status, text=body)})
    with pytest.raises(EltError) as caught:
        apply(settings=settings)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (AirbyteAPIError("no", httpx.Response(400), "{}"), Kind.MEND),
        (AirbyteAPIError("no", httpx.Response(403), "{}"), Kind.MEND),
        (AirbyteAPIError("no", httpx.Response(429), "{}"), Kind.RETRY),
        (AirbyteAPIError("no", httpx.Response(503), "{}"), Kind.RETRY),
        (httpx.ReadTimeout("no"), Kind.RETRY),
        (httpx.ConnectError("no"), Kind.RETRY),
        (Exception("Unexpected status code 401 from token endpoint"), Kind.MEND),
        (Exception("Unexpected status code 502 from token endpoint"), Kind.RETRY),
        (EltError("as it is", kind=Kind.OURS), Kind.OURS),
    ],
)
def test_a_caller_learns_whether_a_retry_may_help(refusal: Exception, kind: Kind, settings: Settings) -> None:
    with pytest.raises(EltError) as caught, talking("asking", settings):
        raise refusal
    assert caught.value.kind is kind


def test_no_answer_in_time_and_faults_of_our_own(settings: Settings) -> None:
    with pytest.raises(EltError, match="no answer from"), talking("asking", settings):
        raise httpx.ReadTimeout("")
    with pytest.raises(EltError, match="as it is"), talking("asking", settings):
        raise EltError("as it is")
    with pytest.raises(ZeroDivisionError), talking("asking", settings):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ('{"detail": "d", "title": "t"}', "d"),
        ('{"message": "m", "title": "t"}', "m"),
        ('{"data": {"message": "in data"}, "title": "t"}', "in data"),
        ('{"detail": null, "title": "t"}', "t"),
        ("{}", ""),
        ("plain", "plain"),
    ],
)
def test_the_detail_of_a_problem(body: str, detail: str) -> None:
    assert detail_of(body) == detail


@pytest.mark.parametrize("most", [20, 100, 1000])
def test_all_pages_are_read_however_few_a_server_gives_at_once(most: int) -> None:
    items = [{"n": number} for number in range(250)]

    def page(limit: int, offset: int) -> dict[str, Any]:
        end = offset + min(limit, most)
        following = {"next": f"https://airbyte/v1/sources?offset={end}"} if end < len(items) else {}
        return {"data": items[offset:end], **following}

    assert list(pages(page)) == items


def test_one_of_a_name_or_none() -> None:
    items = [{"name": "a", "sourceId": "1"}, {"name": "b", "sourceId": "2"}]
    assert named(items, "source", "b") == items[1]
    assert named(items, "source", "c") is None


@pytest.mark.parametrize(
    ("detail", "place"),
    [
        ("configurations.streams[3].syncMode: no", ("streams", 3, "syncMode")),
        ("configuration.ssl_mode.mode: no", ("configuration", "ssl_mode", "mode")),
        ("schedule.scheduleType: no", ("schedule", "scheduleType")),
        ("the source can't be reached", ()),
    ],
)
def test_the_place_that_a_refusal_names(detail: str, place: tuple) -> None:
    assert place_of(detail) == place


@pytest.mark.parametrize(
    ("postgres", "duckdb", "as_text"),
    [
        ("numeric(19,4)", "DECIMAL(19,4)", True),
        ("numeric(50,2)", "VARCHAR", True),
        ("numeric(3,-2)", "VARCHAR", True),
        ("numeric", "VARCHAR", True),
        ("character varying(50)", "VARCHAR", False),
        ("character(3)", "VARCHAR", False),
        ("timestamp(3) without time zone", "TIMESTAMP", False),
        ("uuid", "UUID", True),
        ("xml", "VARCHAR", True),
        ("integer[]", "VARCHAR", True),
    ],
)
def test_raw_types(postgres: str, duckdb: str, as_text: bool) -> None:
    assert raw_type(postgres) == duckdb
    assert read_as_text(postgres) is as_text
