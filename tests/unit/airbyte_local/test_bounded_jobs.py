"""What a job may leave: a log of bounded size, and no process."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys

import psutil
import pytest

from airbyte_local.jobs import runner
from airbyte_local.jobs.report import Capped, Redacted
from airbyte_local.sources.connector.process import LONGEST_WORDS, words

# a server whose job starts a process that leaves group and session, and has no environment
SERVER = """
import os, subprocess, sys
from airbyte_local.jobs.descendants import adopt_orphans, end_orphans
from airbyte_local.jobs.runner import end_group
adopt_orphans()
kept = subprocess.Popen(["sleep", "60"])
left = ["env", "-i", "setsid", "sh", "-c", "echo $$; sleep 60 >&2 & sleep 60"]
job = subprocess.Popen(
    [sys.executable, "-c", f"import subprocess; subprocess.run({left}, stderr=subprocess.DEVNULL)"],
    stdout=subprocess.PIPE, start_new_session=True,
)
pid = int(job.stdout.readline())
job.kill()
end_group(job.pid); job.wait()
ended = end_orphans()
print(pid, ended, kept.poll() is None)
kept.kill()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only there orphans can be adopted")
@pytest.mark.threat("a process that outlives its job")
def test_a_process_that_a_killed_job_has_left_is_ended_and_no_other():
    answer = subprocess.run(
        [sys.executable, "-c", SERVER], capture_output=True, text=True, timeout=60, env=os.environ
    )
    assert answer.returncode == 0, answer.stderr
    pid, ended, kept_lives = answer.stdout.split()
    assert int(ended) >= 1 and kept_lives == "True"
    assert not psutil.pid_exists(int(pid))


@pytest.fixture
def log():
    """A log of at most 1,000 bytes; `say` writes to it as a connector or as the job does."""
    stream = io.StringIO()
    handler = Capped(stream, most=1_000)
    handler.setFormatter(Redacted({"secret"}))

    def say(text, level=logging.INFO, name="airbyte_local.sources.connector.process"):
        handler.handle(logging.LogRecord(name, level, "", 0, text, None, None))

    handler.say, handler.text = say, stream.getvalue
    return handler


@pytest.mark.threat("a full disk")
def test_a_connector_that_never_stops_logging_fills_no_disk(log):
    for number in range(10_000):
        log.say(f"number {number}")
    assert len(log.text()) < 1_200
    assert log.text().count("the log has reached 1,000 bytes: from here on lines are left out") == 1
    assert log.left_out == 10_000 - log.text().count("number")


def test_a_full_log_still_has_warnings_and_the_jobs_own_words(log):
    for _ in range(100):
        log.say("x" * 100)
    log.say("careful", logging.WARNING)
    log.say("committed", name="airbyte_local.jobs.report")
    assert "WARNING careful" in log.text() and "INFO committed" in log.text()
    for _ in range(100):
        log.say("y" * 100, logging.ERROR)
    log.say("failed: the reason", logging.ERROR, "__main__")
    assert len(log.text()) < 1_600 and log.text().endswith("ERROR failed: the reason\n")


@pytest.mark.threat("a full disk")
def test_only_the_newest_logs_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "LOGS", 3)
    monkeypatch.setattr(runner, "LOGS_BYTES", 25)
    for number in range(8, 13):
        (tmp_path / f"{number}.log").write_text("x" * 10)
    (tmp_path / "notes.log").touch()
    runner.trim(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"12.log", "11.log", "notes.log"}


@pytest.mark.threat("a request that is too large, too slow or one of too many")
def test_of_an_error_line_without_end_only_its_beginning_is_kept():
    longest = LONGEST_WORDS
    said = io.BytesIO(b"one\n" + b"x" * 5 * longest + b"\n" + b"y" * (longest - 1) + b"\nlast")
    found = list(words(said))
    assert [found[0], found[2][:2], found[3]] == [b"one\n", b"yy", b"last"] and len(found) == 4
    assert found[1].startswith(b"xxx") and len(found[1]) <= longest
    assert found[1].endswith("… (a line without end)\n".encode())


def test_a_secret_at_the_end_of_what_is_kept_is_not_cut_in_two():
    secret = b"hush" * 100
    said = io.BytesIO(b"x" * (LONGEST_WORDS - 200) + secret + b"x" * LONGEST_WORDS)
    assert b"hush" not in next(words(said))
