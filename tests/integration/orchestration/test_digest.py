"""The digest of a day: what it says, that it is sent once, and again when nobody took it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from foundation.settings import load_settings
from orchestration import digest, monitoring

NOW = datetime.now(UTC)
YESTERDAY = (NOW - timedelta(days=1)).replace(hour=12, minute=0, second=0, microsecond=0)


@pytest.fixture
def config(tmp_path):
    return load_settings({"ELT_HOME": str(tmp_path / "elt home"), "ELT_ENVIRONMENT": "staging"})


@pytest.fixture
def sent(monkeypatch):
    """The messages that Slack took; `sent.taken = False`: it takes none."""

    class Sent(list):
        taken = True

        def send(self, message):
            if self.taken:
                self.append(message)
            return self.taken

    sent = Sent()
    monkeypatch.setattr(digest, "send", sent.send)
    return sent


def publish(config, version, revenue):
    folder = config.serving_path.parent.parent / f"v{version}"
    folder.mkdir(parents=True)
    record = {
        "number": version,
        "run": f"run {version}",
        "published_at": "2026-03-01T12:00:00Z",
        "seconds": 1,
    }
    (folder / "published.json").write_text(json.dumps(record | {"tables": {"obt_sales": 1}}))
    with duckdb.connect(folder / config.serving_path.name) as duck:
        duck.execute("create schema marts")
        duck.execute(
            f"create table marts.obt_sales as select {revenue} as line_total, 'Shipped' as order_status_name"
        )


def yesterday(config):
    """Two runs, one of which failed in a test; the day before a version, and one yesterday."""

    def fill(duck):
        for number, state in ((1, "success"), (2, "failed")):
            values = ["adventureworks_elt", f"run {number}", state, YESTERDAY, YESTERDAY, 90.0, number]
            duck.execute(
                "insert into pipeline_runs (dag_id, run_id, state, started_at, ended_at, seconds, sync_job_id)"
                " values (?, ?, ?, ?, ?, ?, ?)",
                values,
            )
            duck.execute(
                "insert into sync_jobs (job_id, status, started_at, rows) values (?, 'succeeded', ?, 1200)",
                [number, YESTERDAY - timedelta(minutes=2)],
            )
        for run, name, kind, status, seconds in (
            ("run 1", "fct_sales", "model", "success", 3.2),
            ("run 1", "dim_date", "model", "success", 0.5),
            ("run 1", "total", "test", "pass", 0.1),
            ("run 2", "total", "test", "fail", 0.1),
        ):
            duck.execute(
                "insert into dbt_results (invocation_id, dag_id, run_id, command, unique_id, resource_type, name, status,"
                " ended_at, seconds) values (?, 'adventureworks_elt', ?, 'build', ?, ?, ?, ?, ?, ?)",
                [run, run, f"{kind}.x.{name}", kind, name, status, YESTERDAY, seconds],
            )
        for version, days in ((6, 1), (7, 0)):
            duck.execute(
                "insert into published_tables values (?, ?, ?, 'obt_sales', 1)",
                [version, f"run {version - 6}", YESTERDAY - timedelta(days=days)],
            )

    monitoring._rewrite(config, fill)
    publish(config, 6, "1000.25")
    publish(config, 7, "1234.50")


def test_it_tells_the_days_runs_rows_revenue_tests_freshness_slowest_models_and_cost(config, sent):
    yesterday(config)
    assert digest.send_if_due(config)
    [message] = sent
    assert message.headline == f"*Digest* of {YESTERDAY:%A, %-d %B %Y}" and message.environment == "staging"
    facts = dict(message.facts)
    assert facts["Runs"] == "2, 1 failed: total"
    assert facts["Rows"] == "2,400 in 2 syncs"
    assert facts["Revenue"] == "1,234.50 (+234.25)"
    assert facts["Tests"] == "1 passed, 1 failed, 0 warned"
    assert facts["Slowest models"] == "fct_sales 3.2 s, dim_date 0.5 s"
    assert "at most that day; the target is 60 min 0 s" in facts["Freshness"]
    assert facts["Cost"].startswith("3 min 0 s of runs, 0 s of that dbt; 0.0 GB of disk")
    assert "Missing" not in facts


def test_it_names_a_backup_and_disk_space_that_are_missing(config, sent, monkeypatch):
    yesterday(config)
    config.warehouse_path.touch()
    monkeypatch.setattr("foundation.disk.NEEDED", float("inf"))
    assert digest.send_if_due(config)
    missing = dict(sent[0].facts)["Missing"]
    assert missing.startswith(f"there is no backup; the disk of {config.home} has ")


def test_it_is_sent_once_a_day_and_again_when_nobody_took_it(config, sent):
    yesterday(config)
    sent.taken = False
    assert not digest.send_if_due(config)
    sent.taken = True
    assert digest.send_if_due(config)
    assert not digest.send_if_due(config) and len(sent) == 1


def test_of_a_day_without_a_run_there_is_none(config, sent):
    assert not digest.send_if_due(config) and sent == []
