"""The benchmark of change data capture at a tiny size: it runs, its figures have their form, the copy is exact."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import debezium
from tests.benchmarks.contestants import PeerError

SCRIPT = Path(__file__).with_name("cdc.py")


@pytest.mark.slow
def test_rate_lag_and_memory_are_measured_on_exact_copies() -> None:
    sizes = ["--changes", "2000", "--rows", "5000", "--seconds", "3"]
    answer = subprocess.run([sys.executable, str(SCRIPT), "--json", *sizes], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr  # 1 when a copy is not exact
    found = json.loads(answer.stdout)
    assert list(found) == ["changes_per_second", "raw_lag_p95_seconds", "peak_memory_mib"]
    rates = found["changes_per_second"]
    assert list(rates) == [
        "airbyte_local",
        "debezium",
        "debezium_in_java",
        "debezium_objects",
        "log_discarded",
    ]
    assert rates["airbyte_local"] > 0 < found["raw_lag_p95_seconds"]
    assert rates["debezium"] is None  # that is measured only with `--peers`
    assert found["peak_memory_mib"] > 50


def test_debezium_says_that_java_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(PeerError, match="Java is missing: install"):
        debezium.python()
