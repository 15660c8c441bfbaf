"""The template of the jobs' processes: replaced when it died or is out of date, done without when it is silent or idle, never left behind."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from airbyte_local.jobs import processes
from airbyte_local.jobs.descendants import PR_SET_CHILD_SUBREAPER, adopt_orphans
from airbyte_local.jobs.processes import JobProcess, Processes
from foundation.settings import ROOT
from tests.fixtures.waiting import wait_until

# ends with what it reads from, or when it is asked
WAITS = [sys.executable, "-c", "import os; os.read(0, 1)"]


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for the code on disk, and processes that only wait for their end."""
    file = tmp_path / "module.py"
    file.write_text("")
    monkeypatch.setattr(processes, "CODE", [tmp_path])
    monkeypatch.setattr(processes, "FORKS", True)
    monkeypatch.setattr(processes, "_python", lambda module, **streams: psutil.Popen(WAITS, **streams))
    return file


@pytest.fixture
def kept(code: Path) -> Iterator[Processes]:
    ready = Processes()
    yield ready
    ready.close()


def template_of(ready: Processes) -> subprocess.Popen[bytes] | None:
    ready.prepare()
    return ready._template and ready._template._process


def dismiss(job: JobProcess) -> None:
    for pipe in (job.given, job.said):
        pipe.close()
    job.process.wait()


def test_a_template_that_died_is_replaced(kept: Processes) -> None:
    dead = template_of(kept)
    assert template_of(kept) is dead
    dead.kill()
    dead.wait()
    assert template_of(kept).poll() is None


def test_a_template_with_old_code_is_replaced(kept: Processes, code: Path) -> None:
    old = template_of(kept)
    os.utime(code, (1, 1))
    assert template_of(kept) is not old
    assert old.poll() is not None


def test_without_an_answer_of_the_template_a_process_is_started(kept: Processes) -> None:
    silent = template_of(kept)
    job = kept.take()
    assert job.process.is_running() and silent.poll() is not None
    dismiss(job)
    dismiss(kept.take())  # and without a template


def test_after_the_end_there_is_no_template(kept: Processes) -> None:
    template = template_of(kept)
    kept.close()
    assert template.poll() is not None
    assert template_of(kept) is None


def test_a_template_that_nobody_asks_ends_and_the_next_job_gets_a_new_one(
    kept: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "IDLE_SECONDS", 0.05)
    idle = template_of(kept)
    wait_until(lambda: idle.poll() is not None)
    dismiss(kept.take())
    monkeypatch.setattr(processes, "IDLE_SECONDS", 60.0)
    assert template_of(kept).poll() is None


@pytest.fixture
def adopting() -> Iterator[None]:
    """This process adopts orphans, as the server does."""
    adopt_orphans()
    yield
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux alone")
@pytest.mark.usefixtures("adopting")
def test_a_template_that_was_killed_while_it_forked_leaves_no_zombie(
    kept: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    forks = [sys.executable, "-c", "import os; os.fork() or os._exit(0); os.read(0, 1)"]
    monkeypatch.setattr(processes, "_python", lambda module, **streams: psutil.Popen(forks, **streams))
    template = psutil.Process(template_of(kept).pid)
    wait_until(lambda: [each.status() for each in template.children()] == [psutil.STATUS_ZOMBIE])
    (forked,) = template.children()
    template.kill()
    wait_until(lambda: forked.ppid() == os.getpid())
    assert template_of(kept).pid != template.pid
    assert not psutil.pid_exists(forked.pid)


THREADS = """
import os, resource, sys, duckdb, psutil, pyarrow as pa
from airbyte_local import job
job.import_engine()
job.THREADS_SECONDS = 2
if room := int(sys.argv[1]):
    most = psutil.Process().memory_info().vms + room
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
job.start_threads()
connection = duckdb.connect()
before = len(os.listdir("/proc/self/task"))
for _ in range(5):
    connection.register("rows", pa.table({"id": range(10_000)}).to_reader(max_chunksize=100))
    connection.execute("create or replace table copy as from rows where id > 5")
print(before, len(os.listdir("/proc/self/task")))
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads by /proc")
def test_a_job_that_reads_rows_starts_no_thread_but_the_first() -> None:
    done = subprocess.run([sys.executable, "-c", THREADS, "0"], capture_output=True, text=True, timeout=60)
    before, after = done.stdout.split() or pytest.fail(done.stderr)
    assert before == after


def test_a_job_without_room_for_its_threads_ends_and_does_not_wait_for_them() -> None:
    words = [sys.executable, "-c", THREADS, str(4 << 20)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode, done.stdout


# rows of a connector are made typed, by a scan of DuckDB's, while the destination's scan asks for them
NESTED = """
import tempfile, duckdb
from pathlib import Path
import pyarrow as pa
from airbyte_local import job, uncommitted_rows
from airbyte_local.sources.connector.rows import Typed, parser
from tests.unit.airbyte_local.test_connector_rows import NUMBERS, lines
job.import_engine()
job.start_threads()
uncommitted_rows.PARSE_BYTES = 1
rows = uncommitted_rows.UncommittedRows(Typed(NUMBERS, "connector", parser()), Path(tempfile.mkdtemp()))
for number in range(5):
    rows.add(lines({"id": number}), 1)
batches = rows.batches()
first = next(batches)
connection = duckdb.connect()
connection.register("arriving", pa.RecordBatchReader.from_batches(first.schema, batches))
print(first.num_rows, *connection.execute("select count(*) from arriving where id > 0").fetchone())
"""


def test_rows_that_are_made_while_a_scan_asks_for_them_need_no_thread_of_that_scan() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NESTED], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["1", "4"], done.stderr
