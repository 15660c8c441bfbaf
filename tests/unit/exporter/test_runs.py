"""The last build and the age of what is published, from real monitoring tables and published versions."""

import json
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from exporter import runs
from foundation.settings import load_settings
from orchestration import monitoring
from orchestration.publish import on_duckdb

NOW = datetime.now(UTC)  # this file is imported, and its tests run, some minutes later
LATER = 900


def ago(**span) -> datetime:
    return NOW - timedelta(**span)


def age(value: float, seconds: float) -> bool:
    """Whether that is the age now of what was so old at NOW."""
    return seconds <= value <= seconds + LATER


@pytest.fixture
def config(tmp_path):
    return load_settings({"ELT_HOME": str(tmp_path / "elt home"), "FRESHNESS_MINUTES": "30"})


def shown(config) -> dict[tuple[str, ...], float]:
    return {(name, *labels): value for name, labels, value in runs.look(config)}


def test_before_the_first_run_there_is_the_deadline_alone_and_nothing_is_made(config):
    assert shown(config) == {("elt_published_data_deadline_seconds",): 1800}
    assert not config.monitoring_path.exists()


def built(duck, invocation, ended, *nodes, command="build"):
    for number, (kind, status, seconds) in enumerate(nodes):
        duck.execute(
            "insert into dbt_results by name select ? as invocation_id, ? as command, ? as unique_id,"
            " ? as resource_type, ? as status, ? as started_at, ? as ended_at",
            [
                invocation,
                command,
                f"{kind}.{number}",
                kind,
                status,
                ended - timedelta(seconds=seconds),
                ended,
            ],
        )


def published(duck, config, version, as_of):
    run = f"run {version}"
    duck.execute("insert into sync_jobs (job_id, started_at) values (?, ?)", [version, as_of])
    duck.execute(
        "insert into pipeline_runs (dag_id, run_id, state, sync_job_id) values ('adventureworks_elt', ?, 'success', ?)",
        [run, version],
    )
    duck.execute("insert into published_tables values (?, ?, ?, 'dim_date', 9)", [version, run, NOW])
    folder = config.serving_path.parent.parent / f"v{version}"
    folder.mkdir(parents=True)
    record = {"number": version, "run": run, "published_at": "2026-03-01T00:00:00Z", "seconds": 1.0}
    (folder / on_duckdb.RECORD).write_text(json.dumps(record | {"tables": {"dim_date": 9}}))


def test_the_last_build_and_the_version_that_is_shown_are_what_counts(config):
    with duckdb.connect(str(monitoring.prepare(config))) as duck:
        built(duck, "older", ago(hours=2), ("model", "success", 9), ("test", "fail", 1))
        built(
            duck,
            "last",
            ago(minutes=5),
            ("model", "success", 40),
            ("model", "success", 4),
            ("test", "pass", 1),
            ("test", "warn", 1),
        )
        built(duck, "no build", ago(minutes=1), ("source", "pass", 1), command="source freshness")
        published(duck, config, 3, ago(minutes=50))
        published(duck, config, 4, ago(minutes=10))
    current = config.serving_path.parent
    current.symlink_to("v3")  # rolled back
    found = shown(config)
    nodes = {tuple(rest): value for (name, *rest), value in found.items() if name.endswith("_nodes")}
    assert nodes == {("model", "success"): 2, ("test", "pass"): 1, ("test", "warn"): 1}
    assert found["elt_dbt_last_build_duration_seconds",] == pytest.approx(40, abs=0.01)
    assert found["elt_dbt_last_build_timestamp_seconds",] == pytest.approx(
        ago(minutes=5).timestamp(), abs=0.01
    )
    assert age(found["elt_published_data_age_seconds",], 3000)
    current.unlink()
    current.symlink_to("v4")
    assert age(shown(config)["elt_published_data_age_seconds",], 600)


def test_elsewhere_than_on_duckdb_the_newest_version_counts_and_no_warehouse_is_asked(config):
    with duckdb.connect(str(monitoring.prepare(config))) as duck:
        published(duck, config, 3, ago(minutes=50))
        published(duck, config, 4, ago(minutes=10))
    elsewhere = load_settings({"ELT_HOME": str(config.home), "DBT_TARGET": "snowflake"})
    assert age(shown(elsewhere)["elt_published_data_age_seconds",], 600)
