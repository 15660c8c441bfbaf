"""The benchmark of connectors at a tiny size: it runs, its figures have their form, every record is there once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("protocol.py")


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["full_refresh_overwrite", "incremental_deduped_history"])
def test_what_a_sync_adds_to_a_connector_is_measured(mode: str) -> None:
    command = [sys.executable, str(SCRIPT), "--json", "--rows", "4000", "--mode", mode]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert (found["records"], found["exact"]) == (4000, True)
    assert 0 < found["our_share"] < 1
    assert found["connector_processor_seconds"] > 0 < found["our_processor_seconds"]
