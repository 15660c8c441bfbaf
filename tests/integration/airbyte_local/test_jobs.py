"""Jobs as processes of a real server: cancel, kill, restart, refuse a second one, keep secrets."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from airbyte_api import api, models

from airbyte_local.jobs.template import TITLE
from foundation.lease import lease
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import SourceDatabase
from tests.fixtures.waiting import wait_until
from tests.integration.airbyte_local.conftest import Connection, connect, source_configuration, stream

STREAMS = [stream("shop.orders"), stream("shop.lines")]
TWO = "insert into shop.orders (id, updated) values (1, '2024-01-01'), (2, '2024-01-02')"


def write(source: SourceDatabase, *statements: str) -> None:
    with source.connect() as connection:
        for statement in statements:
            connection.execute(statement)


@contextmanager
def held_at_lines(source: SourceDatabase) -> Iterator[None]:
    """While this lasts, a sync has read `orders` and waits for `lines`."""
    with source.connect() as blocker:
        blocker.execute("lock table shop.lines in access exclusive mode")
        yield


def waits_for_lines(source: SourceDatabase) -> bool:
    query = (
        "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        " and application_name = 'airbyte_local')"
    )
    with source.connect("superuser") as connection:
        return connection.execute(query).fetchone()[0]


def job_processes(server: AirbyteServer) -> list[int]:
    """Process ids of the server's children that run a job."""
    answer = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in answer.stdout.splitlines()]
    return [
        int(pid)
        for pid, parent, args in rows
        if int(parent) == server.process.pid and "airbyte_local.job" in args
    ]


def runs(pid: int) -> bool:
    """Whether a process is there and not only waits to be reaped."""
    answer = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return answer.stdout.strip()[:1] not in ("", "Z")


@pytest.fixture
def made(airbyte: AirbyteServer, shop: SourceDatabase, tmp_path: Path) -> Connection:
    return connect(airbyte, source_configuration(shop), tmp_path / "warehouse.duckdb", STREAMS)


def test_a_sync_through_the_sdk_ends_succeeded_with_its_figures(
    made: Connection, shop: SourceDatabase
) -> None:
    write(shop, TWO, "insert into shop.lines values (1, 1, 5, '2024-01-01')")
    sdk = made.server.sdk
    job = sdk.jobs.create_job(
        request=models.JobCreateRequest(connection_id=made.id, job_type=models.JobTypeEnum.SYNC)
    ).job_response
    assert job.status in (models.JobStatusEnum.PENDING, models.JobStatusEnum.RUNNING)
    made.server.wait(job.job_id)
    job = sdk.jobs.get_job(request=api.GetJobRequest(job_id=job.job_id)).job_response
    assert (job.status, job.rows_synced, job.connection_id) == (models.JobStatusEnum.SUCCEEDED, 3, made.id)
    assert job.bytes_synced > 0
    assert job.duration.startswith("PT")
    found = sdk.jobs.list_jobs(request=api.ListJobsRequest(connection_id=made.id)).jobs_response.data
    assert [item.job_id for item in found] == [job.job_id]
    streams = made.server.job(job.job_id)["streams"]
    assert [(item["streamName"], item["rowsSynced"], item["rowsWritten"]) for item in streams] == [
        ("orders", 2, 2),
        ("lines", 1, 1),
    ]
    log = made.server.log(job.job_id)
    assert "shop.orders: 2 rows read, 2 written" in log
    assert made.raw("select count(*) from raw_shop.lines") == [(1,)]


