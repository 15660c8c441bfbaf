"""Flink as a second implementation of the minutes (tests/benchmarks/stream_windows.py): what the comparison rests on, and itself at a tiny size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from foundation.settings import load_settings
from streaming.catalogue import CARDS_SCORED
from tests.benchmarks import stream_windows
from tests.benchmarks.flink_job import Flink
from tests.benchmarks.stream_windows import PARTITIONS, Payment, closed_at, truth_of
from tests.fixtures.stream import environ_of

AT = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)


def payment(partition: int, seconds: int, back: int = 0) -> Payment:
    clock = AT + timedelta(seconds=seconds)
    return Payment(b"", partition, clock, clock - timedelta(seconds=back), "chip", Decimal("1.50"), True)


@pytest.fixture
def job(tmp_path: Path) -> Flink:
    return Flink(load_settings(environ_of(tmp_path)), tmp_path / "flink", CARDS_SCORED.name, 200)


def checkpoint(job: Flink, number: int, complete: bool, when: float) -> Path:
    folder = job.home / "checkpoints" / "of one run" / f"chk-{number}"
    folder.mkdir(parents=True)
    if complete:
        (folder / "_metadata").touch()
        os.utime(folder / "_metadata", (when, when))
    return folder


def test_a_minute_closes_when_its_slowest_partition_is_a_minute_past_its_end() -> None:
    made = [payment(0, 0)] + [payment(partition, 120 + partition) for partition in range(PARTITIONS - 1)]
    assert closed_at(made) == {}  # one partition has not come so far
    made += [
        payment(PARTITIONS - 1, 119),
        payment(PARTITIONS - 1, 140, back=30),
        payment(PARTITIONS - 1, 150),
    ]
    assert closed_at(made) == {AT: AT + timedelta(seconds=150)}


def test_the_truth_counts_a_payment_in_the_minute_in_which_it_happened() -> None:
    made = [payment(0, 59), payment(1, 60), payment(2, 300, back=299)]
    assert truth_of(made) == {
        (AT, "chip"): (2, Decimal("3.00"), 2),
        (AT + timedelta(minutes=1), "chip"): (1, Decimal("1.50"), 1),
    }


def test_flink_goes_on_from_the_newest_checkpoint_that_is_complete(job: Flink) -> None:
    assert job.last_checkpoint() is None
    checkpoint(job, 9, True, 1_000.0)
    newest = checkpoint(job, 10, True, 2_000.0)
    checkpoint(job, 11, False, 3_000.0)
    assert job.last_checkpoint() == newest


def test_the_log_of_flink_is_shown_without_passwords(job: Flink) -> None:
    job.home.mkdir()
    (job.home / "log").write_text(job.rendered())
    for secret in (job.config.stream_kafka_password, job.config.stream_registry_password):
        word = secret.get_secret_value().split(", ")[0].replace("'", "''")
        assert word in job.rendered()
        assert word not in job.said


@pytest.mark.slow
def test_both_make_the_figures_of_the_payments_when_they_are_killed() -> None:
    sizes = ["--rate", "200", "--seconds", "10", "--backlog", "5000"]
    script = str(Path(stream_windows.__file__))
    answer = subprocess.run([sys.executable, script, "--json", *sizes], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr  # 1 when a figure is not that of the payments
    found = json.loads(answer.stdout)
    assert list(found) == ["enricher", "flink"]
    assert found["enricher"]["figures"] == found["flink"]["figures"] > 100
    assert found["enricher"]["late"] == found["flink"]["late"] > 20
    assert found["enricher"]["figures_while_a_partition_is_idle"] > 0
    assert found["flink"]["figures_while_a_partition_is_idle"] == 0
