"""The sync task against the real local Airbyte: found by name, adopted when it runs already, with a reason when it fails."""

import json
import threading
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from foundation.lease import lease
from foundation.settings import settings
from orchestration.sync import AirbyteSyncOperator
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import free_port

pytestmark = pytest.mark.promise

NAME = "small shop"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    port = free_port()
    server = AirbyteServer(tmp_path_factory.mktemp("airbyte"), port, client_id=f"orchestration {port}")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def warehouse(server):
    return server.home / "warehouse.duckdb"


@pytest.fixture(scope="module")
def database(source_server):
    database = source_server.create()
    with database.connect("superuser") as connection:
        connection.execute("create schema shop")
        connection.execute("create table shop.orders (id int primary key, updated timestamp not null)")
        connection.execute("insert into shop.orders values (1, now()), (2, now())")
        connection.execute("grant usage on schema shop to airbyte_reader")
        connection.execute("grant select on shop.orders to airbyte_reader")
    yield database
    source_server.drop(database)


@pytest.fixture(scope="module")
def connection(server, database, warehouse):
    """The id of a connection with one stream."""

    def made(path, **body):
        return server.http.post(path, json=body).raise_for_status().json()

    workspace = server.http.get("/workspaces").json()["data"][0]["workspaceId"]
    reader = database.dsn("reader")
    source = made(
        "/sources",
        name=NAME,
        workspaceId=workspace,
        configuration={
            "sourceType": "postgres",
            "host": reader["host"],
            "port": reader["port"],
            "database": reader["dbname"],
            "username": reader["user"],
            "password": reader["password"],
            "schemas": ["shop"],
            "ssl_mode": {"mode": "disable"},
            "replication_method": {"method": "Standard"},
        },
    )["sourceId"]
    destination = made(
        "/destinations",
        name=NAME,
        workspaceId=workspace,
        configuration={"destinationType": "duckdb", "destination_path": str(warehouse)},
    )["destinationId"]
    stream = {
        "name": "orders",
        "namespace": "shop",
        "syncMode": "incremental_deduped_history",
        "cursorField": ["updated"],
        "primaryKey": [["id"]],
    }
    return made(
        "/connections",
        name=NAME,
        sourceId=source,
        destinationId=destination,
        configurations={"streams": [stream]},
        schedule={"scheduleType": "manual"},
    )["connectionId"]


@pytest.fixture
def run(server, connection, monkeypatch, tmp_path):
    """Runs the operator as a task would; returns the job's id."""
    monkeypatch.setenv("ELT_HOME", str(tmp_path))
    settings.cache_clear()
    monkeypatch.setenv(
        "AIRFLOW_CONN_AIRBYTE_DEFAULT",
        json.dumps(
            {
                "conn_type": "airbyte",
                "host": server.url,
                "login": server.client_id,
                "password": server.client_secret,
                "schema": f"{server.url}/applications/token",
            }
        ),
    )

    noted = {}

    def execute(name=NAME):
        operator = AirbyteSyncOperator(task_id="sync", connection=name, wait_seconds=0.1, deferrable=False)
        return operator.execute(
            {"ti": SimpleNamespace(xcom_push=lambda key, value: noted.update({key: value}))}
        )

    execute.noted = noted
    yield execute
    settings.cache_clear()


def test_a_connection_is_found_by_its_name_and_synced(run, server, connection):
    job = server.job(run())
    assert (job["status"], job["connectionId"], job["rowsSynced"]) == ("succeeded", connection, 2)


def test_a_sync_that_runs_already_is_waited_for(run, server, connection, warehouse):
    with lease(warehouse, "test"):  # the job waits for the warehouse
        body = {"connectionId": connection, "jobType": "sync"}
        under_way = server.http.post("/jobs", json=body).raise_for_status().json()["jobId"]
        outcome = []
        thread = threading.Thread(target=lambda: outcome.append(run()))
        thread.start()
        thread.join(2)
        assert thread.is_alive() and outcome == []
    thread.join(60)
    assert outcome == [under_way]
    assert server.job(under_way)["status"] == "succeeded"


def test_a_failed_job_fails_the_task_with_airbytes_reason(run, database):
    with database.connect("superuser") as source:
        source.execute("alter table shop.orders rename to moved_away")
    try:
        with pytest.raises(AirflowException, match=r"Airbyte job \d+ failed: .*orders") as caught:
            run()
    finally:
        with database.connect("superuser") as source:
            source.execute("alter table shop.moved_away rename to orders")
    assert "\n" not in str(caught.value)
    assert f"job {run.noted['job_id']} failed" in str(caught.value)  # monitoring learns of it, too


def test_a_connection_that_is_not_there_is_not_tried_again(run):
    with pytest.raises(AirflowFailException, match="elt airbyte apply"):
        run("nobody's")


def test_an_inactive_connection_is_reported_in_airbytes_words(run, server, connection):
    server.http.patch(f"/connections/{connection}", json={"status": "inactive"}).raise_for_status()
    try:
        with pytest.raises(AirflowException, match="inactive"):
            run()
    finally:
        server.http.patch(f"/connections/{connection}", json={"status": "active"}).raise_for_status()