def test_a_second_sync_of_a_running_connection_is_refused(made: Connection, shop: SourceDatabase) -> None:
    with held_at_lines(shop):
        answers: list[int] = []
        body = {"connectionId": made.id, "jobType": "sync"}

        def ask() -> None:
            answers.append(made.server.http.post("/jobs", json=body).status_code)

        threads = [threading.Thread(target=ask) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [200, 409, 409, 409, 409]
        (active,) = made.server.http.get("/jobs", params={"connectionId": made.id}).json()["data"]
        job_id = active["jobId"]
        refusal = made.server.http.post("/jobs", json=body).json()
        assert refusal["title"] == "state-conflict"
        assert refusal["data"] == {"jobId": job_id}
        for path in (
            f"/connections/{made.id}",
            f"/sources/{made.source_id}",
            f"/destinations/{made.destination_id}",
        ):
            assert made.server.http.delete(path).status_code == 409
    assert made.server.wait(job_id)["status"] == "succeeded"


def test_jobs_of_every_type_do_their_work(made: Connection, shop: SourceDatabase) -> None:
    write(shop, TWO)
    orders = "select count(*), max(_airbyte_generation_id) from raw_shop.orders"
    assert made.sync()["status"] == "succeeded"
    ((_, generation),) = made.raw(orders)
    assert made.run("refresh")["rowsSynced"] == 2
    assert made.raw(orders) == [(2, generation + 1)]
    for emptying in ("clear", "reset"):
        assert made.run(emptying)["status"] == "succeeded"
        assert made.raw("select count(*) from raw_shop.orders") == [(0,)]
        assert made.sync()["rowsSynced"] == 2  # the position is forgotten, too
        assert made.raw("select count(*) from raw_shop.orders") == [(2,)]


def test_jobs_of_every_type_end_with_their_process_and_with_the_server(
    own_airbyte: AirbyteServer, shop: SourceDatabase, tmp_path: Path
) -> None:
    made = connect(own_airbyte, source_configuration(shop), tmp_path / "warehouse.duckdb", STREAMS)
    write(shop, TWO)
    made.sync()

    def waiting(job_type: str) -> int:
        """A job that waits for the warehouse."""
        job_id = made.start(job_type)
        wait_until(lambda: "in use by dbt build" in own_airbyte.log(job_id))
        refusal = own_airbyte.http.post("/jobs", json={"connectionId": made.id, "jobType": "sync"})
        assert (refusal.status_code, refusal.json()["data"]) == (409, {"jobId": job_id})
        return job_id

    with lease(made.warehouse, "dbt build"):
        for job_type in ("refresh", "clear", "reset"):
            job_id = waiting(job_type)
            (process,) = job_processes(own_airbyte)
            os.kill(process, signal.SIGKILL)
            job = own_airbyte.wait(job_id)
            assert (job["jobType"], job["status"]) == (job_type, "failed")
            assert "SIGKILL" in job["failureReason"]
        job_id = waiting("clear")
        assert own_airbyte.http.delete(f"/jobs/{job_id}").json()["status"] == "cancelled"
        job_id = waiting("refresh")
        own_airbyte.restart(signal.SIGKILL)
        job = own_airbyte.job(job_id)
        assert (job["jobType"], job["status"]) == ("refresh", "failed")
        assert "the server was stopped" in job["failureReason"]
    assert made.raw("select count(*) from raw_shop.orders") == [(2,)]
    assert made.run("refresh")["status"] == "succeeded"


def test_cancel_ends_the_process_and_leaves_the_old_state(made: Connection, shop: SourceDatabase) -> None:
    write(shop, TWO)
    assert made.sync()["status"] == "succeeded"
    write(shop, "update shop.orders set customer = 'new', updated = '2024-02-01'")
    with held_at_lines(shop):
        job_id = made.start()
        wait_until(lambda: waits_for_lines(shop))
        assert made.server.job(job_id)["status"] == "running"
        cancelled = made.server.sdk.jobs.cancel_job(request=api.CancelJobRequest(job_id=job_id)).job_response
        assert cancelled.status == models.JobStatusEnum.CANCELLED
    assert made.raw("select distinct customer from raw_shop.orders") == [(None,)]
    assert made.sync()["status"] == "succeeded"
    assert made.raw("select distinct customer from raw_shop.orders") == [("new",)]
    again = made.server.http.delete(f"/jobs/{job_id}").json()
    assert again["status"] == "cancelled"


def test_a_killed_job_fails_says_so_and_the_next_sync_is_right(
    made: Connection, shop: SourceDatabase
) -> None:
    write(shop, TWO)
    made.sync()
    write(shop, "update shop.orders set customer = 'new', updated = '2024-02-01'")
    with held_at_lines(shop):
        before = set(job_processes(made.server))
        job_id = made.start()
        wait_until(lambda: waits_for_lines(shop))
        working = [pid for pid in job_processes(made.server) if pid not in before] or list(before)
        for pid in working:
            os.kill(pid, signal.SIGKILL)
        job = made.server.wait(job_id)
    assert job["status"] == "failed"
    assert "SIGKILL" in job["failureReason"]
    assert made.raw("select distinct customer from raw_shop.orders") == [(None,)]
    assert made.sync()["status"] == "succeeded"
    assert made.raw("select distinct customer from raw_shop.orders") == [("new",)]


@pytest.mark.parametrize(
    "with_signal", [pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGKILL]
)
def test_a_restarted_server_keeps_everything_and_runs_no_job(
    own_airbyte: AirbyteServer, shop: SourceDatabase, tmp_path: Path, with_signal: int
) -> None:
    made = connect(own_airbyte, source_configuration(shop), tmp_path / "warehouse.duckdb", STREAMS)
    write(shop, TWO)
    first = made.sync()
    with held_at_lines(shop):
        job_id = made.start()
        wait_until(lambda: waits_for_lines(shop))
        (process,) = job_processes(own_airbyte)
        own_airbyte.restart(with_signal)
        wait_until(lambda: not runs(process))  # it went with the server
    job = own_airbyte.job(job_id)
    assert job["status"] == "failed"
    assert "the server was stopped" in job["failureReason"]
    assert own_airbyte.job(first["jobId"]) == first
    assert own_airbyte.http.get(f"/connections/{made.id}").json()["name"] == "shop"
    assert made.sync()["status"] == "succeeded"


def title(process: psutil.Process) -> str:
    return " ".join(process.cmdline()).strip()


def template(server: AirbyteServer) -> psutil.Process | None:
    """The process that forks the server's jobs, once it has imported the engine."""
    children = psutil.Process(server.process.pid).children()
    return next((child for child in children if title(child) == TITLE), None)


def test_each_job_is_forked_from_a_template_that_goes_with_the_server(
    own_airbyte: AirbyteServer, shop: SourceDatabase, tmp_path: Path
) -> None:
    made = connect(own_airbyte, source_configuration(shop), tmp_path / "warehouse.duckdb", STREAMS)
    wait_until(lambda: template(own_airbyte))
    first = template(own_airbyte)
    assert os.getpgid(first.pid) == first.pid  # out of reach of a terminal's Ctrl-C
    assert made.sync()["status"] == "succeeded"
    with held_at_lines(shop):
        job_id = made.start()
        wait_until(lambda: waits_for_lines(shop))
        (job,) = (psutil.Process(pid) for pid in job_processes(own_airbyte))
        assert title(job) == f"airbyte_local.job {job_id}: sync of shop"
        assert os.getsid(job.pid) == job.pid  # what it starts can be ended with it
        assert template(own_airbyte) == first and first.num_threads() == 1
        job.send_signal(signal.SIGINT)
        assert "ended by SIGINT" in own_airbyte.wait(job_id)["failureReason"]
    first.kill()
    wait_until(lambda: not runs(first.pid))
    assert made.sync()["status"] == "succeeded"
    wait_until(lambda: template(own_airbyte))
    second = template(own_airbyte)
    own_airbyte.stop(signal.SIGKILL)
    wait_until(lambda: not runs(second.pid))


def test_a_stopped_server_ends_with_code_zero(own_airbyte: AirbyteServer) -> None:
    assert own_airbyte.stop() == 0


def test_a_failed_job_says_why_everywhere_and_nowhere_the_password(
    airbyte: AirbyteServer, shop: SourceDatabase, tmp_path: Path
) -> None:
    password = "a wrong & secret password"
    configuration = source_configuration(shop, password=password)
    made = connect(airbyte, configuration, tmp_path / "warehouse.duckdb", STREAMS)
    job = made.sync()
    assert job["status"] == "failed"
    assert f"PostgreSQL at 127.0.0.1:{shop.port}" in job["failureReason"]
    assert "password authentication failed" in job["failureReason"]
    assert "password authentication failed" in airbyte.log(job["jobId"])
    http = airbyte.http
    shown = [
        http.get(path).text for path in (f"/sources/{made.source_id}", "/sources", f"/jobs/{job['jobId']}")
    ]
    shown.append(airbyte.log(job["jobId"]))
    written = [path.read_bytes() for path in airbyte.home.rglob("*") if path.is_file()]
    assert not any(password in text for text in shown)
    assert not any(password.encode() in content for content in written)
    assert http.get(f"/sources/{made.source_id}").json()["configuration"]["password"] == "******"


def test_a_job_that_waits_for_the_warehouse_says_for_whom(
    airbyte: AirbyteServer, shop: SourceDatabase, tmp_path: Path
) -> None:
    made = connect(airbyte, source_configuration(shop), tmp_path / "warehouse.duckdb", STREAMS)
    with lease(made.warehouse, "dbt build"):
        job_id = made.start()
        wait_until(lambda: "in use by dbt build" in airbyte.log(job_id))
    assert airbyte.wait(job_id)["status"] == "succeeded"


def test_two_connections_at_once_are_both_right(
    airbyte: AirbyteServer, shop: SourceDatabase, tmp_path: Path
) -> None:
    write(shop, TWO)
    warehouse = tmp_path / "warehouse.duckdb"
    both = [
        connect(airbyte, source_configuration(shop), warehouse, STREAMS, namespaceFormat=f"copy{number}")
        for number in (1, 2)
    ]
    jobs = [made.start() for made in both]
    assert [airbyte.wait(job_id)["status"] for job_id in jobs] == ["succeeded", "succeeded"]
    for number in (1, 2):
        assert both[0].raw(f"select count(*) from copy{number}.orders") == [(2,)]
    assert both[0].raw("select count(distinct extracted_at) from airbyte_internal.syncs") == [(2,)]


def test_progress_is_seen_while_the_job_runs(made: Connection, shop: SourceDatabase) -> None:
    write(
        shop,
        "insert into shop.orders select i, md5(i::text), 1, now(), '2024-01-01' from generate_series(1, 200000) i",
    )
    with held_at_lines(shop):
        job_id = made.start()
        wait_until(lambda: made.server.job(job_id)["rowsSynced"] > 0)
        assert made.server.job(job_id)["status"] == "running"
    assert made.server.wait(job_id)["rowsSynced"] == 200_000


def test_streams_are_discovered_through_the_sdk(made: Connection) -> None:
    found = made.server.sdk.streams.get_stream_properties(
        request=api.GetStreamPropertiesRequest(source_id=made.source_id, destination_id=made.destination_id)
    ).stream_properties_response
    lines = next(item for item in found if item.stream_name == "lines")
    assert lines.streamnamespace == "shop"
    assert lines.source_defined_primary_key == [["order_id"], ["line"]]
    assert lines.default_cursor_field == ["updated"]
    assert lines.property_fields == [["order_id"], ["line"], ["quantity"], ["updated"]]
    assert models.ConnectionSyncModeEnum.INCREMENTAL_DEDUPED_HISTORY in lines.sync_modes


def test_discovery_of_a_source_that_is_down_says_so(
    airbyte: AirbyteServer, shop: SourceDatabase, tmp_path: Path
) -> None:
    made = connect(airbyte, source_configuration(shop, port=1), tmp_path / "warehouse.duckdb", STREAMS)
    answer = airbyte.http.get("/streams", params={"sourceId": made.source_id})
    assert answer.status_code == 400
    assert "Connection refused" in answer.json()["detail"]
    without_list = {"sourceId": made.source_id, "destinationId": made.destination_id}
    assert airbyte.http.post("/connections", json=without_list).status_code == 400


def test_a_connection_without_a_list_takes_every_stream(
    airbyte: AirbyteServer, shop: SourceDatabase, tmp_path: Path
) -> None:
    made = connect(airbyte, source_configuration(shop), tmp_path / "warehouse.duckdb", [])
    streams = airbyte.http.get(f"/connections/{made.id}").json()["configurations"]["streams"]
    assert [(item["name"], item["syncMode"]) for item in streams] == [
        ("lines", "full_refresh_overwrite"),
        ("orders", "full_refresh_overwrite"),
    ]
    assert made.sync()["status"] == "succeeded"


def test_airflows_operator_runs_a_sync_and_raises_on_a_failure(
    made: Connection, shop: SourceDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    from airflow.providers.airbyte.operators.airbyte import AirbyteTriggerSyncOperator

    server = made.server
    monkeypatch.setenv(
        "AIRFLOW_CONN_AIRBYTE_DEFAULT",
        json.dumps(
            {
                "conn_type": "airbyte",
                "host": server.url,
                "login": server.client_id,
                "password": server.client_secret,
                "schema": "v1/applications/token",
            }
        ),
    )

    def operate(made: Connection) -> None:
        operator = AirbyteTriggerSyncOperator(
            task_id="sync", connection_id=made.id, wait_seconds=0.1, deferrable=False
        )
        operator.execute({})

    write(shop, TWO)
    operate(made)
    assert made.raw("select count(*) from raw_shop.orders") == [(2,)]
    broken = connect(server, source_configuration(shop, port=1), tmp_path / "other.duckdb", STREAMS)
    with pytest.raises(Exception, match="Job failed"):
        operate(broken)


def test_the_job_uses_the_configuration_of_its_start(made: Connection, shop: SourceDatabase) -> None:
    """A patched connection syncs what it says from then on."""
    write(shop, TWO)
    body = {"configurations": {"streams": [stream("shop.orders")]}, "prefix": "new_"}
    assert made.server.http.patch(f"/connections/{made.id}", json=body).is_success
    made.sync()
    assert made.raw("select table_name from duckdb_tables() where schema_name = 'raw_shop'") == [
        ("new_orders",)
    ]
