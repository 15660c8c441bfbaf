"""What a program of the stack says of a setting that can't be: one line, exit code 2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("program", ["stack.sink", "stack.airflow airflow-scheduler", "web_site"])
def test_a_setting_that_cannot_be_is_one_line(tmp_path: Path, program: str) -> None:
    environ = os.environ | {"ELT_HOME": str(tmp_path), "SINK_PORT": "80800"}
    done = subprocess.run(
        [sys.executable, "-m", *program.split()], env=environ, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if "Warning" not in line and "warn(" not in line]
    assert "SINK_PORT: '80800': a port is a whole number from 1 to 65535" in line
