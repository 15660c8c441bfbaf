"""What is shown of a job that runs: on a terminal and elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from airbyte_config.jobs import STATUS, Job, Stream
from airbyte_config.progress import Progress


def stream(name: str, status: str, rows: int = 0, seconds: float = 0.0, reason: str = "") -> Stream:
    return Stream(name, status, rows, rows * 100, seconds, reason)


def job(status: STATUS, *streams: Stream) -> Job:
    rows = sum(stream.rows for stream in streams)
    return Job(7, "c", "sync", status, datetime.now(UTC), 3.0, rows, rows * 100, "", streams)


def terminal(screen: StringIO) -> Console:
    environ = {"TERM": "xterm"}
    return Console(
        file=screen, force_terminal=True, color_system=None, width=100, height=10, _environ=environ
    )


def test_elsewhere_than_on_a_terminal_each_stream_is_a_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    done = stream("s.a", "complete", 10_000, 0.5)
    with Progress("shop", "sync", Console(file=StringIO())) as progress:
        progress.show(job(STATUS.RUNNING, stream("s.a", "running", 5), stream("s.b", "pending")), False)
        progress.show(job(STATUS.RUNNING, done, stream("s.b", "running", 7)), False)
        progress.show(job(STATUS.RUNNING, done, stream("s.b", "running", 8)), False)
        progress.show(job(STATUS.FAILED, done, stream("s.b", "failed", 8, 0.1, "key lost")), False)
    assert capsys.readouterr().out.splitlines() == [
        "sync job 7 of shop: running, 5 rows, 0.0 MB, 3 s",
        "  s.a: complete, 10,000 rows, 1.0 MB, 20,000 rows/s",
        "  s.b: failed, 8 rows, 0.0 MB, 80 rows/s: key lost",
        "sync job 7 of shop: failed, 10,008 rows, 1.0 MB, 3 s",
    ]


def test_a_terminal_shows_a_table_that_fits_and_is_gone_in_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = StringIO()
    console = terminal(screen)
    waiting = [stream(f"s.waits{number}", "pending") for number in range(20)]
    with Progress("shop", "sync", console) as progress:
        running = stream("s.big", "running", 1_234_567, 2.0)
        progress.show(job(STATUS.RUNNING, *waiting, running, stream("s.done", "complete", 1, 0.1)), True)
        progress._live.refresh()
        shown = screen.getvalue()
        progress.show(job(STATUS.SUCCEEDED), True)
    assert "1,234,567" in shown
    assert "617,284" in shown
    assert "1 of 22 streams complete" in shown
    assert "s.waits0" in shown
    assert "s.waits9" not in shown
    out = capsys.readouterr().out.splitlines()
    assert out == [
        "sync job 7 of shop runs already: following it",
        "sync job 7 of shop: succeeded, 0 rows, 0.0 MB, 3 s",
    ]


def test_an_airbyte_that_tells_of_no_streams_is_shown_as_a_whole() -> None:
    screen = StringIO()
    console = terminal(screen)
    with Progress("shop", "refresh", console) as progress:
        progress.show(job(STATUS.RUNNING), False)
        progress._live.refresh()
    assert "sync job 7 of shop: running, 0 rows" in screen.getvalue()
    assert "streams complete" not in screen.getvalue()
