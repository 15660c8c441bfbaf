"""Tidying up removes what is old, and nothing else."""

import os
import time

import duckdb
import pytest

from foundation.settings import load_settings
from orchestration import maintenance, monitoring


@pytest.fixture
def config(tmp_path):
    settings = load_settings({"ELT_HOME": str(tmp_path / "elt home")})
    with duckdb.connect(settings.warehouse_path) as connection:
        connection.execute("create schema marts")
    return settings


def log(folder, name, days):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("said\n")
    moment = time.time() - days * 86_400
    os.utime(file, (moment, moment))
    return file


def test_old_logs_go_with_their_folders_and_new_ones_stay(config):
    old = log(
        config.logs_dir / "airflow", "dag_id=a/run_id=1/task_id=t/attempt=1.log", maintenance.LOG_DAYS + 1
    )
    new = log(
        config.logs_dir / "airflow", "dag_id=a/run_id=2/task_id=t/attempt=1.log", maintenance.LOG_DAYS - 1
    )
    job = log(config.home / "airbyte" / "jobs", "1.log", maintenance.LOG_DAYS + 1)
    removed = maintenance.tidy(config)
    assert (removed["log files"], removed["job logs"]) == (1, 1)
    assert new.exists() and not job.exists() and not old.parents[1].exists()


def test_drafts_of_killed_publishes_go_and_versions_stay(config):
    serving = config.serving_path.parent.parent
    (serving / ".draft-4711").mkdir(parents=True)
    (serving / "v1").mkdir()
    assert maintenance.tidy(config)["drafts of versions"] == 1
    assert [path.name for path in serving.iterdir()] == ["v1"]


def test_a_large_lineage_file_goes_aside(config, monkeypatch):
    file = log(config.logs_dir, "openlineage.jsonl", 0)
    assert maintenance.tidy(config)["lineage files"] == 0
    monkeypatch.setattr(maintenance, "LARGEST_FILE", 1)
    assert maintenance.tidy(config)["lineage files"] == 1
    assert not file.exists() and (config.logs_dir / "openlineage.jsonl.1").exists()


def test_on_a_new_machine_there_is_nothing_to_tidy(tmp_path):
    config = load_settings({"ELT_HOME": str(tmp_path)})
    assert sum(maintenance.tidy(config).values()) == 0
    assert monitoring.monitoring_path(config).exists()
