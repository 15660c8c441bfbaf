"""Cron schedules of a real server: jobs start by themselves, one at a time, and a missed moment once."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import SourceDatabase
from tests.fixtures.waiting import wait_until
from tests.integration.airbyte_local.conftest import Connection, connect, source_configuration, stream
from tests.integration.airbyte_local.test_jobs import held_at_lines

STREAMS = [stream("shop.orders"), stream("shop.lines")]
EVERY_SECOND = {"scheduleType": "cron", "cronExpression": "* * * * * ?"}
EVERY_HOUR = {"scheduleType": "cron", "cronExpression": "0 0 * * * ?"}
MANUAL = {"scheduleType": "manual"}


def jobs(made: Connection) -> list[dict[str, Any]]:
    """Newest first."""
    return made.server.http.get("/jobs", params={"connectionId": made.id, "limit": 100}).json()["data"]


def patch(made: Connection, **changes: Any) -> None:
    made.server.http.patch(f"/connections/{made.id}", json=changes).raise_for_status()


def make_due(server: AirbyteServer, made: Connection, seconds_ago: float) -> None:
    """As if the next run had been due then; the server is stopped."""
    with sqlite3.connect(server.home / "airbyte" / "airbyte.sqlite") as database:
        moved = database.execute(
            "update connections set next_run = ? where id = ? and next_run is not null",
            [time.time() - seconds_ago, made.id],
        )
        assert moved.rowcount == 1
    database.close()


def test_a_scheduled_connection_syncs_by_itself_until_it_no_longer_does(
    airbyte: AirbyteServer, shop: SourceDatabase, tmp_path: Path
) -> None:
    made = connect(airbyte, source_configuration(shop), tmp_path / "w.duckdb", STREAMS, schedule=EVERY_SECOND)
    wait_until(lambda: len(jobs(made)) >= 2)
    assert {job["jobType"] for job in jobs(made)} == {"sync"}
    with held_at_lines(shop):
        wait_until(lambda: jobs(made)[0]["status"] == "running")
        running = jobs(made)[0]["jobId"]
        time.sleep(1.5)
        assert jobs(made)[0]["jobId"] == running  # the moments meanwhile are passed over
    patch(made, status="inactive")
    airbyte.wait(jobs(made)[0]["jobId"])
    after = len(jobs(made))
    time.sleep(1.5)
    assert len(jobs(made)) == after
    patch(made, status="active")
    wait_until(lambda: len(jobs(made)) > after)
    patch(made, schedule=MANUAL)
    airbyte.wait(jobs(made)[0]["jobId"])
    after = len(jobs(made))
    time.sleep(1.5)
    assert len(jobs(made)) == after
    assert {job["status"] for job in jobs(made)} == {"succeeded"}


def test_what_was_missed_while_the_server_was_down_is_made_up_for_once(
    own_airbyte: AirbyteServer, shop: SourceDatabase, tmp_path: Path
) -> None:
    made, idle = (
        connect(
            own_airbyte, source_configuration(shop), tmp_path / f"{name}.duckdb", STREAMS, schedule=EVERY_HOUR
        )
        for name in ("made", "idle")
    )
    patch(made, prefix="kept_")  # another change leaves the next run as it is
    own_airbyte.stop()
    make_due(own_airbyte, made, seconds_ago=5 * 3600 + 60)
    own_airbyte.start()
    wait_until(lambda: len(jobs(made)) == 1)
    assert own_airbyte.wait(jobs(made)[0]["jobId"])["status"] == "succeeded"
    own_airbyte.restart()
    time.sleep(1)
    assert len(jobs(made)) == 1
    assert jobs(idle) == []
