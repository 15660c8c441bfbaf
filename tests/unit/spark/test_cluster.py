"""A program that is started ends with the one that started it; settings are read or refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from adventureworks.schema import tables
from foundation.errors import EltError
from spark.cluster import Workers, kept, settings_of
from spark.jobs import JOBS, job
from spark.run import _given
from tests.fixtures.waiting import wait_until

STARTER = """
import sys, time
from pathlib import Path
from spark.cluster import kept
code = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
with kept([sys.executable, "-c", code, sys.argv[1]], {}, Path(sys.argv[1] + ".log")):
    time.sleep(600)
"""


def test_a_program_ends_when_its_starter_is_killed(tmp_path: Path) -> None:
    number = tmp_path / "pid"
    starter = subprocess.Popen([sys.executable, "-c", STARTER, str(number)])
    try:
        wait_until(lambda: number.exists() and number.read_text().isdigit(), 30)
    finally:
        starter.kill()
        starter.wait()
    wait_until(lambda: not psutil.pid_exists(int(number.read_text())), 30)


def test_the_exit_code_of_a_program_is_its_own(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with kept(["/bin/sh", "-c", "echo told; exit 3"], dict(os.environ), log) as process:
        assert process.wait(30) == 3
    assert log.read_text().startswith("told")


def test_each_run_has_a_secret_of_its_own() -> None:
    one, other = (settings_of(Workers(1, 512), [])["spark.authenticate.secret"] for _ in range(2))
    assert one != other and len(one) == 64


def test_settings_are_read_as_spark_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "spark.conf"
    file.write_text("# ours\nspark.executor.memory   4g\n\nspark.executor.cores=2\nspark.extra a b=c\n")
    assert _given(file) == {
        "spark.executor.memory": "4g",
        "spark.executor.cores": "2",
        "spark.extra": "a b=c",
    }


@pytest.mark.parametrize("line", ["executor.memory 4g", "spark.executor.memory"])
def test_a_line_that_is_no_setting_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "spark.conf"
    file.write_text(f"spark.executor.cores 2\n{line}\n")
    with pytest.raises(EltError, match=r"spark\.conf, line 2: no setting of Spark"):
        _given(file)


@pytest.mark.parametrize("each", JOBS, ids=lambda each: each.name)
def test_a_job_knows_the_keys_of_the_tables_that_it_reads(each: object) -> None:
    for table in job(each.name).tables:
        assert table.key == tuple(tables()[table.identifier.removeprefix("adventureworks_")].primary_key)
    assert each.grain.startswith("one row per") and all(each.seed_rows.values())
